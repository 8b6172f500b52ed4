"""Refusals of texts that cannot be a prompt."""

from __future__ import annotations

from ..errors import TransparencyError
from ..model.tokens import LONGEST_PROMPT, half_of_a_pair
from .units import BLANKS

_CUT = "A selection may have cut an emoji in two; select the whole of it, or delete the half."


def check_text(text: str, *, selected: bool = False) -> None:
    """`selected`: the user selected exactly this text. Raises `TransparencyError`: `invalidPrompt`, `promptTooLong`."""
    if not text or (not selected and not text.strip(BLANKS)):
        raise TransparencyError(
            "invalidPrompt",
            "There is no prompt here: the text is empty.",
            "Write a prompt, or put the cursor into one.",
        )
    nul = text.find("\0")
    if nul >= 0:
        raise TransparencyError(
            "invalidPrompt",
            f"The text has a NUL character in line {_line(text, nul)}; it seems to be binary data.",
            "Remove the character, or select the part that is text.",
        )
    lone = half_of_a_pair(text)
    if lone:
        raise half_character(ord(lone[0]), _line(text, lone.start()))
    if len(text) > LONGEST_PROMPT:
        raise TransparencyError(
            "promptTooLong",
            f"The text has {len(text):,} characters; no model's context is that long.",
            "Select a part of it.",
        )


def half_character(code: int, line: int) -> TransparencyError:
    """The refusal of a lone surrogate in `line` of the prompt, counted from 1."""
    message = f"The text has half of a character (the lone surrogate U+{code:X}) in line {line}."
    return TransparencyError("invalidPrompt", message, _CUT)


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
