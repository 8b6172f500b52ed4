"""Lines of a document, and files with one prompt per line."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..errors import TransparencyError
from .pace import steps
from .units import BLANKS

_NEWLINE = re.compile("\n")
#: How many prompts of one file are listed.
MOST_PROMPTS = 200_000


class Stretch(NamedTuple):
    """A stretch of a document, in characters. `indent`: blanks that do not belong to its lines."""

    start: int
    end: int
    indent: int = 0


def at_most(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """Raise `TransparencyError("promptTooLong")` for more prompts than an editor lists."""
    for n, stretch in enumerate(stretches):
        if n == MOST_PROMPTS:
            raise TransparencyError(
                "promptTooLong",
                f"The file has more than {MOST_PROMPTS:,} prompts.",
                "Split it into smaller files, or select a prompt.",
            )
        yield stretch


class Lines:
    """The lines of a text; one that ends in a newline has an empty last line. `\\n` and `\\r\\n` end a line."""

    def __init__(self, text: str) -> None:
        self.text = text
        # a byte-order mark belongs to the file, not to its first line
        self.starts = array("q", [1 if text.startswith("\ufeff") else 0])
        self.starts.extend(found.end() for found in steps(_NEWLINE.finditer(text)))

    def __len__(self) -> int:
        return len(self.starts)

    def at(self, offset: int) -> int:
        """Index of the line that contains `offset`."""
        return max(0, bisect_right(self.starts, offset) - 1)

    def start(self, index: int) -> int:
        return self.starts[index]

    def end(self, index: int) -> int:
        """The offset before the line's end."""
        start = self.starts[index]
        if index + 1 == len(self.starts):
            return len(self.text)
        end = self.starts[index + 1] - 1
        return end - 1 if end > start and self.text[end - 1] == "\r" else end

    def line(self, index: int) -> str:
        return self.text[self.starts[index] : self.end(index)]

    def has_text(self, index: int) -> bool:
        return self.line(index).strip(BLANKS) != ""

    def stretch(self, index: int) -> Stretch:
        return Stretch(self.starts[index], self.end(index))


def prompt_line(lines: Lines, cursor: int) -> Stretch:
    """The prompt at the cursor's line of a file with one prompt per line; from an empty line the next below, else
    above.
    """
    at = lines.at(cursor)
    below = next((i for i in steps(range(at, len(lines))) if lines.has_text(i)), None)
    above = next((i for i in steps(range(at - 1, -1, -1)) if lines.has_text(i)), None) if below is None else None
    return lines.stretch(at if below is None and above is None else below if below is not None else above or 0)


def prompt_lines(lines: Lines, start: int = 0, end: int | None = None) -> Iterator[Stretch]:
    """Every prompt of a file with one prompt per line, or those that touch `start` to `end`. Empty lines do not
    count.
    """
    last = len(lines) - 1 if end is None else lines.at(end)
    return (lines.stretch(i) for i in steps(range(lines.at(start), last + 1)) if lines.has_text(i))
