"""Entries of a vocabulary: each reads as something, and is named by what it reads as or by its number."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tokenizers import AddedToken

from lm_transparency import TransparencyError
from lm_transparency.model.naming import entry_named
from lm_transparency.model.tokens import encode
from lm_transparency.model.vocabulary import vocabulary_text
from sentencepieces import FRONTS, Front, sentencepiece_like


def meant(tokenizer: Any, text: str) -> tuple[str, str]:
    """The entry as the vocabulary has it, and the note."""
    found = entry_named(tokenizer, text, len(tokenizer), "tiny")
    return tokenizer.convert_ids_to_tokens(found.id), found.note


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("s", "s"),
        (" s", "▁s"),
        ("ook", "ook"),
        ("book", "book"),
        (" book", "▁book"),
        ("·book", "▁book"),
        ("\n", "<0x0A>"),
        ("↵", "<0x0A>"),
        ("\t", "<0x09>"),
        ("\0", "<0x00>"),
        ("⟨e6⟩", "<0xE6>"),
        ("日", "日"),
        (" ", "▁"),
        ("<s>", "<s>"),
        ("#5", "<0x02>"),
    ],
)
def test_an_entry_is_named_by_what_the_panel_prints(front: Front, text: str, piece: str) -> None:
    assert meant(sentencepiece_like(front), text)[0] == piece


def test_a_choice_is_said() -> None:
    tokenizer = sentencepiece_like()
    start = tokenizer.convert_tokens_to_ids("▁s")
    assert f"and not token #{start} (' s')" in meant(tokenizer, "s")[1]
    # a byte reads as its letter does
    assert "'<0x73>'" not in meant(tokenizer, "s")[1]
    assert meant(tokenizer, " s")[1] == ""
    assert meant(tokenizer, "#270")[1].startswith("'#270' is token #270 (")


def test_a_word_that_only_begins_words_is_taken_with_its_space_and_said_so() -> None:
    piece, note = meant(sentencepiece_like(), "books")
    assert piece == "▁books"
    assert note.startswith("'books' is taken for token #")
    assert note.endswith("(' books').")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Mary books", r"splits into ' Mary' \+ ' books'\."),
        ("", "'' is not one token of tiny: it splits into nothing"),
        ("#999999", r"There is no token '#999999'\. Choose #0 to #"),
        ("⟨999999⟩", "There is no token"),
        ("k" * 5000, r"and 4\d\d\d more"),
    ],
)
def test_what_is_no_single_token_is_refused(text: str, words: str) -> None:
    tokenizer = sentencepiece_like()
    with pytest.raises(TransparencyError, match=words) as caught:
        meant(tokenizer, text)
    assert caught.value.kind == "invalidParams"
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("front", FRONTS)
def test_every_entry_can_be_named_by_its_text_or_its_number(front: Front) -> None:
    tokenizer = sentencepiece_like(front)
    for token_id in range(len(tokenizer)):
        text = vocabulary_text(tokenizer, token_id)
        found = entry_named(tokenizer, text, len(tokenizer), "tiny").id
        assert found == token_id or vocabulary_text(tokenizer, found) == text
        assert entry_named(tokenizer, f"#{token_id}", len(tokenizer), "tiny").id == token_id


def test_byte_level_entries_can_be_named(tiny_tokenizer: Any) -> None:
    for token_id in range(len(tiny_tokenizer)):
        text = vocabulary_text(tiny_tokenizer, token_id)
        assert entry_named(tiny_tokenizer, text, len(tiny_tokenizer), "tiny").id == token_id


@pytest.mark.parametrize("like", ["sentencepiece", "byte level"])
def test_added_entries_read_as_they_are_written(like: str, tiny_tokenizer: Any) -> None:
    tokenizer = sentencepiece_like() if like == "sentencepiece" else copy.deepcopy(tiny_tokenizer)
    written = ["<｜begin▁of▁sentence｜>", "<0xZZ>", "<0x>", "<0xé>", "<0x 41>", "<0x123>", "<0x", "a▁b", "<tool_call>"]
    tokenizer.add_tokens([AddedToken(written[0], special=True), *written[1:]])
    for text in written:
        token_id = tokenizer.convert_tokens_to_ids(text)
        assert vocabulary_text(tokenizer, token_id) == text
        assert entry_named(tokenizer, text, len(tokenizer), "tiny").id == token_id
    # runs of spaces are entries of their own (Gemma)
    tokenizer.add_tokens(["▁▁▁"])
    spaces = vocabulary_text(tokenizer, tokenizer.convert_tokens_to_ids("▁▁▁"))
    assert spaces == ("   " if like == "sentencepiece" else "▁▁▁")


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("prompt", ["日本", " 日", "語a", "\n", "a\nb", "s", "Mary books", "ab 語", "  日"])
def test_a_space_put_in_front_makes_no_character_a_piece(front: Front, prompt: str) -> None:
    tokens = encode(sentencepiece_like(front), prompt, "none")
    for token in tokens:
        # of a character that has no piece there are three bytes, and nothing else is a piece
        assert token.shared == (token.text.startswith("⟨") and "語" in prompt)
        if not token.shared and not token.special:
            assert token.text == prompt[token.start : token.end]
    ends = [t.end for t in tokens]
    assert ends == sorted(ends)
    assert ends[-1] == len(prompt)
