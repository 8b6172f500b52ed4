"""Questions about a run that cannot be answered: each refusal names the fault and a remedy."""

from __future__ import annotations

from typing import Any

import pytest
from language_client import Client, Refused

from lm_transparency.protocol import INSPECTIONS

Ask = Any


#: (question, params that are wrong, what the message says)
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("nodeTokens", {"node": "A30_0"}, "no node"),
    ("edgeHeads", {"layer": 30, "query": 1, "key": 0}, "no layer 30"),
    ("edgeHeads", {"layer": -1, "query": 1, "key": 0}, "no layer -1"),
    ("edgeHeads", {"layer": 0, "query": 3, "key": 4}, "no key position 4"),
    ("edgeHeads", {"layer": 0, "query": 3, "key": -1}, "no key position 14"),
    ("edgeHeads", {"layer": 10**30, "query": 3, "key": 1}, "no layer 1000"),
    ("head", {"layer": 0, "head": 9, "query": 1}, "no head 9"),
    ("head", {"layer": 0, "head": -1, "query": 1}, "no head -1"),
    ("head", {"layer": 0, "head": 0, "query": 3, "key": 4}, "no key position 4"),
    ("head", {"layer": 0, "head": 0, "query": 3, "key": -2}, "no key position 13"),
    ("head", {"layer": 0, "head": 0, "query": 3, "topK": 0}, "topK"),
    ("head", {"layer": 0, "head": 0, "query": 3, "keysK": 101}, "keysK"),
    ("attentionMap", {"layer": 30}, "no layer 30"),
    ("attentionMap", {"layer": 0, "head": 9}, "no head 9"),
    ("attentionMap", {"layer": 0, "head": -2}, "no head -2"),
    ("layerMaps", {"layer": -1}, "no layer -1"),
    ("layerMaps", {"layer": 0, "side": 0}, "side"),
    ("layerMaps", {"layer": 0, "side": 513}, "side"),
    ("ffnNeurons", {"layer": 30, "position": 0}, "no layer 30"),
    ("ffnNeurons", {"layer": 0, "position": 0, "topK": 0}, "topK"),
    ("neuron", {"layer": 0, "neuron": 1536, "position": 0}, "no neuron 1536"),
    ("neuron", {"layer": 0, "neuron": -1, "position": 0}, "no neuron -1"),
    ("ffnExperts", {"layer": 0, "position": 0}, "layer 0 has no experts"),
    ("expert", {"layer": 0, "expert": "3", "position": 0}, "layer 0 has no experts"),
    ("neuron", {"layer": 0, "neuron": 0, "position": 0, "expert": "3"}, "layer 0 has no experts"),
    ("lensGrid", {"token": 49152}, "no token 49152"),
    ("lensGrid", {"token": -2}, "no token -2"),
    ("lensGrid", {"lens": "/nowhere/lens.pt"}, "lens.pt cannot be read as a lens: No such file"),
    ("lensGrid", {"firstRow": 30, "rowCount": 2}, "rows 0 to 30"),
    ("lensTrack", {"position": 0, "tokens": [1, 49152]}, "no token 49152"),
    ("lensTrack", {"position": 0, "tokens": [1] * 65}, "more than 64"),
    ("describe", {"form": "poem"}, "form"),
    ("lensTrack", {"position": 0, "tokens": [], "texts": [" xylophonist"]}, "splits into ' xyl' + 'ophon' + 'ist'"),
    ("export", {"format": "json", "target": 0, "threshold": 0.0}, "threshold"),
    ("measureEffects", {}, "0 units"),
    ("measureEffects", {"units": ["M0_1"], "seconds": 0}, "seconds"),
    ("measureEffects", {"units": ["Q1"]}, "not a unit"),
    ("knockOut", {"unit": "M30_1"}, "no layer 30"),
    ("predictEffects", {"target": " xylophonist"}, "splits into"),
    ("predictEffects", {"how": "median"}, "how"),
    ("predictEffects", {"target": "\ud800"}, "is not one token"),
    ("measureEffects", {"units": ["+".join(["X0_0"] * 300)]}, "300 units are to be removed together"),
    ("faithfulness", {"predicted": [1.0] * 10_001, "measured": [1.0]}, "too many edges"),
    ("export", {"format": "html", "target": 0, "threshold": 0.04}, "format"),
    ("export", {"format": "svg", "target": 0, "threshold": 0.04, "ink": "red"}, "ink"),
]


@pytest.mark.parametrize(("name", "params", "says"), WRONG)
def test_what_is_out_of_range_is_refused_with_a_remedy(ask: Ask, name: str, params: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused) as refused:
        ask(name, **params)
    assert says in refused.value.message
    assert (refused.value.code, refused.value.kind) == (-32602, "invalidParams")
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("export", {"format": "csv", "target": 15, "threshold": 0.04}),
        ("export", {"format": "csv", "target": -16, "threshold": 0.04}),
        ("edgeHeads", {"layer": 0, "query": 15, "key": 0}),
        ("ffnNeurons", {"layer": 0, "position": 15}),
        ("neuron", {"layer": 0, "neuron": 0, "position": -16}),
        ("lensTrack", {"position": 15, "tokens": [1]}),
    ],
)
def test_a_position_out_of_range_has_its_own_kind(ask: Ask, name: str, params: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="out of range") as refused:
        ask(name, **params)
    assert (refused.value.kind, bool(refused.value.remedy)) == ("invalidPosition", True)


#: Params of every question that would be answered.
RIGHT: dict[str, dict[str, Any]] = {
    "predictEffects": {},
    "measureEffects": {"units": ["I0_1>A1_5"]},
    "knockOut": {"unit": "M1_3"},
    "faithfulness": {"predicted": [1.0, 2.0], "measured": [1.0, 2.0]},
    "nodeTokens": {"node": "I1_1"},
    "edgeHeads": {"layer": 0, "query": 1, "key": 0},
    "head": {"layer": 0, "head": 0, "query": 1},
    "headEntropy": {"layer": 0, "query": 1},
    "promoted": {"units": ["M1_3"]},
    "describe": {"form": "text"},
    "attentionMap": {"layer": 0},
    "layerMaps": {"layer": 0},
    "headTags": {},
    "ffnNeurons": {"layer": 0, "position": 0},
    "neuron": {"layer": 0, "neuron": 0, "position": 0},
    "lensGrid": {},
    "lenses": {},
    "lensTrack": {"position": 0, "tokens": [1]},
    "export": {"format": "json", "target": 0, "threshold": 0.04},
    "record": {},
}


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_a_run_that_is_not_there_has_expired(server: Client, name: str) -> None:
    with pytest.raises(Refused, match="no longer holds") as refused:
        server.ask(f"lmTransparency/{name}", {"runId": "nobody", **RIGHT[name]})
    assert (refused.value.code, refused.value.kind) == (-32803, "runExpired")
    assert "Analyze the prompt again" in refused.value.remedy


def test_each_of_these_is_answered_for_a_run_that_is_there(ask: Ask) -> None:
    asked = {method.removeprefix("lmTransparency/") for method in INSPECTIONS}
    # of a mixture of experts (`test_server_experts.py`), and of a long prompt (`test_server_first_graph.py`)
    assert set(RIGHT) == asked - {"ffnExperts", "expert", "reach"}
    for name, params in RIGHT.items():
        assert ask(name, **params)
