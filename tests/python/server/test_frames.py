"""Messages on the wire, well-formed or not: every request gets one answer, and reading is bounded."""

from __future__ import annotations

import asyncio
import json
import socket
from functools import cache
from typing import Any

import pytest
from pygls.protocol import default_converter

from lm_transparency.server.compute.failures import as_reply
from lm_transparency.server.connection import frames, rpc
from lm_transparency.server.connection.rpc import AnsweringProtocol, AnsweringServer
from lm_transparency.server.connection.streams import open_streams

_converter = cache(default_converter)


class Panic(BaseException):
    """A panic as native code raises it."""


class Bytes:
    """A stream of `data`. `longest`: the longest read that was requested."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.longest = 0

    async def readline(self) -> bytes:
        line, newline, _ = self._data[:8192].partition(b"\n")
        return await self.readexactly(len(line + newline))

    async def readexactly(self, size: int) -> bytes:
        self.longest = max(self.longest, size)
        found, self._data = self._data[:size], self._data[size:]
        return found if len(found) == size else b""


class Written:
    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        pass


def spoken(data: bytes, afterwards: bytes = b"") -> tuple[list[dict[str, Any]], list[str], Bytes]:
    """The answers to `data` of a server with methods of all kinds, and the documents that it lost.

    `afterwards`: data that is sent once everything before is answered.
    """
    server = AnsweringServer("test", "0", protocol_cls=AnsweringProtocol, converter_factory=_converter, max_workers=1)
    written, lost, source = Written(), list[str](), Bytes(data)
    answers: dict[str, Any] = {
        "nothing": None,
        "nan": float("nan"),
        "surrogate": "\ud800",
        "object": object(),
        "panic": Panic("native"),
        "exit": SystemExit(3),
        "stop": KeyboardInterrupt(),
    }

    def add(name: str, answer: Any) -> None:
        async def handle(_params: Any) -> Any:
            await asyncio.sleep(0)
            try:
                if isinstance(answer, BaseException):
                    raise answer
            except BaseException as error:
                raise as_reply(error) from None
            return answer

        def at_once(_params: Any) -> Any:
            if isinstance(answer, BaseException):
                raise answer
            return answer

        server.feature(f"later/{name}")(handle)
        server.feature(f"now/{name}")(at_once)

    for name, answer in answers.items():
        add(name, answer)

    @server.command("later")
    async def _later(*_arguments: Any) -> None:
        await asyncio.sleep(0)

    async def speak() -> None:
        server.protocol.set_writer(written)
        server.protocol.on_lost = lost.append
        for part in (source, Bytes(afterwards)):
            await server.protocol.converse(part)
            for _ in range(5):
                await asyncio.sleep(0)

    asyncio.run(speak())
    replies: list[dict[str, Any]] = []
    rest = written.data
    while rest:
        header, _, rest = rest.partition(b"\r\n\r\n")
        size = int(header.split(b"\r\n")[0].split(b":")[1])
        replies.append(json.loads(rest[:size], parse_constant=pytest.fail))
        rest = rest[size:]
    return replies, lost, source


def frame(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def call(msg_id: Any, method: str = "later/nothing", **params: Any) -> bytes:
    return frame(json.dumps({"jsonrpc": "2.0", "id": msg_id, "method": method, "params": params}).encode())


HELLO = call("hello", "initialize", capabilities={})
PING = call("ping")


def ids(data: bytes) -> list[Any]:
    """The ids of the answers to `data` between a hello and a ping, both of which must be answered."""
    replies = [reply["id"] for reply in spoken(HELLO + data + PING)[0]]
    assert replies[0] == "hello" and replies[-1] == "ping"
    return replies[1:-1]


@pytest.mark.parametrize(
    "params", ["1" * 5000, "[-" + "1" * 5000 + "]", "NaN", "-Infinity", '{"a": [Infinity, ' + "7" * 9999 + "]}"]
)
def test_numbers_that_json_or_python_does_not_have_get_an_error_with_the_id_of_who_asked(params: str) -> None:
    asked = f'{{"jsonrpc": "2.0", "method": "later/nothing", "params": {params}, "id": "late"}}'
    assert ids(frame(asked.encode())) == ["late"]
    asked = f'{{"jsonrpc": "2.0", "method": "later/nothing", "id": {"9" * 5000}}}'
    assert ids(frame(asked.encode())) == [None]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b'"\\ud800"', b"null"])
def test_a_body_that_is_no_message_gets_one_error_without_an_id(body: bytes) -> None:
    assert ids(frame(body)) == [None]


@pytest.mark.parametrize("how", ["now", "later"])
@pytest.mark.parametrize("what", ["nothing", "nan", "surrogate", "object", "panic", "exit", "stop"])
def test_whatever_a_handler_gives_or_raises_is_answered_once(how: str, what: str) -> None:
    assert ids(call(7, f"{how}/{what}")) == [7]


def test_an_id_that_is_still_waiting_is_not_taken_twice() -> None:
    replies = spoken(HELLO + call(1) + call(1) + PING)[0]
    assert [("error" in reply) for reply in replies if reply["id"] == 1] == [True, False] or len(replies) == 4


def test_params_of_too_many_values_are_refused_before_they_are_looked_at() -> None:
    assert ids(call(1, "later/nothing", a=[0] * 60_000)) == [1]
    changes = [{"text": ""}] * 60_000
    said = {"jsonrpc": "2.0", "method": "textDocument/didChange"}
    params = {"textDocument": {"uri": "file:///a", "version": 2}, "contentChanges": changes}
    server_said, lost, _ = spoken(HELLO + frame(json.dumps({**said, "params": params}).encode()) + PING)
    assert [reply["id"] for reply in server_said] == ["hello", "ping"] and lost == []


def test_a_message_that_is_too_large_is_passed_over_and_its_request_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "LARGEST", 1 << 20)
    large = call("large", "later/nothing", uri="file:///large", text="x" * (5 << 20))
    replies, _, source = spoken(HELLO + large + PING)
    assert [reply["id"] for reply in replies] == ["hello", "large", "ping"]
    assert "5,242,9" in replies[1]["error"]["message"]
    assert source.longest <= 1 << 16
    opened = {"textDocument": {"uri": "file:///large", "languageId": "lm-prompt", "text": "y" * (2 << 20)}}
    told = {"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": opened}
    replies, lost, _ = spoken(HELLO + frame(json.dumps(told).encode()) + PING)
    assert [reply["id"] for reply in replies] == ["hello", None, "ping"]
    assert lost == ["file:///large"]


@pytest.mark.parametrize(
    "junk",
    [b"noise\n", b"\r\n\r\n", b"\x00\xff\n", b"content-length:  0\r\nX-A: b\r\n\r\n", b"Content-Type: a\r\nnoise\n"],
)
def test_lines_that_are_no_header_are_passed_over(junk: bytes) -> None:
    expected = [None] if b"length" in junk else []
    if b"Type" in junk:
        junk += PING.replace(b"ping", b"junk")
        expected = ["junk"]
    assert ids(junk) == expected


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: -5\r\n\r\n",
        b"Content-Length: 5 apples\r\n\r\n",
        b"Content-Length: 99999999999999999999999999\r\n\r\n",
        b"Content-Length: 5000000000\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"Content-Length: " + b"1" * 5000 + b"\r\n\r\n",
        b"Content-Type: text\r\n\r\n{}",
        b"x" * 20_000,
        b"a: b\r\n" * 1000,
    ],
)
def test_after_a_header_without_sense_the_connection_ends_with_an_answer(header: bytes) -> None:
    replies = spoken(HELLO + header + PING)[0]
    assert [reply["id"] for reply in replies] == ["hello", None]
    assert "connection is closed" in replies[1]["error"]["data"]["remedy"]


def test_what_is_done_is_not_held_against_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "_MOST_REQUESTS", 3)
    told = frame(b'{"jsonrpc": "2.0", "method": "later/nothing"}')
    asked = call("command", "workspace/executeCommand", command="later")
    replies = spoken(HELLO + told * 5 + asked * 5, PING)[0]
    assert [reply["id"] for reply in replies] == ["hello", *["command"] * 5, "ping"]
    assert "error" not in replies[-1]


def test_a_client_has_a_limited_number_of_requests_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "_MOST_REQUESTS", 3)
    replies = spoken(HELLO + b"".join(map(call, range(9))), PING)[0]
    refused = {reply["id"]: reply["error"]["message"] for reply in replies if "error" in reply}
    assert sorted(map(str, refused)) == [str(i) for i in range(9 - len(refused), 9)] and len(refused) >= 6
    assert "3 requests of this client waiting" in refused[8]
    assert {reply["id"] for reply in replies} == {"hello", "ping", *range(9)}


def test_what_has_arrived_is_read_though_a_write_has_failed() -> None:
    """A window that left no longer reads, so the server's next word fails; its goodbye is there already."""

    async def read() -> bytes:
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        reader, writer = await open_streams(ours)
        theirs.sendall(b"exit")
        theirs.close()
        # before the loop has looked at what arrived
        writer.write(b"news")
        return await reader.read()

    assert asyncio.run(asyncio.wait_for(read(), 30)) == b"exit"
