"""One prompt of an open document with its tokens, and the part of it that the client shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ...errors import TransparencyError
from ...model.options import SpecialTokens
from ...prompts.documents import Document
from ...prompts.lines import Stretch
from ...prompts.pieces import PromptText
from ...prompts.spans import Span, spans_within
from .desk import Desk
from .reader import LONGEST, Reader, Text, Tokens
from .store import OpenDocument

#: Up to so many prompts a file shows everything for all of them; a larger one, around the visible part.
MANY = 1_000
#: Prompts, or lines, to either side of the visible part.
AROUND = 100
#: Prompts of one answer, and characters of all of them.
_MOST = 300
_MOST_CHARACTERS = 400_000

T = TypeVar("T")


@dataclass
class Options:
    """A client's defaults: model and special tokens of prompts without front matter for them."""

    model: str = ""
    special_tokens: SpecialTokens = "auto"


@dataclass(frozen=True)
class Shown:
    """A prompt, with its tokens where a tokenizer can read it."""

    open: OpenDocument
    stretch: Stretch
    prompt: PromptText
    text: Text
    tokens: Tokens

    def spans(self, start: int, end: int) -> Iterator[tuple[int, Span, list[tuple[int, int]]]]:
        """(index, span, place) of the spans that touch the document's characters `start` to `end`."""
        first, last = self._in_prompt(start), self._in_prompt(end)
        found = spans_within(self.tokens.spans, first, last)
        if not found:
            return
        index = self.tokens.spans.index(found[0]) if found[0].start else 0
        for span in found:
            yield index, span, self.prompt.stretches(span.start, span.end)
            index += 1

    def _in_prompt(self, offset: int) -> int:
        at = self.prompt.from_document(min(max(offset, self.stretch.start), self.stretch.end))
        return 0 if at is None else at


def affordable(stretches: Iterable[Stretch], characters: int = _MOST_CHARACTERS) -> list[Stretch]:
    """The first of `stretches`, as many as are shown at once."""
    found: list[Stretch] = []
    for stretch in stretches:
        characters -= stretch.end - stretch.start
        if len(found) == _MOST or (found and characters < 0):
            break
        found.append(stretch)
    return found


@dataclass(eq=False)
class View:
    """The visible part of each document: the characters that the client last asked about."""

    reader: Reader
    desk: Desk = field(default_factory=Desk)
    options: Options = field(default_factory=Options)
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    async def work(self, document: OpenDocument, work: Callable[[], T]) -> T:
        """`work()`, which reads the document, run where it blocks no one. Raises `pace.TooSlow`."""
        return await self.desk.run(document.size, work)

    def text(self, document: Document, prompt: PromptText) -> Text:
        settings = document.settings
        model = self.reader.meant(settings.model, self.options.model)
        special = "auto" if prompt.chat else settings.special_tokens or self.options.special_tokens
        return Text(model, prompt.text, prompt.chat, special)

    async def show(self, document: OpenDocument, stretch: Stretch, longest: int = LONGEST) -> Shown | None:
        """None for an empty prompt, and without a tokenizer."""
        try:
            prompt = await self.work(document, lambda: document.document.prompt(stretch))
        except TransparencyError:
            return None
        text = self.text(document.document, prompt)
        tokens = await self.reader.tokens(text, longest, self)
        return None if tokens is None else Shown(document, stretch, prompt, text, tokens)

    def look(self, document: OpenDocument, start: int, end: int) -> bool:
        """Note that the client shows `start` to `end`; returns whether this matters to a file with many prompts."""
        if not document.document.has_more_than(MANY):
            return False
        before = self._seen.get(document.uri)
        lines = document.document.lines
        first = lines.at(start)
        # a client may claim to show all of a file
        line = (first, min(lines.at(end), first + MANY))
        if before is not None and before[0] - AROUND // 2 <= line[0] and line[1] <= before[1] + AROUND // 2:
            return False
        self._seen[document.uri] = line
        return True

    def forget(self, uri: str) -> None:
        self._seen.pop(uri, None)

    def near(self, document: OpenDocument) -> Sequence[Stretch]:
        """All prompts of a document, or in one with many those around the visible part."""
        if not document.document.has_more_than(MANY):
            return document.document.stretches
        return document.document.within(*self.near_offsets(document))

    def near_offsets(self, document: OpenDocument) -> tuple[int, int]:
        lines = document.document.lines
        first, last = self._seen.get(document.uri, (0, 0))
        last = min(max(first, last) + AROUND, len(lines) - 1)
        return lines.start(min(max(0, first - AROUND), last)), lines.end(last)
