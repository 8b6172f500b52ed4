"""Offsets in UTF-16 units, as editors count, and in characters, as Python does."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left

from .once import once
from .pace import steps

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
#: The white space of JavaScript: `trim`, and `\\s` in its patterns.
BLANKS = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)


class Units:
    """Conversion both ways for one text. Characters past U+FFFF take two units."""

    def __init__(self, text: str) -> None:
        self._text = text

    @once
    def _astral(self) -> array[int]:
        if self._text.isascii() or len(self._text.encode("utf-16-le", "surrogatepass")) == 2 * len(self._text):
            return array("q")
        return array("q", (found.start() for found in steps(_ASTRAL.finditer(self._text))))

    @once
    def _astral_units(self) -> array[int]:
        return array("q", (at + before for before, at in enumerate(self._astral)))

    @property
    def length(self) -> int:
        """The length of the text, in units."""
        return len(self._text) + len(self._astral)

    def to_units(self, offset: int) -> int:
        """Units before the character `offset`."""
        return offset + bisect_left(self._astral, offset)

    def to_characters(self, units: int) -> int:
        """The character that begins at `units`, or that `units` is inside of; at most the end."""
        within = bisect_left(self._astral_units, units)
        cut = within > 0 and self._astral_units[within - 1] == units - 1
        return min(units - within, len(self._text)) if not cut else units - within

    def cuts(self, units: int) -> bool:
        """Whether `units` is inside a character."""
        within = bisect_left(self._astral_units, units)
        return within > 0 and self._astral_units[within - 1] == units - 1
