"""Texts that act on the program that shows them, and the characters of them that may remain."""

from __future__ import annotations

import re
import unicodedata

#: Always shown in another form, wherever they stand.
ALWAYS_SHOWN = [
    *map(chr, [*range(0x20), *range(0x7F, 0xA0)]),
    *"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\ufeff\u2060\xad\ufff9",
    *"\ud800\udc80\udfff\ufdd0\uffff\U0001fffe\U000e0001\U000e0041\u3164\u115f",
]
_BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "B"}
#: Colours, and a line that is overwritten: what the command line itself writes to a terminal.
_OURS = re.compile(r"\x1b\[[0-9;]*m|\r?\x1b\[2K|\r\n|\r$")

#: Colours, a clipboard's content (OSC 52), C1, a turn of direction, markup of rich, a formula.
HOSTILE = "a\x1b[31m \x1b]52;c;eA==\x07 \x9b1m \u202e[bold]b[/] =1+1 日é"
#: The same as a name of files and folders.
HOSTILE_NAME = "m\x1b[31m\x1b]0;t\x07\x9b1m\u202e[bold]\nx"


def acts(text: str) -> list[str]:
    """The characters of `text` that must not reach a terminal, log or viewer."""
    return [
        c
        for c in text
        if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(c) in _BIDI
        or c in ALWAYS_SHOWN
    ]


def without_ours(text: str) -> str:
    """The output to a terminal, without the command line's own control sequences."""
    return re.sub(_OURS, "", text.replace("\r\r", "\r"))
