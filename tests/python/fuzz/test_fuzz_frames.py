"""Random JSON-RPC frames: each request is answered once, and the connection continues."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
import pytest
from fuzzing import damaged, pieced, tried_together
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
    """Serves connections without heavy imports: requests that need a model are refused."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._backend = Backend(_no_session)
        self._connection: Any = None
        self.close = self._loop.close

    def answers(self, stream: bytes, *, again: bool = False) -> list[dict[str, Any]]:
        """The answers to `stream` on a new connection, after a hello. `again`: on the connection of the last call."""
        return self._loop.run_until_complete(self._answers(stream, again))

    async def _answers(self, stream: bytes, again: bool) -> list[dict[str, Any]]:
        if not (again and self._connection):
            if self._connection:
                self._connection.leave()
            self._connection = build_server(self._backend, Reader(self._backend), lambda _code: None)
            hello = {"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": {"capabilities": {}}}
            assert [answer["id"] for answer in await self._converse(_framed(json.dumps(hello).encode()))] == ["hello"]
        return await self._converse(stream)

    async def _converse(self, stream: bytes) -> list[dict[str, Any]]:
        protocol = self._connection.protocol
        written = _Written()
        protocol.set_writer(written)
        await protocol.converse(_Source(stream))
        for _ in range(2000):
            if not protocol._request_futures:
                break
            await asyncio.sleep(0.001)
        else:
            pytest.fail("a request is not answered")
        return [message for message in written.messages if "method" not in message]


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
    def read(some: list[bytes]) -> int:
        after = b'{"jsonrpc":"2.0","id":"after","method":"%b"}' % PING.encode()
        answers = server.answers(b"".join(map(_framed, [*some, after])))
        found = Counter(_key(answer["id"]) for answer in answers)
        assert found.pop(_key("after"), 0) == 1, "the connection went on"
        asked, named = 0, Counter[str]()
        for body in some:
            try:
                message = json.loads(body, parse_constant=_no_json)
            except (ValueError, RecursionError):
                message = None
            if isinstance(message, dict):
                if "method" not in message and ("result" in message or "error" in message):
                    continue
                if "method" in message and "id" not in message:
                    continue
                if type(message.get("id")) in (str, int):
                    named[_key(message["id"])] += 1
            asked += 1
        assert sum(found.values()) == asked, "a request is answered once, and nothing else is"
        assert not named - found, "each under its own id"
        return len(some) - sum("error" in answer for answer in answers if answer["id"] != "after")

    bodies = st.one_of(
        _MESSAGE.map(lambda message: json.dumps(message).encode()),
        _RAW.map(lambda text: text.encode("utf-8", "surrogatepass")),
        damaged(json.dumps({"jsonrpc": "2.0", "id": 1, "method": PING, "params": {"a": [1, "é"]}}).encode()),
    )
    tried_together("JSON-RPC bodies", st.lists(bodies, min_size=10, max_size=10), read, 10)


def test_streams_that_are_no_frames_end_or_go_on(server: _Server) -> None:
    ping = _framed(b'{"jsonrpc":"2.0","id":1,"method":"%b"}' % PING.encode())
    headers = pieced(
        "Content-Length: ", "5", "-1", "9" * 30, "\r\n", "\n", "\r", ":", "Content-Type: x", " " * 9000, "{}"
    )
    headers = headers.map(lambda text: text.encode("utf-8", "surrogatepass"))
    noise = st.tuples(st.sampled_from([b"", b"Content-Length: "]), st.binary(max_size=200)).map(b"".join)
    streams = st.one_of(damaged(ping * 3), headers, noise.map(lambda data: data + b"\n\n" + ping))
    some = st.lists(streams, min_size=4, max_size=4)
    tried_together("JSON-RPC streams", some, lambda each: sum(bool(server.answers(one, again=True)) for one in each), 4)
