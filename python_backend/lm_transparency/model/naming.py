"""The entry of the vocabulary that a user means, by its text as the panel prints it or by its number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import TransparencyError
from ..wording import listed, quoted
from .tokens import encode_text, half_of_a_pair, unseen
from .vocabulary import pieces_of, stands_for_a_byte, vocabulary_text

_NUMBER = re.compile(r"#(\d{1,18})|⟨(\d{1,18})⟩")


@dataclass(frozen=True)
class Meant:
    """An entry, and a note for the user about the choice; "" where there was no choice."""

    id: int
    note: str = ""


def number_named(text: str) -> int | None:
    """n of `#n` or `⟨n⟩`."""
    number = _NUMBER.fullmatch(text)
    return int(number[1] or number[2]) if number else None


def entry_named(tokenizer: Any, text: str, n_entries: int, model: str) -> Meant:
    """The entry that prints as `text`, else number n for `#n`, else the one token that `text` is written with.

    Of several that print alike, the one that `text` is written with. Raises `TransparencyError("invalidParams")`, which
    says how a text of several tokens splits.
    """
    written = _written(tokenizer, text)
    number = _NUMBER.fullmatch(text)
    found = dict.fromkeys(i for wanted in (text, unseen(text)) for i in _alike(tokenizer, wanted, written, n_entries))
    if found:
        numbered = [int(number[1])] if number and number[1] and int(number[1]) < n_entries else []
        return _chosen(tokenizer, text, [*found, *(written if len(written) == 1 else []), *numbered])
    if number:
        return _numbered(tokenizer, int(number[1] or number[2]), n_entries, text)
    # the unknown token is written for everything that a vocabulary lacks
    if len(written) == 1 and written[0] < n_entries and written[0] != getattr(tokenizer, "unk_token_id", None):
        return _chosen(tokenizer, text, written)
    split = listed((quoted(vocabulary_text(tokenizer, token_id)) for token_id in written), between=" + ")
    hint = _with_space(tokenizer, text)
    raise TransparencyError(
        "invalidParams",
        f"{quoted(text)} is not one token of {model}: it splits into {split or 'nothing'}{hint}.",
        "Name a single token as the predictions print it, with its leading space where it has one, or by its number: "
        "#123.",
    )


def _written(tokenizer: Any, text: str) -> list[int]:
    """The tokens of `text` by itself, without a space that was put before it."""
    try:
        return [token.id for token in encode_text(tokenizer, text, add_special_tokens=False) if not token.special]
    except TransparencyError:
        # not a valid prompt, such as an empty text or a NUL
        return []


def _with_space(tokenizer: Any, text: str) -> str:
    """Says where only the leading space was forgotten."""
    spaced = f" {text}"
    alike = text.strip() and any(vocabulary_text(tokenizer, i) == spaced for i in _written(tokenizer, spaced)[:1])
    return f"; {quoted(spaced)} is one" if alike else ""


def _alike(tokenizer: Any, text: str, written: list[int], n_entries: int) -> Iterator[int]:
    """Entries that print as `text`, the likeliest first."""
    # none prints as half of a character, and tokenizers do not take it
    if half_of_a_pair(text):
        return
    candidates = written if len(written) == 1 else []
    for piece in pieces_of(text):
        token_id = tokenizer.convert_tokens_to_ids(piece)
        # many tokenizers turn unknown text into the unknown token, which prints differently
        if token_id is not None:
            candidates = [*candidates, int(token_id)]
    yield from (i for i in candidates if 0 <= i < n_entries and vocabulary_text(tokenizer, i) == text)


def _numbered(tokenizer: Any, number: int, n_entries: int, text: str) -> Meant:
    if number >= n_entries:
        raise TransparencyError(
            "invalidParams", f"There is no token {quoted(text)}.", f"Choose #0 to #{n_entries - 1}."
        )
    return Meant(number, f"{quoted(text)} is {_named(tokenizer, number)}.")


def _chosen(tokenizer: Any, text: str, candidates: list[int]) -> Meant:
    """The first of `candidates`, with a note that names the others."""
    chosen, *others = dict.fromkeys(candidates)
    # a letter's byte is never meant
    others = [i for i in others if not stands_for_a_byte(tokenizer, i)]
    if not others and vocabulary_text(tokenizer, chosen) == text:
        return Meant(chosen)
    beside = f", and not {listed((_named(tokenizer, i) for i in others), 3)}" if others else ""
    return Meant(chosen, f"{quoted(text)} is taken for {_named(tokenizer, chosen)}{beside}.")


def _named(tokenizer: Any, token_id: int) -> str:
    return f"token #{token_id} ({quoted(vocabulary_text(tokenizer, token_id))})"
