"""Special tokens in a text, and what looks like one of another family of models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ...prompts.pace import matches

#: What models of other families take for a special token.
_LOOKS_SPECIAL = re.compile(
    r"<\|[A-Za-z0-9_]{2,40}\|>|</?(?:s|bos|eos|pad|unk|mask|sep|cls|start_of_turn|end_of_turn)>|\[/?INST\]|<</?SYS>>"
    r"|<｜[^｜\n]{2,40}｜>|\[(?:CLS|SEP|MASK|PAD)\]"
)
_LOOK_BEGINS = "<["
#: Characters of a special token that is looked for.
_LONGEST = 200


class Found(NamedTuple):
    """`own`: it is a special token of the tokenizer, and not only something that looks like one."""

    start: int
    end: int
    own: bool


class Specials:
    """The special tokens `texts` of one tokenizer. How long a search takes does not depend on how many there are."""

    def __init__(self, texts: Iterable[str]) -> None:
        # one expression of all of them tries each at every place, and holds up all threads meanwhile
        self._texts = frozenset(text for text in texts if 0 < len(text) <= _LONGEST)
        lengths: dict[str, set[int]] = {}
        for text in self._texts:
            lengths.setdefault(text[0], set()).add(len(text))
        self._lengths = {first: sorted(known, reverse=True) for first, known in lengths.items()}
        self._begins = re.compile("[" + "".join(re.escape(c) for c in sorted({*lengths, *_LOOK_BEGINS})) + "]")

    def found_in(self, text: str) -> Iterator[Found]:
        """In order; of several that begin at one place the longest. Raises `pace.TooSlow`, or `Cancelled`."""
        behind = 0
        for match in matches(self._begins, text, longest=1):
            at = match.start()
            if at < behind:
                continue
            found = self._at(text, at)
            if found is not None:
                yield found
                behind = found.end

    def _at(self, text: str, at: int) -> Found | None:
        for length in self._lengths.get(text[at], ()):
            if text[at : at + length] in self._texts:
                return Found(at, at + length, own=True)
        look = _LOOKS_SPECIAL.match(text, at)
        return None if look is None else Found(at, look.end(), own=False)
