"""Entries of a vocabulary: each has a readable text, and is named by that text or by its number."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from lm_transparency import TransparencyError
from lm_transparency.model.loading import LoadedModel
from lm_transparency.model.naming import entry_named
from lm_transparency.model.tokens import encode, visible
from lm_transparency.model.vocabulary import stands_for_a_byte, vocabulary_text
from sentencepieces import FRONTS, Front, sentencepiece_like
from tokenizer_kinds import MADE


def meant(tokenizer: Any, text: str) -> tuple[str, str]:
    """The entry in the vocabulary's spelling, and the note."""
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
        # as the panel shows them
        ("⏎", "<0x0A>"),
        ("⇥", "<0x09>"),
        ("\t", "<0x09>"),
        ("␛", "<0x1B>"),
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


def test_a_forgotten_space_is_named(embedded: LoadedModel) -> None:
    tokenizer = embedded.tokenizer
    with pytest.raises(TransparencyError, match=r"splits into 'Stock' \+ 'holm'; ' Stockholm' is one\."):
        entry_named(tokenizer, "Stockholm", len(tokenizer), "tiny")
    with pytest.raises(TransparencyError, match=r"splits into ' Stockholm' \+ 'isch'\."):
        entry_named(tokenizer, " Stockholmisch", len(tokenizer), "tiny")


@pytest.mark.parametrize("front", FRONTS)
def test_every_entry_can_be_named_by_its_text_or_its_number(front: Front) -> None:
    tokenizer = sentencepiece_like(front)
    for token_id in range(len(tokenizer)):
        text = vocabulary_text(tokenizer, token_id)
        found = entry_named(tokenizer, text, len(tokenizer), "tiny").id
        assert found == token_id or vocabulary_text(tokenizer, found) == text
        assert entry_named(tokenizer, f"#{token_id}", len(tokenizer), "tiny").id == token_id


@pytest.mark.parametrize("kind", MADE)
def test_every_entry_of_every_kind_can_be_named_by_what_is_printed(kind: str) -> None:
    tokenizer = MADE[kind]()
    for token_id in range(len(tokenizer)):
        text = vocabulary_text(tokenizer, token_id)
        for printed in (text, visible(text)):
            found = entry_named(tokenizer, printed, len(tokenizer), "tiny")
            assert vocabulary_text(tokenizer, found.id) == text
            # with byte-level BPE no two read alike; of others, it is said
            assert found.id == token_id or kind != "byte_level"
            assert found.id == token_id or f"#{token_id} (" in found.note or stands_for_a_byte(tokenizer, token_id)


@pytest.mark.parametrize("kind", ["unigram", "word_piece", "bert", "word_ends"])
@pytest.mark.parametrize("text", ["§", "⏎", "book"])
def test_what_a_vocabulary_lacks_is_not_its_unknown_token(kind: str, text: str) -> None:
    with pytest.raises(TransparencyError, match="is not one token of tiny: it splits into '<unk>'"):
        meant(MADE[kind](), text)
    assert meant(MADE[kind](), "<unk>") == ("<unk>", "")


def test_a_text_that_could_be_a_number_or_a_picture_says_what_it_is_not(tiny_tokenizer: Any) -> None:
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.add_tokens(["#7", "↵"])
    piece, note = meant(tokenizer, "#7")
    assert (piece, "and not token #7 (" in note) == ("#7", True)
    piece, note = meant(tokenizer, "↵")
    assert (piece, note.endswith("('\\n').")) == ("↵", True)
    # its own beginning token is irrelevant here
    assert meant(tokenizer, "⟨e6⟩")[1] == ""


@pytest.mark.parametrize("like", ["sentencepiece", "byte level"])
def test_added_entries_read_as_they_are_written(like: str, tiny_tokenizer: Any) -> None:
    tokenizer = sentencepiece_like() if like == "sentencepiece" else copy.deepcopy(tiny_tokenizer)
    written = ["<｜begin▁of▁sentence｜>", "<0xZZ>", "<0x>", "<0xé>", "<0x 41>", "<0x123>", "<0x", "a▁b", "<tool_call>"]
    tokenizer.add_tokens([AddedToken(written[0], special=True), *written[1:]])
    for text in written:
        token_id = tokenizer.convert_tokens_to_ids(text)
        assert vocabulary_text(tokenizer, token_id) == text
        assert entry_named(tokenizer, text, len(tokenizer), "tiny").id == token_id
    # one byte with byte fallback, otherwise six characters
    tokenizer.add_tokens([AddedToken("<0x41>", normalized=False)])
    byte = tokenizer.convert_tokens_to_ids("<0x41>")
    assert vocabulary_text(tokenizer, byte) == ("A" if like == "sentencepiece" else "<0x41>")
    # runs of spaces are entries of their own (Gemma)
    tokenizer.add_tokens(["▁▁▁"])
    spaces = vocabulary_text(tokenizer, tokenizer.convert_tokens_to_ids("▁▁▁"))
    assert spaces == ("   " if like == "sentencepiece" else "▁▁▁")


def test_without_a_decoder_a_mark_is_a_space_where_spaces_are_written_so() -> None:
    marking = sentencepiece_like("never")
    marking.backend_tokenizer.decoder = None
    assert vocabulary_text(marking, marking.convert_tokens_to_ids("▁s")) == " s"
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "a▁b": 1, "<0x41>": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    plain = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]")
    assert [vocabulary_text(plain, i) for i in (1, 2)] == ["a▁b", "<0x41>"]


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


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "#\ud83d", "\ud83d" * 1000])
def test_half_of_a_surrogate_pair_names_no_entry(kind: str, text: str) -> None:
    with pytest.raises(TransparencyError, match="is not one token of m"):
        entry_named(MADE[kind](), text, 10**6, "m")
