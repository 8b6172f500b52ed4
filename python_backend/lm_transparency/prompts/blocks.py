"""Prompts of several lines in one file, separated by lines of `---`, after optional front matter."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator

from .lines import Lines, Stretch
from .pace import matches, steps
from .units import BLANKS

_BLANK = f"[{BLANKS}]"
_SEPARATORS = re.compile(f"^---[{BLANKS.replace(chr(10), '')}]*$", re.MULTILINE)
_KEY_LINE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*[ \t]*:([ \t]|$)")
_FILLER_LINE = re.compile(rf"{_BLANK}*(#.*)?$|{_BLANK}+[^{BLANKS}]|- ")


def is_separator(line: str) -> bool:
    """Whether a line separates prompts."""
    return line.startswith("---") and line.rstrip(BLANKS) == "---"


def front_matter_lines(lines: Lines) -> int:
    """How many lines the front matter takes: a leading `---` … `---` with only `key: value` in between."""
    if not is_separator(lines.line(0)):
        return 0
    first = True
    for index in steps(range(1, len(lines))):
        line = lines.line(index)
        if is_separator(line):
            return 0 if first else index + 1
        if first and line.strip(BLANKS) and not line.startswith("#"):
            if not _KEY_LINE.match(line):
                return 0
            first = False
        elif not _KEY_LINE.match(line) and not _FILLER_LINE.match(line):
            return 0
    return 0


class Blocks:
    """The blocks of a document between its separators, without front matter."""

    def __init__(self, lines: Lines, *, keep_last_newline: bool = False) -> None:
        self._lines = lines
        self._keep = keep_last_newline
        #: The first line after the front matter.
        self.first = front_matter_lines(lines)
        #: Offset of the first character after the front matter.
        self.body = lines.start(self.first) if self.first < len(lines) else len(lines.text)
        found = matches(_SEPARATORS, lines.text, self.body)
        separators = array("q", (lines.at(match.start()) for match in found if self.first < len(lines)))
        # first line of each block, and the line after its last
        self._firsts = array("q", [self.first])
        self._firsts.extend(line + 1 for line in separators)
        self._ends = separators
        self._ends.append(len(lines))

    def at(self, cursor: int) -> Stretch:
        """The prompt at the cursor. On a separator this is the block below, unless that one is empty.

        Empty lines beside a separator belong to the separation. Only the file's last newline belongs to the editor.
        """
        at = self._lines.at(cursor)
        # a separator counts as part of the block below it
        under = max(0, bisect_right(self._firsts, at + 1) - 1) if at >= self.first else 0
        on_separator = at >= self.first - 1 and at == self._firsts[under] - 1
        if on_separator and under > 0 and not self._has_text(under) and self._has_text(under - 1):
            under -= 1
        return self._stretch(under)

    def each(self, start: int = 0, end: int | None = None) -> Iterator[Stretch]:
        """Every prompt that has text, or those that touch `start` to `end`."""
        low = bisect_right(self._firsts, self._lines.at(start)) - 1 if start else 0
        high = len(self._firsts) if end is None else bisect_right(self._firsts, self._lines.at(end))
        return (self._stretch(i) for i in steps(range(max(0, low), high)) if self._has_text(i))

    def __len__(self) -> int:
        """All blocks, also those without text."""
        return len(self._firsts)

    def any(self) -> bool:
        """Whether there is a prompt."""
        return any(self._has_text(i) for i in steps(range(len(self._firsts))))

    def _has_text(self, index: int) -> bool:
        if self._firsts[index] >= len(self._lines):
            return False
        lines = self._lines
        end = lines.end(self._ends[index] - 1) if self._ends[index] > self._firsts[index] else 0
        return lines.text[lines.start(self._firsts[index]) : end].strip(BLANKS) != ""

    def _stretch(self, index: int) -> Stretch:
        lines = self._lines
        first, last = self._firsts[index], self._ends[index] - 1
        if first >= len(lines):
            return Stretch(len(lines.text), len(lines.text))
        start, end = first, last
        if start > 0:
            while start < end and not lines.line(start):
                start += 1
        if end < len(lines) - 1:
            while end > start and not lines.line(end):
                end -= 1
        elif end > start and not lines.line(end) and not self._keep:
            end -= 1
        at = lines.start(start)
        return Stretch(at, max(at, lines.end(end) if end >= start else at))
