"""Positions of LSP (line, column in the client's units) and offsets in characters, for one text."""

from __future__ import annotations

import re
from bisect import bisect_right

from lsprotocol.types import Position, PositionEncodingKind, Range

#: What LSP calls the end of a line; a lone carriage return is one, too.
_LINE_END = re.compile(r"\r\n?|\n")


class Positions:
    """Both ways for one text. `encoding`: what the client counts columns in."""

    def __init__(
        self,
        text: str,
        encoding: PositionEncodingKind | str = PositionEncodingKind.Utf16,
        _starts: list[int] | None = None,
    ) -> None:
        self.text = text
        self._encoding = encoding
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(text))] if _starts is None else _starts

    def edited(self, of: Range, text: str) -> Positions:
        """Those of the text in which `text` takes the place of a range. Only lines that the edit touches are read."""
        start, end = self.offsets(of)
        end = max(start, end)
        whole = self.text[:start] + text + self.text[end:]
        # from the line before: what was a line end of its own may become half of one
        first = max(0, bisect_right(self._starts, start) - 2)
        last = bisect_right(self._starts, end)
        moved = len(text) - (end - start)
        stop = self._starts[last] + moved if last < len(self._starts) else len(whole)
        read = [match.end() for match in _LINE_END.finditer(whole, self._starts[first], stop)]
        if last < len(self._starts) and read and read[-1] == stop:
            read.pop()
        after = [at + moved for at in self._starts[last:]] if moved else self._starts[last:]
        return Positions(whole, self._encoding, [*self._starts[: first + 1], *read, *after])

    def offset(self, position: Position) -> int:
        """A line past the end is the end; a column past its line is the line's end, before what ends it."""
        if position.line >= len(self._starts):
            return len(self.text)
        start = self._starts[position.line]
        end = self._starts[position.line + 1] if position.line + 1 < len(self._starts) else len(self.text)
        line = self.text[start:end].rstrip("\r\n") if position.line + 1 < len(self._starts) else self.text[start:end]
        return start + self._characters(line, position.character)

    def position(self, offset: int) -> Position:
        line = bisect_right(self._starts, offset) - 1
        return Position(line, self._columns(self.text[self._starts[line] : offset]))

    def range(self, start: int, end: int) -> Range:
        return Range(self.position(start), self.position(end))

    def offsets(self, of: Range) -> tuple[int, int]:
        return self.offset(of.start), self.offset(of.end)

    def lines(self, start: int, end: int) -> list[tuple[int, int]]:
        """`start` to `end` parted at line ends, which are left out; what remains empty is too."""
        found: list[tuple[int, int]] = []
        for line in range(bisect_right(self._starts, start) - 1, len(self._starts)):
            begin = max(start, self._starts[line])
            if begin >= end:
                break
            stop = min(end, self._starts[line + 1] if line + 1 < len(self._starts) else end)
            kept = len(self.text[begin:stop].rstrip("\r\n"))
            if kept:
                found.append((begin, begin + kept))
        return found

    def _columns(self, line: str) -> int:
        if line.isascii() or self._encoding == PositionEncodingKind.Utf32:
            return len(line)
        if self._encoding == PositionEncodingKind.Utf8:
            return len(line.encode("utf-8", "surrogatepass"))
        return len(line.encode("utf-16-le", "surrogatepass")) // 2

    def _characters(self, line: str, column: int) -> int:
        if line.isascii() or self._encoding == PositionEncodingKind.Utf32:
            return min(column, len(line))
        if self._encoding == PositionEncodingKind.Utf8:
            return len(line.encode("utf-8", "surrogatepass")[:column].decode("utf-8", "ignore"))
        raw = line.encode("utf-16-le", "surrogatepass")[: 2 * column]
        # the half of a pair belongs to what comes before it
        whole = raw[:-2] if len(raw) >= 2 and 0xD8 <= raw[-1] <= 0xDB else raw
        return len(whole.decode("utf-16-le", "surrogatepass"))
