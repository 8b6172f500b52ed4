"""The first graph of a long prompt arrives before the rest, and questions in between are answered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from language_client import Client, Refused, decode

import prompts

ANALYZE, REACH, MAP, EXPORT, EDGE, UNLOAD = (
    f"lmTransparency/{name}" for name in ("analyze", "reach", "attentionMap", "export", "edgeHeads", "unloadModel")
)


def first_of(client: Client, token: str) -> dict[str, Any]:
    def matches(m: dict[str, Any]) -> bool:
        return m.get("method") == "$/progress" and m["params"]["token"] == token

    return client.wait_for(matches)["params"]["value"]


def edges(columns: dict[str, np.ndarray]) -> dict[tuple[int, int, int], float]:
    names = ("edgeLayer", "edgeQuery", "edgeKey", "edgeWeight")
    return {(x, q, k): w for x, q, k, w in zip(*(columns[name].tolist() for name in names), strict=True)}


def test_the_graph_of_the_last_token_comes_first_and_the_rest_is_what_is_computed_at_once(server: Client) -> None:
    eager, eager_columns = decode(server.ask(ANALYZE, {"prompt": prompts.LONG}))
    asked = {"layer": 20, "head": 3}
    at_once = server.ask(MAP, {**asked, "runId": eager["runId"]})
    # an analysis in memory would be reused
    server.ask(UNLOAD)
    msg_id = server.request(
        ANALYZE, {"prompt": prompts.LONG, "partialResultToken": "first", "workDoneToken": "progress"}
    )
    first = first_of(server, "first")
    run_id = first["runId"]
    # answered in between: the rows of another target, and a question about a layer that may be missing still
    reached = server.request(REACH, {"runId": run_id, "target": 60, "threshold": 0.03})
    assert server.ask(MAP, {**asked, "runId": run_id})["contribution"] == at_once["contribution"]

    meta, columns = decode(first)
    known = columns["known"].astype(bool)
    assert 0 < known.sum() < 0.5 * known.size
    assert known[:, meta["target"]].all()
    assert (meta["target"], meta["predicted"][-1]) == (eager["target"], eager["predicted"][-1])
    assert not any(meta["predicted"][:-1])
    assert meta["proof"]["holds"]
    assert edges(columns) == pytest.approx(
        {edge: weight for edge, weight in edges(eager_columns).items() if known[edge[:2]]}, abs=1e-6
    )

    result = server.answer(msg_id)
    last, last_columns = decode(result)
    assert (last["runId"], last["predicted"], last["proof"]) == (run_id, eager["predicted"], eager["proof"])
    for name, column in eager_columns.items():
        np.testing.assert_array_equal(last_columns[name], column, err_msg=name)
    _, more = decode({"payload": server.answer(reached)["payload"]})
    assert more["known"].sum() > known.sum()
    assert more["known"].astype(bool)[29, 60]


def test_a_short_prompt_is_answered_in_one_step(server: Client) -> None:
    result = server.ask(ANALYZE, {"prompt": "The capital of France is", "partialResultToken": "short"})
    assert decode(result)[1]["known"].all()
    assert not [m for m in server.messages if m.get("params", {}).get("token") == "short"]


def test_after_an_edit_at_its_end_a_long_prompt_is_answered_in_one_step(server: Client) -> None:
    server.ask(ANALYZE, {"prompt": prompts.LONG})
    result = server.ask(ANALYZE, {"prompt": prompts.LONG + " Then", "partialResultToken": "edited"})
    assert decode(result)[1]["known"].all()
    assert not [m for m in server.messages if m.get("params", {}).get("token") == "edited"]


def test_an_analysis_that_is_called_off_after_its_first_graph_can_still_be_asked(server: Client) -> None:
    server.ask(UNLOAD)
    msg_id = server.request(ANALYZE, {"prompt": prompts.LONG, "partialResultToken": "given up"})
    run_id = first_of(server, "given up")["runId"]
    server.notify("$/cancelRequest", {"id": msg_id})
    with pytest.raises(Refused) as refused:
        server.answer(msg_id)
    assert refused.value.kind == "cancelled"
    _, columns = decode({"payload": server.ask(REACH, {"runId": run_id, "target": 20, "threshold": 0.05})["payload"]})
    assert columns["known"][29, 20]
    assert not columns["known"].all()
    assert server.ask(EDGE, {"runId": run_id, "layer": 3, "query": 100, "key": 0})["weight"] > 0
    with pytest.raises(Refused) as refused:
        server.ask(REACH, {"runId": run_id, "target": 20_000, "threshold": 0.05})
    assert refused.value.kind == "invalidPosition"
    # an export covers the whole analysis
    export = {"runId": run_id, "format": "csv", "target": 30, "threshold": 0.05}
    assert "\n" in server.ask(EXPORT, export)["text"]
