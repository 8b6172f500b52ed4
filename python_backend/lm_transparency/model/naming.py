"""Which entry of the vocabulary a person means: by what the panel prints of it, or by its number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import TransparencyError
from ..wording import listed, quoted
from .tokens import encode_text
from .vocabulary import is_byte, pieces_of, vocabulary_text

_NUMBER = re.compile(r"#(\d{1,18})|⟨(\d{1,18})⟩")
#: How the panel shows what has no look of its own.
_PICTURES = str.maketrans({"·": " ", "↵": "\n", "→": "\t"})


@dataclass(frozen=True)
class Meant:
    """An entry, and what a person should know of the choice; "" where there was none."""

    id: int
    note: str = ""


def entry_named(tokenizer: Any, text: str, n_entries: int, model: str) -> Meant:
    """The entry that prints as `text`, else number n for `#n`, else the one token that `text` is written with.

    Of several that print alike it is the one that `text` is written with. Raises `TransparencyError("invalidParams")`
    that says how a text of several tokens splits.
    """
    written = _written(tokenizer, text)
    for wanted in dict.fromkeys((text, text.translate(_PICTURES))):
        alike = list(dict.fromkeys(_alike(tokenizer, wanted, written, n_entries)))
        if alike:
            return Meant(alike[0], _note(tokenizer, text, alike, written))
    number = _NUMBER.fullmatch(text)
    if number:
        return _numbered(tokenizer, int(number[1] or number[2]), n_entries, text)
    if len(written) == 1 and written[0] < n_entries:
        return Meant(written[0], _note(tokenizer, text, written, written))
    split = listed((quoted(vocabulary_text(tokenizer, token_id)) for token_id in written), between=" + ")
    raise TransparencyError(
        "invalidParams",
        f"{quoted(text)} is not one token of {model}: it splits into {split or 'nothing'}.",
        "Name a single token as the predictions print it, with its leading space where it has one, or by its number: "
        "#123.",
    )


def _written(tokenizer: Any, text: str) -> list[int]:
    """The tokens of `text` by itself, without a space that was put before it."""
    try:
        return [token.id for token in encode_text(tokenizer, text, add_special_tokens=False) if not token.special]
    except TransparencyError:
        # no prompt, as an empty text and a NUL are none
        return []


def _alike(tokenizer: Any, text: str, written: list[int], n_entries: int) -> Iterator[int]:
    """Entries that print as `text`, the likeliest first."""
    candidates = written if len(written) == 1 else []
    for piece in pieces_of(text):
        token_id = tokenizer.convert_tokens_to_ids(piece)
        # for many tokenizers what is not there is the unknown token, which prints otherwise
        if token_id is not None:
            candidates = [*candidates, int(token_id)]
    return (i for i in candidates if 0 <= i < n_entries and vocabulary_text(tokenizer, i) == text)


def _numbered(tokenizer: Any, number: int, n_entries: int, text: str) -> Meant:
    if number >= n_entries:
        raise TransparencyError(
            "invalidParams", f"There is no token {quoted(text)}.", f"Choose #0 to #{n_entries - 1}."
        )
    return Meant(number, f"{quoted(text)} is {_named(tokenizer, number)}.")


def _note(tokenizer: Any, text: str, alike: list[int], written: list[int]) -> str:
    chosen, others = alike[0], [i for i in dict.fromkeys([*alike[1:], *written[:1]]) if i != alike[0]]
    # nobody means the byte of a letter
    others = [i for i in others if not is_byte(tokenizer.convert_ids_to_tokens(i))]
    if not others and vocabulary_text(tokenizer, chosen) == text:
        return ""
    beside = f", and not {listed((_named(tokenizer, i) for i in others), 3)}" if others else ""
    return f"{quoted(text)} is taken for {_named(tokenizer, chosen)}{beside}."


def _named(tokenizer: Any, token_id: int) -> str:
    return f"token #{token_id} ({quoted(vocabulary_text(tokenizer, token_id))})"
