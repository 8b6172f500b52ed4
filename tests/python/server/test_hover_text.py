"""Hover texts on foreign tokens and models contain no Markdown but ours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from lsprotocol.types import MarkupContent, Position, Range

from lm_transparency.model.tokens import Token
from lm_transparency.prompts.documents import PROMPT, Document
from lm_transparency.server.language.hover import hover
from lm_transparency.server.language.positions import Positions
from lm_transparency.server.language.reader import Tokens, Vocabulary
from lm_transparency.server.language.store import OpenDocument
from lm_transparency.server.language.view import View

HOSTILE = [
    "a\r\rb",
    "a\r\n\r\n# b",
    "`",
    "``` \n[x](command:evil)",
    "|a|b|",
    "<img src=x>",
    "[x](command:workbench.action.quit)",
    "**b**",
    "\u202eb",
    "\x1b]52;c;eA==\x07",
    "\u2028b",
]


class Reader:
    """A tokenizer of a model that is not loaded; it makes one token of a whole prompt."""

    def __init__(self, token: str, name: str) -> None:
        self._token, self._name = token, name

    def meant(self, _named: str | None, _preferred: str) -> str:
        return ""

    def loaded(self, _model: str) -> None:
        return None

    async def tokens(self, text: Any, *_rest: Any) -> Tokens:
        return Tokens(Vocabulary(self._name, None, 0), (Token(7, self._token, 0, len(text.text)),))


def said(token: str, name: str = "a model") -> str:
    view = View(Reader(token, name))  # pyright: ignore[reportArgumentType]
    document = OpenDocument("file:///a", 1, Document("abc", PROMPT), Positions("abc"))
    found = asyncio.run(hover(view, document, 1))
    assert found is not None and found.range == Range(Position(0, 0), Position(0, 3))
    assert isinstance(found.contents, MarkupContent)
    return found.contents.value


def spans(line: str) -> list[str]:
    """The parts of a line outside code spans, by the rules of CommonMark."""
    rest, found = line, list[str]()
    while "`" in rest:
        before, _, after = rest.partition("`")
        fence = 1 + len(after) - len(after.lstrip("`"))
        inside, closing, behind = after[fence - 1 :].partition("`" * fence)
        while behind.startswith("`") and closing:
            # a longer run closes nothing
            run = len(behind) - len(behind.lstrip("`"))
            more, closing, behind = behind[run:].partition("`" * fence)
            inside += more
        assert closing, line
        found.append(before)
        rest = behind
    return [*found, rest]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_token_stays_in_its_code_span(hostile: str) -> None:
    plain, found = said("x").split("\n"), said(hostile).split("\n")
    assert not any(c in "\r\u2028\u2029\u202e\x1b" for line in found for c in line)
    line = next(line for line in found if "id 7" in line)
    assert "".join(spans(line)) == "".join(spans(plain[0]))
    assert len(found) <= len(plain) + 2


@pytest.mark.parametrize("hostile", HOSTILE)
def test_the_name_of_a_model_is_plain_words(hostile: str) -> None:
    found = said("x", hostile)
    assert len(found.split("\n")) == len(said("x").split("\n"))
    last = found.split("\n")[-1]
    for mark in ("[", "](", "<", "`", "**", "|"):
        assert mark not in last.replace(f"\\{mark[0]}", "")
    assert last.startswith("*") and last.endswith("*")
