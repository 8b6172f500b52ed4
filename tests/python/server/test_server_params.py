"""Wrong params: each request is answered, and the answer names the field."""

from __future__ import annotations

from typing import Any

import pytest
from language_client import Client, Refused

ANALYZE, LOAD, UNLOAD, NODE, TRACK, EXPORT = (
    f"lmTransparency/{name}" for name in ("analyze", "loadModel", "unloadModel", "nodeTokens", "lensTrack", "export")
)

_WRONG: list[tuple[str, Any, str]] = [
    (ANALYZE, None, "prompt"),
    (ANALYZE, {}, "prompt"),
    (ANALYZE, [], "list"),
    (ANALYZE, ["The capital"], "list"),
    (ANALYZE, "The capital", "str"),
    (ANALYZE, 5, "int"),
    (ANALYZE, True, "bool"),
    (ANALYZE, {"prompt": None}, "prompt"),
    (ANALYZE, {"prompt": 5}, "prompt"),
    (ANALYZE, {"prompt": ["a"]}, "prompt"),
    (ANALYZE, {"prompt": {"text": "a"}}, "prompt"),
    (ANALYZE, {"prompt": "a", "source": 1}, "source"),
    (ANALYZE, {"prompt": "a", "dtype": "int8"}, "dtype"),
    (ANALYZE, {"prompt": "a", "dtype": ["float32"]}, "dtype"),
    (ANALYZE, {"prompt": "a", "specialTokens": "some"}, "specialTokens"),
    (ANALYZE, {"prompt": "a", "specialTokens": {}}, "specialTokens"),
    (ANALYZE, {"prompt": "a", "allowDownload": "yes"}, "allowDownload"),
    (ANALYZE, {"prompt": "a", "allowDownload": 1}, "allowDownload"),
    (ANALYZE, {"prompt": "a", "topK": "10"}, "topK"),
    (ANALYZE, {"prompt": "a", "topK": 2.5}, "topK"),
    (ANALYZE, {"prompt": "a", "topK": True}, "topK"),
    (ANALYZE, {"prompt": "a", "topK": 0}, "topK"),
    (ANALYZE, {"prompt": "a", "topK": -1}, "topK"),
    (ANALYZE, {"prompt": "a", "topK": 10**30}, "topK"),
    (ANALYZE, {"prompt": "a", "workDoneToken": 5}, "workDoneToken"),
    (LOAD, [], "list"),
    (LOAD, {"source": 5}, "source"),
    (LOAD, {"dtype": "double"}, "dtype"),
    (LOAD, {"device": 0}, "device"),
    (UNLOAD, "all", "str"),
    (UNLOAD, {"source": ["a"]}, "source"),
    (NODE, None, "runId"),
    (NODE, {"runId": "a"}, "node"),
    (NODE, {"node": "A1_1"}, "runId"),
    (NODE, {"runId": 1, "node": "A1_1"}, "runId"),
    (NODE, {"runId": "a", "node": 11}, "node"),
    (NODE, {"runId": "a", "node": "A1_1", "topK": 0}, "topK"),
    (NODE, {"runId": "a", "node": "A1_1", "normalize": "no"}, "normalize"),
    (TRACK, {"runId": "a", "position": 0}, "tokens"),
    (TRACK, {"runId": "a", "position": 0, "tokens": None}, "tokens"),
    (TRACK, {"runId": "a", "position": 0, "tokens": 5}, "tokens"),
    (TRACK, {"runId": "a", "position": 0, "tokens": "12"}, "tokens"),
    (TRACK, {"runId": "a", "position": 0, "tokens": {"0": 1}}, "tokens"),
    (TRACK, {"runId": "a", "position": 0, "tokens": ["1"]}, "tokens"),
    (TRACK, {"runId": "a", "position": 0, "tokens": [1, None]}, "tokens"),
    (TRACK, {"runId": "a", "position": 0, "tokens": [1, True]}, "tokens"),
    (TRACK, {"runId": "a", "position": 0, "tokens": [1.5]}, "tokens"),
    (TRACK, {"runId": "a", "position": 0, "tokens": [[1]]}, "tokens"),
    (TRACK, {"runId": "a", "position": 0, "tokens": [1] * 65}, "tokens"),
    (EXPORT, {"runId": "a", "target": 0, "threshold": 0.04}, "format"),
    (EXPORT, {"runId": "a", "format": "png", "target": 0, "threshold": 0.04}, "format"),
    (EXPORT, {"runId": "a", "format": "csv", "target": 0, "threshold": "0.04"}, "threshold"),
    (EXPORT, {"runId": "a", "format": "csv", "target": 0, "threshold": True}, "threshold"),
    (EXPORT, {"runId": "a", "format": "csv", "target": 0.5, "threshold": 0.04}, "target"),
]


def test_wrong_params_are_refused_with_the_name_of_the_field(server: Client) -> None:
    asked = [(server.request(method, params), params, field) for method, params, field in _WRONG]
    for msg_id, params, field in asked:
        with pytest.raises(Refused) as refused:
            server.answer(msg_id, 20)
        error = refused.value
        assert (error.code, error.kind) == (-32602, "invalidParams"), params
        assert field in error.message, (params, error.message)


def test_a_wrong_value_gets_an_answer_with_the_values_that_the_field_takes(server: Client) -> None:
    with pytest.raises(Refused) as refused:
        server.ask(ANALYZE, {"prompt": "a", "dtype": "int8"})
    assert all(word in refused.value.remedy for word in ("auto", "float32", "bfloat16", "float16"))


def test_unknown_fields_and_null_for_a_default_are_taken(server: Client) -> None:
    assert server.ask(ANALYZE, {"prompt": "a", "source": None, "topK": None, "later": {"version": 2}})["runId"]


@pytest.mark.parametrize("device", ["cuda:99", "warp", ""])
def test_a_device_that_is_not_there_is_refused(device: str, server: Client) -> None:
    with pytest.raises(Refused, match="no device") as refused:
        server.ask(LOAD, {"device": device})
    assert refused.value.kind == "invalidParams"


def test_a_node_that_is_none_is_refused(server: Client) -> None:
    run_id = server.ask(ANALYZE, {"prompt": "a b"})["runId"]
    for node in ("", "A", "Q1_1", "A1", "A1_", "A_1", "A-1_0", "A1_1_1", "A99_0", "X1_0", "B0_0"):
        with pytest.raises(Refused, match=" node") as refused:
            server.ask(NODE, {"runId": run_id, "node": node})
        assert refused.value.kind == "invalidParams", node
    with pytest.raises(Refused, match="Position 99") as refused:
        server.ask(NODE, {"runId": run_id, "node": "A0_99"})
    assert refused.value.kind == "invalidPosition"
