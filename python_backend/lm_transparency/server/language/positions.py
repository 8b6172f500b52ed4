"""Positions of LSP (line, column in the client's units) and offsets in characters, for one text."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right

from lsprotocol.types import Position, PositionEncodingKind, Range

from ...prompts.once import once
from ...prompts.pace import steps

#: Line ends according to LSP; a lone carriage return is one, too.
_LINE_END = re.compile(r"\r\n?|\n")
#: Characters that take more than one unit: each of these patterns finds those that take one more.
_WIDER = {
    PositionEncodingKind.Utf8: [re.compile(f"[{first}-\U0010ffff]") for first in "\x80\u0800\U00010000"],
    PositionEncodingKind.Utf16: [re.compile("[\U00010000-\U0010ffff]")],
}


class Positions:
    """Conversion both ways for one text, in a time independent of line length.

    `encoding`: the unit of the client's columns.
    """

    def __init__(
        self,
        text: str,
        encoding: PositionEncodingKind | str = PositionEncodingKind.Utf16,
        _starts: array[int] | None = None,
    ) -> None:
        self.text = text
        self._encoding = encoding
        if _starts is not None:
            self.__dict__["_starts"] = _starts

    @once
    def _starts(self) -> array[int]:
        starts = array("q", [0])
        starts.extend(match.end() for match in steps(_LINE_END.finditer(self.text)))
        return starts

    @once
    def _wide(self) -> list[array[int]]:
        """The places of characters that take one unit more, two more, …"""
        if self.text.isascii():
            return []
        patterns = _WIDER.get(PositionEncodingKind(self._encoding), [])
        return [array("q", (m.start() for m in steps(pattern.finditer(self.text)))) for pattern in patterns]

    def edited(self, of: Range, text: str) -> Positions:
        """The positions of the text in which `text` replaces a range. Only lines that the edit touches are read."""
        start, end = self.offsets(of)
        end = max(start, end)
        whole = self.text[:start] + text + self.text[end:]
        # from the line before, whose line end may become half of a new one
        first = max(0, bisect_right(self._starts, start) - 2)
        last = bisect_right(self._starts, end)
        moved = len(text) - (end - start)
        stop = self._starts[last] + moved if last < len(self._starts) else len(whole)
        read = [match.end() for match in steps(_LINE_END.finditer(whole, self._starts[first], stop))]
        if last < len(self._starts) and read and read[-1] == stop:
            read.pop()
        starts = self._starts[: first + 1]
        starts.extend(read)
        starts.extend(at + moved for at in steps(self._starts[last:]))
        return Positions(whole, self._encoding, starts)

    def offset(self, position: Position) -> int:
        """A line past the end is the end; a column past its line is the line's end, before its line break."""
        if position.line >= len(self._starts):
            return len(self.text)
        line = max(0, position.line)
        start, end = self._starts[line], self._end(line)
        # columns grow with offsets; half of a pair counts as part of the character before it
        column = max(0, position.character)
        at = start + bisect_right(range(start, end), column, key=lambda offset: self._columns(start, offset + 1))
        return min(at, end)

    def position(self, offset: int) -> Position:
        line = bisect_right(self._starts, offset) - 1
        return Position(line, self._columns(self._starts[line], min(offset, len(self.text))))

    def range(self, start: int, end: int) -> Range:
        return Range(self.position(start), self.position(end))

    def offsets(self, of: Range) -> tuple[int, int]:
        return self.offset(of.start), self.offset(of.end)

    def lines(self, start: int, end: int) -> list[tuple[int, int]]:
        """`start` to `end` split at line ends, without these and without empty parts."""
        found: list[tuple[int, int]] = []
        for line in range(bisect_right(self._starts, start) - 1, len(self._starts)):
            begin = max(start, self._starts[line])
            if begin >= end:
                break
            stop = min(end, self._end(line))
            if begin < stop:
                found.append((begin, stop))
        return found

    def _end(self, line: int) -> int:
        """The offset before the line break."""
        if line + 1 == len(self._starts):
            return len(self.text)
        after = self._starts[line + 1]
        return after - 2 if after >= 2 and self.text[after - 2 : after] == "\r\n" else after - 1

    def _columns(self, start: int, end: int) -> int:
        return end - start + sum(bisect_left(wide, end) - bisect_left(wide, start) for wide in self._wide)
