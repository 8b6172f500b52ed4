"""The tokens of a payload: their spans, in the units that an editor counts."""

from __future__ import annotations

from typing import Any

from lm_transparency.exports.payload import token_infos
from lm_transparency.model.tokens import Token


class Uncut(str):
    """A text that must not be sliced."""

    def __getitem__(self, _at: Any) -> str:
        raise AssertionError("the beginning of the prompt is read once for each token")


def test_spans_are_in_utf16_units_and_the_prompt_is_read_once() -> None:
    prompt = Uncut("a😀b é🫠\ud800\U0010ffffz" * 3)
    tokens = tuple(Token(i, "", i, i + 1) for i in range(len(prompt)))
    plain = str(prompt)
    units = [len(plain[:i].encode("utf-16-le", "surrogatepass")) // 2 for i in range(len(plain) + 1)]
    infos = token_infos(prompt, tokens)
    assert [info.start for info in infos] == units[:-1]
    assert [info.end for info in infos] == units[1:]
