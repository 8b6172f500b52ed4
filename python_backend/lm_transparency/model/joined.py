"""Characters that a tokenizer's normaliser joins to the one before, or drops: accents, parts of Hangul syllables.

Tokenizers give offsets of the first character of a composed one (NFC, NFKC), or of the letter that lost its accent; the
rest lies between two tokens.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left

#: Medial vowels and final consonants of Hangul, by first and last character.
_JAMO = (("\u1160", "\u11ff"), ("\ud7b0", "\ud7fb"))
#: Joiners, and the tags of flags.
_JOINERS = "\u200c\u200d"


def with_joined(prompt: str, offsets: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """`offsets` of tokens in `prompt`, each extended to the end of the visible character, as far as no other token
    has it.
    """
    if prompt.isascii():
        return offsets
    starts = sorted(start for start, end in offsets if start < end)
    ends: dict[int, int] = {}
    for _, end in offsets:
        if end not in ends:
            following = bisect_left(starts, end)
            stop = starts[following] if following < len(starts) else len(prompt)
            at = end
            while at < stop and goes_on(prompt[at]):
                at += 1
            ends[end] = at
    return [(start, ends[end] if start < end else end) for start, end in offsets]


def goes_on(character: str) -> bool:
    """Whether `character` continues the one before it: a mark, also a half-width one, or the rest of a syllable."""
    if character < "\u0300":
        return False
    first = unicodedata.normalize("NFKC", character)[0]
    return (
        unicodedata.category(first)[0] == "M"
        or any(low <= first <= high for low, high in _JAMO)
        or character in _JOINERS
        or "\U000e0020" <= character <= "\U000e007f"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )
