"""A prompt assembled from stretches of a document, and the way back to the document."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import TransparencyError
from .columns import Rows
from .lines import Stretch
from .pace import steps

#: Runs of a prompt: every line is one where lines end in two characters, and every escape of a literal ends one.
MOST_PIECES = 500_000


class Piece(NamedTuple):
    """A run of the prompt, from `at`, that appears unchanged in the document, from `source`. In characters."""

    at: int
    source: int
    length: int


@dataclass(frozen=True)
class PromptText:
    """`text` has `\\n` for every line end. `start`, `end`: its place in the document, in characters.

    `pieces` are sorted both ways; text outside of them (an escape of a literal, a chat's role) does not appear
    literally. `chat`: the text is a chat for `model.chat.parse_chat`.
    """

    text: str
    start: int
    end: int
    pieces: Sequence[Piece]
    chat: bool = False

    def to_document(self, offset: int) -> int:
        """The document's offset for an offset in the prompt."""
        index = bisect_right(self.pieces, offset, key=lambda piece: piece.at) - 1
        if index < 0:
            return self.pieces[0].source if self.pieces else self.start
        piece = self.pieces[index]
        return piece.source + min(offset - piece.at, piece.length)

    def stretches(self, start: int, end: int) -> list[tuple[int, int]]:
        """The places in the document of the characters from `start` to `end`: (start, end) of each run, in order.

        An escape counts from its first to its last character.
        """
        found: list[tuple[int, int]] = []
        index = max(0, bisect_right(self.pieces, start, key=lambda piece: piece.at) - 1)
        for i in range(index, len(self.pieces)):
            piece = self.pieces[i]
            if piece.at >= end:
                break
            following = self.pieces[i + 1] if i + 1 < len(self.pieces) else None
            begin, stop = max(start, piece.at), min(end, piece.at + piece.length)
            if begin < stop:
                found.append((piece.source + begin - piece.at, piece.source + stop - piece.at))
            gap = piece.at + piece.length
            if following is not None and max(start, gap) < min(end, following.at):
                found.append((piece.source + piece.length, following.source))
        return found

    def from_document(self, offset: int) -> int | None:
        """The prompt's offset for an offset in the document; None outside."""
        if not self.pieces or offset < self.pieces[0].source or offset > max(self.end, _end(self.pieces[-1])):
            return 0 if self.start <= offset <= self.end else None
        index = bisect_right(self.pieces, offset, key=lambda piece: piece.source) - 1
        piece = self.pieces[index]
        return piece.at + min(offset - piece.source, piece.length)


def too_many_pieces() -> TransparencyError:
    return TransparencyError(
        "promptTooLong",
        f"The prompt has more than {MOST_PIECES:,} lines or escapes.",
        "Select a part of it.",
    )


def _end(piece: Piece) -> int:
    return piece.source + piece.length


def taken(source: str, stretch: Stretch) -> PromptText:
    """`stretch` of a document, without its indentation."""
    start, end, indent = stretch
    raw = source[start:end]
    if indent == 0 and "\r\n" not in raw:
        return PromptText(raw, start, end, [Piece(0, start, end - start)] if raw else [])
    return assembled(_lines_of(source, stretch), start, end)


def _lines_of(source: str, stretch: Stretch) -> Iterator[tuple[str, int]]:
    start, end, indent = stretch
    at = start
    while at < end:
        at += _indent(source, at, end, start, indent)
        feed = source.find("\n", at, end)
        stop = end if feed < 0 else feed
        line_end = stop - 1 if feed >= 0 and stop > at and source[stop - 1] == "\r" else stop
        yield source[at:line_end], at
        if feed >= 0:
            yield "\n", feed
        at = stop + 1


def assembled(parts: Iterable[tuple[str, int | None]], start: int, end: int, *, chat: bool = False) -> PromptText:
    """A prompt of `parts`, each a text and its place, None where it does not appear literally."""
    pieces = Rows(Piece, 3)
    texts: list[str] = []
    at = 0
    for text, source in steps(parts):
        if not text:
            continue
        texts.append(text)
        if source is not None:
            last = pieces[-1] if pieces else None
            if last is not None and last.at + last.length == at and last.source + last.length == source:
                pieces.replace_last(Piece(last.at, last.source, last.length + len(text)))
            else:
                pieces.append(Piece(at, source, len(text)))
                if len(pieces) > MOST_PIECES:
                    raise too_many_pieces()
        at += len(text)
    return PromptText("".join(texts), start, end, pieces, chat)


def _indent(source: str, at: int, end: int, start: int, indent: int) -> int:
    if indent == 0 or (at > start and source[at - 1] != "\n"):
        return 0
    blanks = 0
    while blanks < indent and at + blanks < end and source[at + blanks] == " ":
        blanks += 1
    return blanks
