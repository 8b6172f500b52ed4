"""Questions about effects over the wire: the figures of the Python API, and no waiting behind a measurement."""

from __future__ import annotations

from typing import Any

import pytest
from language_client import Client, Refused, numbers

from lm_transparency import Analysis
from lm_transparency.causal.effects import Budget
from lm_transparency.causal.units import edge
from lm_transparency.inspection.effects import inspect_effects
from lm_transparency.protocol.wire import to_wire
from prompts import IOI

Ask = Any

#: One unit of each kind that the model has, several at once, and the last token, which no later query looks at.
UNITS = [
    *("I22_2>A23_14", "X0_1>A0_14", "I22_2>A23_14/0", "23.0@14", "23.0", "M22_3", "M22_3#831", "I5_3", "X0_2"),
    *("M0_2+M3_2", "X0_2+X0_4", "I22_-13>A23_-1", "X0_14"),
]
TWICE = f"{IOI} Mary. {IOI}"
#: Blocks whose measurement takes seconds.
MANY = [f"M{layer}_{position}" for layer in range(10) for position in range(1, 25)]
CONTRAST = {"target": " Mary", "contrast": " John"}
FIGURES = ("predicted", "measured", "kl", "share")


def same(ours: Any, theirs: Any) -> None:
    """Units of the wire and of the Python API: names equal, figures to what a batch of another size changes.

    A share is there where shares were asked for before.
    """
    assert [unit["unit"] for unit in theirs] == [unit.unit for unit in ours]
    for unit, other in zip(ours, theirs, strict=True):
        assert (other["kind"], other["text"], other["how"]) == (unit.kind, unit.text, unit.how)
        for name in FIGURES:
            mine = getattr(unit, name)
            if name == "share" and other[name] is None:
                continue
            assert other[name] == (None if mine is None else pytest.approx(mine, abs=2e-4)), (unit.unit, name)


@pytest.fixture(scope="module")
def named(ioi: Analysis) -> Any:
    return inspect_effects(ioi, units=UNITS, **CONTRAST)


def test_units_of_every_kind_have_the_figures_of_the_python_api(ask: Ask, named: Any) -> None:
    units = ask("measureEffects", units=UNITS, seconds=60, **CONTRAST)["units"]
    same(named.units, units)
    last = units[-1]
    assert (last["unit"], last["how"], last["measured"]) == ("X0_14", "knock-out", None)


def test_a_knock_out_is_the_measurement_with_its_outputs(ask: Ask, ioi: Analysis, named: Any) -> None:
    probabilities = ioi.trace.logits[-1].double().softmax(dim=-1)
    for unit in named.units:
        reply = ask("knockOut", unit=unit.unit, topK=4, **CONTRAST)
        same([unit], [reply["effect"]])
        assert reply["metric"] == to_wire(named.metric) | {"value": pytest.approx(named.metric.value, abs=1e-4)}
        outputs = {output["id"]: output for output in reply["outputs"]}
        for one in outputs.values():
            assert one["before"] == pytest.approx(float(probabilities[one["id"]]), abs=1e-5)
        assert named.metric.contrast
        both = [outputs[named.metric.target.id], outputs[named.metric.contrast.id]]
        before, after = (both[0][name] - both[1][name] for name in ("logitBefore", "logitAfter"))
        assert before == pytest.approx(named.metric.value, abs=1e-4)
        assert before - after == pytest.approx(unit.measured or 0, abs=3e-4)


def test_predictions_are_those_of_the_python_api(ask: Ask, ioi: Analysis) -> None:
    reply = ask("predictEffects", **CONTRAST)
    assert reply["metric"]["target"]["text"] == " Mary"
    columns = {name: numbers(reply[name]) for name in ("edgeLayer", "edgeQuery", "edgeKey", "edgeEffect")}
    assert list(-abs(columns["edgeEffect"])) == sorted(-abs(columns["edgeEffect"]))
    first = [columns[name][:5].tolist() for name in ("edgeLayer", "edgeQuery", "edgeKey")]
    edges = [str(edge(*place)) for place in zip(*first, strict=True)]
    tokens, ffn, heads = (numbers(reply[name]) for name in ("tokens", "ffn", "heads"))
    ours = inspect_effects(ioi, units=[*edges, "X0_3", "M7_5", "23.4"], **CONTRAST)
    predicted = [unit.predicted for unit in ours.units]
    theirs = [*columns["edgeEffect"][:5], tokens[3], ffn[7, 5], heads[23, 4]]
    assert theirs == pytest.approx(predicted, abs=1e-4)
    listed = {unit["unit"]: unit for unit in reply["units"]}
    assert all(unit["measured"] is None for unit in listed.values())
    assert listed["X0_3"]["share"] == pytest.approx(ours.units[5].share, abs=1e-4)
    assert float(numbers(reply["shares"]).sum()) == pytest.approx(ours.metric.value, rel=1e-3)
    assert reply["shareError"] < 1e-4


def test_the_drawing_holds_as_much_as_the_python_api_says(ask: Ask, ioi: Analysis) -> None:
    ours = inspect_effects(ioi, budget=Budget(measure=2, edges=20), **CONTRAST)
    edges = [unit for unit in ours.units if unit.kind == "edge" and None not in (unit.predicted, unit.measured)]
    edges = sorted(edges, key=lambda unit: -abs(unit.predicted or 0))[:20]
    pairs = {"predicted": [unit.predicted for unit in edges], "measured": [unit.measured for unit in edges]}
    reply = ask("faithfulness", **pairs, **CONTRAST)
    assert ours.faithfulness
    wanted = to_wire(ours.faithfulness)
    assert reply == {name: value if name == "n" else pytest.approx(value, abs=1e-3) for name, value in wanted.items()}


def test_what_the_panel_knows_comes_back_in_exports(ask: Ask, named: Any) -> None:
    sent = to_wire(named)
    shown = {"target": 14, "threshold": 0.04}
    svg = ask("export", format="svg", ink="effect", effects=sent, **shown)["text"]
    assert "supports ·Mary" in svg
    assert f'data-effect="{named.units[0].measured!r}"' in svg
    described = ask("describe", form="run", target=14, effects=sent)["text"]
    assert '"unit": "I22_2>A23_14"' in described
    for wrong, says in (
        ({**shown, "target": 3, "ink": "effect", "effects": sent}, "the graph leads to position 3"),
        ({**shown, "ink": "effect"}, "no effects to draw"),
        ({**shown, "effects": {**sent, "units": [{**sent["units"][0], "unit": "M99_1"}]}}, "no layer 99"),
        ({**shown, "effects": {**sent, "units": 5}}, "'effects.units' is int, not list"),
    ):
        with pytest.raises(Refused, match=says) as refused:
            ask("export", format="svg", **wrong)
        assert refused.value.kind == "invalidParams"


def test_another_request_does_not_wait_for_a_measurement(server: Client) -> None:
    run_id = server.ask("lmTransparency/analyze", {"prompt": TWICE, "specialTokens": "none"})["runId"]
    behind = {"runId": run_id, "units": MANY, "seconds": 120, "behind": True, "workDoneToken": "measured"}
    measuring = server.request("lmTransparency/measureEffects", behind)
    server.wait_for(
        lambda m: (
            m.get("method") == "$/progress"
            and m["params"]["token"] == "measured"
            and m["params"]["value"].get("message", "").startswith("Interventions")
        )
    )
    server.ask("lmTransparency/nodeTokens", {"runId": run_id, "node": "I3_3"}, timeout=20)
    # what was measured by then, and that is not all
    units = server.answer(measuring, 20)["units"]
    assert 0 < len(units) < len(MANY)
    assert all(unit["measured"] is not None for unit in units)


def test_a_measurement_is_cancelled_at_once(server: Client) -> None:
    run_id = server.ask("lmTransparency/analyze", {"prompt": TWICE, "specialTokens": "none"})["runId"]
    asked = {"runId": run_id, "units": MANY, "seconds": 120}
    measuring = server.request("lmTransparency/measureEffects", asked)
    server.cancel(measuring)
    with pytest.raises(Refused) as refused:
        server.answer(measuring, 20)
    assert refused.value.kind == "cancelled"
    server.ask("lmTransparency/nodeTokens", {"runId": run_id, "node": "I3_3"}, timeout=20)
