"""Every character of a prompt belongs to one token span or is reported as shared, for every kind of tokenizer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from lm_transparency import LoadedModel, TransparencyError
from lm_transparency.model.tokens import encode
from lm_transparency.prompts.spans import merged, span_at, spans_of, spans_within
from lm_transparency.prompts.units import Units
from tokenizer_kinds import MADE

PIECES = [
    *["a", "Mary", " ", "  ", "\n", "\r\n", "\t", "1732", "é", "e\u0301", "o\u0327\u0323", "ﬁ", "ß", "İ", "<s>"],
    *["Ж", " Привет", "日本語", "😀", "👋🏽", "👨\u200d👩\u200d👧", "🇫🇷", "\U0010ffff", "𝒳"],
    *["שלום", "مرحبا", "\u200f", "\u00a0", "\u3000", "\ufeff", "½", "Ǆ", "\u0345"],
]
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=24),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=10).map("".join),
)
KINDS = [*MADE, "embedded"]


@pytest.fixture(scope="module")
def tokenizers(embedded: LoadedModel) -> dict[str, Any]:
    return {kind: make() for kind, make in MADE.items()} | {"embedded": embedded.tokenizer}


@pytest.mark.parametrize("kind", KINDS)
@given(prompt=TEXTS)
@example("e\u0301")
@example("a \u0301")
@example("Mary\r\n")
@example("ﬁ½")
@example(" 😀 ")
# the embedded vocabulary lacks the first byte of each of the first two, and the third is white space to Python alone
@example("\x06\U00040000\x1f\x12")
@settings(max_examples=80)
def test_each_character_belongs_to_one_span(tokenizers: dict[str, Any], kind: str, prompt: str) -> None:
    # a tokenizer may have no tokens for blanks
    assume(tokenizers[kind](prompt, add_special_tokens=False)["input_ids"])
    tokens = encode(tokenizers[kind], prompt)
    spans = spans_of(tokens)
    owned = [span for span in spans for _ in range(span.start, span.end)]
    assert len(owned) == len(prompt)
    assert [span.start for span in spans] == [0, *(span.end for span in spans[:-1])]
    for span in spans:
        assert span.tokens == tuple(i for i, t in enumerate(tokens) if t.start < span.end and t.end > span.start)
        assert all(tokens[i].shared for i in span.tokens) or not span.shared
    for at, span in enumerate(owned):
        assert span_at(spans, at) == span
        assert span in spans_within(spans, at, at)
    placed = [i for i, token in enumerate(tokens) if token.start < token.end]
    assert sorted(i for span in merged(spans) for i in span.tokens) == placed
    # and so does each UTF-16 unit, as an editor counts
    units = Units(prompt)
    assert units.length == sum(units.to_units(span.end) - units.to_units(span.start) for span in spans)


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_character_is_refused_with_a_message(tokenizers: dict[str, Any], kind: str) -> None:
    for prompt in ("a\ud83d", "\ude00b"):
        with pytest.raises(TransparencyError, match="half of a surrogate pair") as caught:
            encode(tokenizers[kind], prompt)
        assert caught.value.remedy


def test_an_emoji_over_four_tokens_is_one_span_of_four(tokenizers: dict[str, Any]) -> None:
    last = spans_of(encode(tokenizers["bpe_with_bytes"], "a👋"))[-1]
    assert (last.start, last.end, len(last.tokens), last.shared) == (1, 2, 4, True)
