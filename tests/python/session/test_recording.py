"""Answers that a page carries: those that a session gives, the strongest first, in a bounded room."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

from families import build
from lm_transparency import LoadedModel, Session, analyze, export_page, inspect_effects
from lm_transparency.model.anatomy import dissect
from lm_transparency.protocol import INSPECTIONS
from lm_transparency.protocol.inspection import RecordParams
from lm_transparency.protocol.wire import read, to_wire
from lm_transparency.session import recording
from lm_transparency.session.answers import answer
from lm_transparency.watch import Watch

PROMPT = "Mary and John went to the store and Mary said"

Entry = tuple[str, dict[str, Any], Any]


def unpacked(answers: str) -> list[Entry]:
    return [tuple(entry) for entry in json.loads(gzip.decompress(base64.b64decode(answers)))]


def recorded(session: Session, run_id: str, **params: Any) -> list[Entry]:
    result = answer(RecordParams(run_id, **params), session, Watch())
    entries = unpacked(result.answers)
    assert len(entries) == result.count
    return entries


def float32(value: Any) -> Any:
    if isinstance(value, float):
        return float(np.float32(value))
    if isinstance(value, list):
        return [float32(item) for item in value]
    return {key: float32(item) for key, item in value.items()} if isinstance(value, dict) else value


@pytest.fixture
def session() -> Session:
    return Session()


def test_each_answer_is_the_one_that_the_session_gives(session: Session, tiny_gpt2: LoadedModel) -> None:
    run = analyze(tiny_gpt2, PROMPT)
    run_id = session.keep(run)
    entries = recorded(session, run_id, target=run.target)
    for method, params, given in entries:
        asked = read(INSPECTIONS[method][0], params)
        assert float32(json.loads(json.dumps(to_wire(answer(asked, session, Watch()))))) == float32(given)
    counted = Counter(method.removeprefix("lmTransparency/") for method, _, _ in entries)
    assert {"headTags", "lensGrid", "lensTrack", "nodeTokens", "edgeHeads", "head", "headEntropy"} < set(counted)
    assert {"attentionMap", "layerMaps", "promoted", "ffnNeurons", "neuron"} < set(counted)
    assert len({json.dumps(entry[:2]) for entry in entries}) == len(entries)


def test_every_drawn_edge_and_block_and_every_cell_of_a_short_prompt_is_among_them(
    session: Session, tiny_gpt2: LoadedModel
) -> None:
    run = analyze(tiny_gpt2, PROMPT)
    entries = recorded(session, session.keep(run), target=run.target)
    nodes = {params["node"] for method, params, _ in entries if method.endswith("nodeTokens")}
    edges = {(p["layer"], p["query"], p["key"]) for method, p, _ in entries if method.endswith("edgeHeads")}
    for part in run.routes(run.target, None).edges:
        if part.kind == "attention":
            assert (part.target.layer, part.target.position, part.source.position) in edges
        assert str(part.source) in nodes or part.source.kind == "B"
    assert {f"I{layer}_{at}" for layer in range(run.trace.n_layers) for at in range(run.trace.n_tokens)} <= nodes


def test_what_has_no_room_is_left_out_the_strongest_last(
    session: Session, tiny_gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = session.keep(analyze(tiny_gpt2, PROMPT))
    whole = recorded(session, run_id)
    monkeypatch.setattr(recording, "BUDGET", 4000)
    monkeypatch.setattr(recording, "MAPS_BUDGET", 0)
    some = recorded(session, run_id)
    assert 0 < len(some) < len(whole)
    assert some == whole[: len(some)]


def test_what_is_selected_named_and_measured_goes_first(
    session: Session, tiny_gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = analyze(tiny_gpt2, PROMPT)
    run_id = session.keep(run)
    found = inspect_effects(run, units=["M0_2#3", "X0_1>A0_2/1"], position=-1)
    monkeypatch.setattr(recording, "MOST_EDGES", 0)
    monkeypatch.setattr(recording, "MOST_BLOCKS", 0)
    entries = recorded(
        session, run_id, target=run.target, selection="attention:I0_1>A1_3#1", named=["#7", "no token"], effects=found
    )
    edges = [params for method, params, _ in entries if method.endswith("/edgeHeads")]
    assert [(p["layer"], p["query"], p["key"]) for p in edges] == [(1, 3, 1), (0, 2, 1)]
    assert any(p["layer"] == 1 and p["head"] == 1 for method, p, _ in entries if method.endswith("/head"))
    assert any(p["neuron"] == 3 for method, p, _ in entries if method.endswith("/neuron"))
    assert any(7 in p["tokens"] for method, p, _ in entries if method.endswith("/lensTrack"))


def test_a_map_has_fewer_cells_where_the_prompt_is_long(
    session: Session, tiny_gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "SIDE", 4)
    entries = recorded(session, session.keep(analyze(tiny_gpt2, PROMPT)))
    maps = [(params, given) for method, params, given in entries if method.endswith("/attentionMap")]
    # asked as the panel asks, which takes the side from the answer
    assert maps
    assert all(params["side"] == 384 and given["side"] == 4 for params, given in maps)


def test_experts_of_a_mixture(session: Session, tiny_tokenizer: Any) -> None:
    model = build("mixtral", {"vocab_size": 440, "max_position_embeddings": 128})
    mixture = LoadedModel("tiny-mixtral", "tiny-mixtral", model, tiny_tokenizer, dissect(model))
    methods = {method for method, _, _ in recorded(session, session.keep(analyze(mixture, PROMPT)))}
    assert {"lmTransparency/ffnExperts", "lmTransparency/expert"} < methods


def test_the_page_from_python_carries_them(tiny_gpt2: LoadedModel) -> None:
    run = analyze(tiny_gpt2, PROMPT)
    text = export_page(run, title="a <b>", threshold=0.05)
    found = re.search(r'id="lm-transparency-page">(.*?)</script>', text, re.DOTALL)
    assert found
    content = json.loads(found[1])
    assert content["view"] == {
        "runId": content["runId"],
        "target": run.target,
        "threshold": 0.05,
        "renormalize": True,
        "ink": "flow",
    }
    assert len(unpacked(content["answers"])) > 20
