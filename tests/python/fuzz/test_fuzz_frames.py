"""Random JSON-RPC frames: each request is answered once, and the connection continues."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
import pytest
from fuzzing import damaged, pieced, tried
from pygls import feature_manager

from lm_transparency.protocol import PING
from lm_transparency.server.app import build_server
from lm_transparency.server.compute.backend import Backend
from lm_transparency.server.language.reader import Reader

_METHODS = [
    PING, "lmTransparency/health", "lmTransparency/analyze", "lmTransparency/listModels", "lmTransparency/nodeTokens",
    "initialize", "initialized", "shutdown", "", "$/cancelRequest", "$/progress", "textDocument/didOpen",
    "textDocument/didChange", "textDocument/didClose", "textDocument/hover",
    "workspace/executeCommand", "textDocument/semanticTokens/full", "nobody",
]  # fmt: skip
_URI = {"uri": "file:///a.prompt"}
_TEXT = {**_URI, "languageId": "lm-prompt", "version": 1, "text": "---\nmodel: a\n---\nHi"}
_AT = {"textDocument": _URI, "position": {"line": 0, "character": 1}}

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=5),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "method", "params", "textDocument", "uri", "position", "text"]), inside
        )
    ),
    max_leaves=8,
)
_PARAMS = st.one_of(
    _JSON,
    st.sampled_from([{"textDocument": _TEXT}, _AT, {"textDocument": _URI}, {"runId": "a", "node": "A1_1"}]),
    st.fixed_dictionaries({"textDocument": st.just(_TEXT | {"version": 2}), "contentChanges": _JSON}),
)
_MESSAGE = st.fixed_dictionaries(
    {"jsonrpc": st.sampled_from(["2.0", "2.0", "2.0", "1.0", None])},
    optional={
        "id": st.integers() | st.text(max_size=3) | _JSON,
        "method": st.sampled_from(_METHODS) | _JSON,
        "params": _PARAMS,
        "result": _JSON,
    },
)
_RAW = pieced(
    '{"jsonrpc":"2.0"', ',"id":1', ',"id":', "9" * 5000, ',"method":"a"', "}", "[", "NaN", "\\ud800", "[" * 5000
)


class _Source:
    """A stream with an end."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def readline(self) -> bytes:
        return self._take(self._data.find(b"\n") + 1 or len(self._data))

    async def readexactly(self, size: int) -> bytes:
        return self._take(size)

    def _take(self, size: int) -> bytes:
        taken, self._data = self._data[:size], self._data[size:]
        return taken


class _Written:
    """The server's output as messages."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def write(self, data: bytes) -> None:
        _, _, body = data.partition(b"\r\n\r\n")
        self.messages.append(json.loads(body, parse_constant=lambda word: pytest.fail(f"{word} was sent")))

    def close(self) -> None:
        """Nothing to close."""


def _framed(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class _Server:
    """Serves one connection after the other without heavy imports: requests that need a model are refused."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._backend = Backend(_no_session)
        self.close = self._loop.close

    def answers(self, stream: bytes) -> list[dict[str, Any]]:
        """The answers to `stream` on a new connection, after a hello."""
        return self._loop.run_until_complete(self._answers(stream))

    async def _answers(self, stream: bytes) -> list[dict[str, Any]]:
        hello = {"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": {"capabilities": {}}}
        server = build_server(self._backend, Reader(self._backend), lambda _code: None)
        written = _Written()
        server.protocol.set_writer(written)
        await server.protocol.converse(_Source(_framed(json.dumps(hello).encode()) + stream))
        for _ in range(2000):
            if not server.protocol._request_futures:  # pyright: ignore[reportPrivateUsage]
                break
            await asyncio.sleep(0.001)
        else:
            pytest.fail("a request is not answered")
        server.leave()
        first, *answers = [message for message in written.messages if "method" not in message]
        assert first["id"] == "hello"
        return answers


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.setattr("lm_transparency.server.compute.dependencies.import_heavy", lambda _importing: None)
    looks, known = feature_manager.has_ls_param_or_annotation, dict[Any, bool]()

    def looks_once(handler: Any, actual: type) -> bool:
        """pygls reads the signatures of all handlers for each connection: half of this test's time."""
        code = getattr(handler, "__code__", handler)
        if code not in known:
            known[code] = looks(handler, actual)
        return known[code]

    monkeypatch.setattr(feature_manager, "has_ls_param_or_annotation", looks_once)
    server = _Server()
    yield server
    server.close()


def _no_session() -> Any:
    raise RuntimeError("no session in this test")


def _no_json(word: str) -> Any:
    raise ValueError(word)


def _key(msg_id: Any) -> str:
    return json.dumps(msg_id)


def test_frames_with_a_body_are_answered_one_by_one(server: _Server) -> None:
    def read(body: bytes) -> bool:
        answers = server.answers(
            _framed(body) + _framed(b'{"jsonrpc":"2.0","id":"after","method":"%b"}' % PING.encode())
        )
        found = Counter(_key(answer["id"]) for answer in answers)
        assert found.pop(_key("after"), 0) == 1, "the connection went on"
        try:
            message = json.loads(body, parse_constant=_no_json)
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, dict) and "method" not in message and ("result" in message or "error" in message):
            assert not found
        elif isinstance(message, dict) and "method" in message and "id" not in message:
            assert not found, "a notification is not answered"
        else:
            assert sum(found.values()) == 1, "a request is answered once"
        return not any("error" in answer for answer in answers)

    bodies = st.one_of(
        _MESSAGE.map(lambda message: json.dumps(message).encode()),
        _RAW.map(lambda text: text.encode("utf-8", "surrogatepass")),
        damaged(json.dumps({"jsonrpc": "2.0", "id": 1, "method": PING, "params": {"a": [1, "é"]}}).encode()),
    )
    tried("JSON-RPC bodies", bodies, read)


def test_streams_that_are_no_frames_end_or_go_on(server: _Server) -> None:
    ping = _framed(b'{"jsonrpc":"2.0","id":1,"method":"%b"}' % PING.encode())
    headers = pieced(
        "Content-Length: ", "5", "-1", "9" * 30, "\r\n", "\n", "\r", ":", "Content-Type: x", " " * 9000, "{}"
    )
    headers = headers.map(lambda text: text.encode("utf-8", "surrogatepass"))
    noise = st.tuples(st.sampled_from([b"", b"Content-Length: "]), st.binary(max_size=200)).map(b"".join)
    streams = st.one_of(damaged(ping * 3), headers, noise.map(lambda data: data + b"\n\n" + ping))
    tried("JSON-RPC streams", streams, lambda stream: len(server.answers(stream)) > 0)
