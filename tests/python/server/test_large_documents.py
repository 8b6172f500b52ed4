"""No answer about a large document blocks the process: its length is limited, and its JSON is written in parts."""

from __future__ import annotations

import asyncio
import json
from enum import Enum
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol.types import CodeLens, Command, Position, Range, SemanticTokens
from pygls.protocol import default_converter

from lm_transparency.prompts.documents import JSONL, LINES, PROMPT, Document
from lm_transparency.server.connection import rpc, writing
from lm_transparency.server.connection.writing import written
from lm_transparency.server.language.outline import COMMANDS, code_lenses, folding, symbols
from lm_transparency.server.language.positions import Positions
from lm_transparency.server.language.store import OpenDocument
from lm_transparency.server.language.view import AROUND, MANY, View

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=30,
)


def of(text: str, language: str) -> OpenDocument:
    return OpenDocument("file:///a", 1, Document(text, language), Positions(text))


@pytest.mark.parametrize(("text", "language"), [("a\n---\n", PROMPT), ('{"prompt": "a"}\n', JSONL), ("a\n", LINES)])
def test_a_client_that_claims_to_show_all_of_a_large_file_gets_the_lenses_of_a_part(text: str, language: str) -> None:
    document = of(text * 20_000, language)
    view = View(cast(Any, None))
    assert view.look(document, 0, document.size)
    # a refresh that leads to the same request again would not end
    assert not view.look(document, 0, document.size)
    lenses = code_lenses(view, document, COMMANDS[:1])
    assert 100 < len(lenses) <= MANY + 2 * AROUND


@pytest.mark.parametrize(("text", "language"), [("abc\n---\n", PROMPT), ("a\n", LINES)])
def test_the_outline_and_the_folding_ranges_of_a_large_file_are_limited(text: str, language: str) -> None:
    document = of(text * (600_000 if language == LINES else 150_000), language)
    view = View(cast(Any, None))
    view.look(document, 0, document.size)
    groups = symbols(view, document)
    assert len(groups) <= 1000
    assert groups[0].range.start == Position(0, 0)
    assert sum(len(group.children or []) for group in groups) <= 3 * MANY
    assert len(folding(of("a\nb\n---\n" * 6_000, PROMPT))) == 5000


@given(_JSON, st.integers(1, 4))
def test_a_result_that_is_written_in_parts_is_the_same_json(value: Any, part: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "_PART", part)
        assert written(value, str).body.decode() == json.dumps(value)


def test_a_long_result_is_written_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = 0
    dumps = json.dumps

    def looking(value: Any, **options: Any) -> str:
        nonlocal longest
        longest = max(longest, len(value) if isinstance(value, list) else 0)
        return dumps(value, **options)

    monkeypatch.setattr(writing.json, "dumps", looking)
    plain = default_converter().unstructure
    lens = CodeLens(Range(Position(1, 2), Position(1, 2)), Command("Analyze", "x", arguments=[{"uri": "é"}]))
    for result in ([lens] * 2000, SemanticTokens(data=list(range(20_000))), {"start": [1] * 5000}):
        assert json.loads(written(result, plain).body) == json.loads(dumps(result, default=plain))
    assert longest == writing._PART


def test_many_rows_are_no_objects_of_the_collector() -> None:
    document = Document("a\n" * 5000, LINES)
    assert not any(isinstance(found, list) for found in (document.stretches, document.within()))
    crlf = Document("a\r\n" * 5000, PROMPT)
    pieces = crlf.prompt(crlf.stretches[0]).pieces
    assert len(pieces) > 4000 and not isinstance(pieces, list)
    assert pieces[-1].source + pieces[-1].length <= len(crlf.text)


def test_a_result_that_is_json_already_answers_its_request() -> None:
    class Color(Enum):
        RED = 1

    sent: list[bytes] = []

    class Writer:
        def write(self, data: bytes) -> None:
            sent.append(data)

    async def answer() -> None:
        server = rpc.AnsweringServer("x", "1", protocol_cls=rpc.AnsweringProtocol, converter_factory=default_converter)
        protocol = server.protocol
        protocol.set_writer(cast(Any, Writer()))
        future = asyncio.get_running_loop().create_future()
        future.set_result(protocol.written({"text": "é", "color": Color.RED}))
        protocol._send_handler_result(future, msg_id="a")

    asyncio.run(answer())
    head, _, body = b"".join(sent).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body) == {"jsonrpc": "2.0", "id": "a", "result": {"text": "é", "color": 1}}
