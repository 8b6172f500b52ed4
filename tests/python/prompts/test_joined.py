"""Tokenizers that normalise: a token's displayed text and span are those of the text as written."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from lm_transparency.model.tokens import Token, encode, encode_text
from lm_transparency.prompts.spans import spans_of

ACCENT, STACK, SYLLABLE, KANA = "e\u0301", "e\u0302\u0301", "\u1112\u1161\u11ab", "\uff76\uff9e"
FAMILY, FLAG, WAVE = "👨\u200d👩\u200d👧", "🇫🇷", "👋🏽"
LETTERS = ["a", " ", "é", ACCENT, STACK, SYLLABLE, "각", KANA, "ﬁ", "İ", "q\u0323\u0307", FAMILY, FLAG, WAVE, "\u0301"]
NORMALIZERS = {
    "none": None,
    "NFC": normalizers.NFC(),
    "NFD": normalizers.NFD(),
    "NFKC": normalizers.NFKC(),
    "NFKD": normalizers.NFKD(),
    "lowercase": normalizers.Lowercase(),
    "strip accents": normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]),
    "replace": normalizers.Sequence([normalizers.NFC(), normalizers.Replace(" ", "▁")]),
    "prepend": normalizers.Sequence([normalizers.NFC(), normalizers.Prepend("▁")]),
    "BERT": normalizers.BertNormalizer(),
}


def by_character(normalizer: object, pre_tokenizer: object = None) -> PreTrainedTokenizerFast:
    """One token for each character of the text that `normalizer` returns."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "é": 1, "▁": 2}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizer  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.pre_tokenizer = pre_tokenizer or pre_tokenizers.Split(Regex("."), "isolated")  # pyright: ignore
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")


def shown(normalizer: str, text: str) -> list[str]:
    return [token.text for token in encode(by_character(NORMALIZERS[normalizer]), text)]


@pytest.mark.parametrize("normalizer", ["NFC", "NFKC", "strip accents", "BERT", "replace"])
def test_an_accent_that_is_written_behind_its_letter_belongs_to_it(normalizer: str) -> None:
    assert shown(normalizer, f"x{ACCENT}y{STACK}z") == ["x", ACCENT, "y", STACK, "z"]
    assert shown(normalizer, f"{ACCENT}{ACCENT}") == [ACCENT, ACCENT]


@pytest.mark.parametrize(("normalizer", "text"), [("NFC", SYLLABLE), ("NFKC", SYLLABLE), ("NFKC", KANA)])
def test_what_is_composed_to_one_character_is_one_token_s_text(normalizer: str, text: str) -> None:
    assert shown(normalizer, f"a{text}b") == ["a", text, "b"]


def test_vietnamese_as_macos_writes_it_is_shown_word_by_word_as_it_stands() -> None:
    text = unicodedata.normalize("NFD", "Tiếng Việt rất đẹp")
    words = by_character(normalizers.NFC(), pre_tokenizers.Split(Regex(" ?[^ ]+"), "isolated"))
    assert [token.text for token in encode(words, text)] == [
        text.split(" ")[0],
        *(f" {w}" for w in text.split(" ")[1:]),
    ]


def test_a_character_over_several_tokens_is_shared_with_its_accents() -> None:
    byte_level = pre_tokenizers.Sequence(
        [
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            pre_tokenizers.Split(Regex("."), "isolated"),
        ]
    )
    tokens = encode(by_character(normalizers.NFC(), byte_level), f"a{ACCENT}b")
    assert [(token.start, token.end, token.shared) for token in tokens] == [
        (0, 1, False),
        (1, 3, True),
        (1, 3, True),
        (3, 4, False),
    ]


@pytest.mark.parametrize("name", NORMALIZERS)
@given(text=st.lists(st.sampled_from(LETTERS), min_size=1, max_size=8).map("".join))
def test_every_character_is_in_a_span_and_no_span_begins_inside_of_what_was_joined(name: str, text: str) -> None:
    tokens: list[Token] = encode_text(by_character(NORMALIZERS[name]), text, add_special_tokens=False)
    if not any(token.start < token.end for token in tokens):
        return
    spans = spans_of(tokens)
    assert "".join(text[span.start : span.end] for span in spans) == text
    for token in tokens:
        assert token.shared or token.special or token.text == text[token.start : token.end]
    if name in ("NFC", "NFKC"):
        whole = unicodedata.normalize(name, text)
        starts = [span.start for span in spans]
        # a letter and the accent that it is composed with stand in one span
        for at in range(1, len(text)):
            pair = unicodedata.normalize("NFC", text[at - 1 : at + 1])
            if len(pair) == 1 and pair in whole and text[at] == "\u0301" and text[at - 1] == "e":
                assert at not in starts
