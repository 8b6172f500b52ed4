"""The start of a connection, and the answer to a message that is not understood."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from language_client import Client, Refused, StartClient, python_path

HEALTH = "lmTransparency/health"

_TELL_OF_TORCH = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "transformers", "numba"):
            print("importing", name, file=sys.stderr, flush=True)
sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("command", [("-m", "lm_transparency", "serve"), ("-m", "lm_transparency.server")])
def test_initialize_and_health_are_answered_before_torch_is_imported(
    command: tuple[str, ...], start: StartClient, tmp_path: Path
) -> None:
    path = python_path(tmp_path, sitecustomize=_TELL_OF_TORCH, torch="raise ImportError('later')")
    client = start(*command, **path)
    client.ask("initialize", {"capabilities": {}})
    assert client.ask(HEALTH)["state"] == "starting"
    assert "importing" not in client.stderr()
    client.notify("initialized", {})
    client.until_logged("importing torch")


def test_the_server_names_itself_and_asks_for_documents_edit_by_edit(fake: Client) -> None:
    result = next(m["result"] for m in fake.messages if "result" in m)
    assert result["serverInfo"]["name"] == "lm-transparency"
    assert result["capabilities"]["textDocumentSync"] == {"openClose": True, "change": 2, "save": False}


def test_a_request_before_initialize_is_refused(start: StartClient, empty_packages: dict[str, str]) -> None:
    client = start("-m", "lm_transparency.server", **empty_packages)
    with pytest.raises(Refused, match="before initialize") as refused:
        client.ask(HEALTH)
    assert refused.value.code == -32002
    with pytest.raises(Refused, match="initialize") as refused:
        client.ask("initialize", None)
    assert refused.value.code == -32602
    assert client.initialize()


def test_a_request_after_shutdown_is_refused(fake: Client) -> None:
    assert fake.ask("shutdown") is None
    with pytest.raises(Refused, match="shutting down") as refused:
        fake.ask(HEALTH)
    assert refused.value.code == -32600


def test_an_unknown_method_is_said_to_be_unknown(fake: Client) -> None:
    for method in ("lmTransparency/fly", "textDocument/definition", "workspace/symbol", "", "$/x"):
        with pytest.raises(Refused, match="knows no method") as refused:
            fake.ask(method, {"textDocument": {}})
        assert (refused.value.code, refused.value.kind) == (-32601, "internal")
        assert "Set Up Backend" in refused.value.remedy


_NOT_REQUESTS: list[tuple[Any, Any, int]] = [
    ([{"jsonrpc": "2.0", "id": "batch", "method": HEALTH}], None, -32600),
    ("text", None, -32600),
    (None, None, -32600),
    ({"jsonrpc": "2.0", "id": "no method"}, "no method", -32600),
    ({"jsonrpc": "2.0", "id": "method 5", "method": 5}, "method 5", -32600),
    ({"jsonrpc": "1.0", "id": "old", "method": HEALTH}, "old", -32600),
    ({"id": "no version", "method": HEALTH}, "no version", -32600),
    ({"jsonrpc": "2.0", "id": 1.5, "method": HEALTH}, 1.5, -32600),
    ({"jsonrpc": "2.0", "id": True, "method": HEALTH}, None, -32600),
    ({"jsonrpc": "2.0", "id": None, "method": HEALTH}, None, -32600),
    ({"jsonrpc": "2.0", "id": [1], "method": HEALTH}, None, -32600),
]


def test_whatever_is_no_request_gets_one_error_reply_and_the_next_request_works(fake: Client) -> None:
    for message, _, _ in _NOT_REQUESTS:
        fake.send(message)
    fake.send_body(b'{"jsonrpc": "2.0", "id": 1')
    fake.send_body(b"\xff\xfe\xfd")
    fake.send_body(b"[" * 200_000)
    fake.ask(HEALTH)
    replies = [(m["id"], m["error"]["code"]) for m in fake.messages if "error" in m]
    assert replies == [(msg_id, code) for _, msg_id, code in _NOT_REQUESTS] + [(None, -32700)] * 3
    assert all(m["error"]["data"]["kind"] == "internal" for m in fake.messages if "error" in m)


def test_notifications_that_fit_nothing_are_dropped_in_silence(fake: Client) -> None:
    before = len(fake.messages)
    for method, params in [
        ("lmTransparency/fly", None),
        ("$/cancelRequest", None),
        ("$/cancelRequest", {"id": [1]}),
        ("$/cancelRequest", {"id": 999}),
        ("$/setTrace", {"value": "loud"}),
        ("window/workDoneProgress/cancel", {"token": "nobody's"}),
        ("textDocument/didOpen", {"textDocument": {"text": "private"}}),
    ]:
        fake.notify(method, params)
    fake.send({"jsonrpc": "2.0", "method": 5})
    fake.send({"jsonrpc": "2.0", "id": 77, "result": None})
    fake.ask(HEALTH)
    assert len(fake.messages) == before + 1


def test_params_that_look_like_messages_are_params(fake: Client) -> None:
    nested = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"jsonrpc": "2.0"}}
    assert fake.ask("lmTransparency/unloadModel", {"source": "a", "extra": nested, **nested}) == {"unloaded": ["a"]}


def test_every_id_gets_exactly_one_answer_whatever_is_asked_and_cancelled(fake: Client) -> None:
    methods = [
        HEALTH,
        "lmTransparency/listModels",
        *["lmTransparency/unloadModel"] * 3,
        "lmTransparency/loadModel",
        "x",
    ]
    params = [None, {}, {"source": "a"}, [], {"source": 5}, {"source": "step", "workDoneToken": "t"}]
    chance = random.Random(5)
    for _ in range(300):
        msg_id = fake.request(chance.choice(methods), chance.choice(params))
        if chance.random() < 0.4:
            fake.cancel(chance.randint(1, msg_id))
    for msg_id in fake.requests:
        fake.cancel(msg_id)
    for msg_id in fake.requests:
        fake.wait_for(lambda m, wanted=msg_id: m.get("id") == wanted)
    fake.ask(HEALTH)
    assert [i for i in fake.requests if len(fake.answers(i)) != 1] == []
    kinds = [step["kind"] for step in fake.progress("t")]
    assert kinds.count("begin") == kinds.count("end")
