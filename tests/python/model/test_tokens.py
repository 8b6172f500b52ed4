"""A prompt's tokens as users see them: spans that tile the text, special tokens, bytes, refusals."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerFast

from lm_transparency import LoadedModel, TransparencyError, analyze
from lm_transparency.model.tokens import Token, check_prompt, encode
from lm_transparency.model.vocabulary import vocabulary_text
from tiny_models import train_tokenizer

#: Everything that splits badly: emoji with joiners, combining marks, right-to-left, line ends, wide and odd spaces.
PIECES = [
    *["a", "Mary", " ", "  ", "\n", "\r\n", "\t", "\r", "1732", "é", "e\u0301", "ḉ", "ﬁ", "ß", "İ", "<s>"],
    *["ж", " Привет", "日本語", "日曜日", "😀", " 😀", "👋🏽", "👨\u200d👩\u200d👧", "🇫🇷", "\U0010ffff"],
    *["שלום", "مرحبا", "\u200f", "\u00a0", "\u3000", "\ufeff"],
]
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join),
)


def assert_tiles(prompt: str, tokens: list[Token]) -> None:
    """Spans cover the prompt without gaps; only tokens that share a character overlap, and each shares with another."""
    covered = 0
    for i, token in enumerate(tokens):
        if token.special:
            assert token.start == token.end
            continue
        assert token.start < token.end
        if token.shared:
            assert token.start <= covered
            neighbours = [tokens[j] for j in (i - 1, i + 1) if 0 <= j < len(tokens)]
            assert any(n.shared and max(n.start, token.start) < min(n.end, token.end) for n in neighbours)
        else:
            assert token.start == covered
            assert token.text == prompt[token.start : token.end]
        covered = max(covered, token.end)
    assert covered == len(prompt)


def pieces(tokens: list[Token]) -> bytes:
    """The bytes that the displayed texts stand for."""
    found = b""
    for token in tokens:
        text = token.text
        while token.shared and "⟨" in text:
            before, _, rest = text.partition("⟨")
            inside, _, text = rest.partition("⟩")
            found += before.encode() + bytes.fromhex(inside)
        found += text.encode()
    return found


@pytest.fixture(scope="module")
def smollm(embedded: LoadedModel) -> Any:
    """The embedded model's tokenizer."""
    return embedded.tokenizer


@pytest.fixture(scope="module")
def trimming() -> Any:
    """A tokenizer whose offsets exclude spaces, as in GPT-NeoX and RoBERTa."""
    return train_tokenizer(trim_offsets=True)


@pytest.fixture(scope="module")
def sentencepiece() -> Any:
    """A Llama-2-like tokenizer: ▁ for spaces, a leading space added, bytes as <0xF0>."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2}
    for piece in [*(f"<0x{b:02X}>" for b in range(256)), "▁", "a", "b", "h", "i", "▁h", "hi", "▁hi", "▁▁"]:
        vocabulary[piece] = len(vocabulary)
    merges = [("▁", "h"), ("h", "i"), ("▁", "hi"), ("▁", "▁")]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@given(prompt=texts)
@example("日曜日 ж 😀")
@settings(max_examples=150)
def test_spans_tile_any_text(tiny_tokenizer: Any, prompt: str) -> None:
    tokens = encode(tiny_tokenizer, prompt, "none")
    assert_tiles(prompt, tokens)
    if "<s>" not in prompt and "⟨" not in prompt:
        assert pieces(tokens) == prompt.encode()


@given(prompt=texts)
@example("a 😀b")
@example(" Привет")
@settings(max_examples=150)
def test_spans_of_the_embedded_models_tokenizer_tile_any_text(smollm: Any, prompt: str) -> None:
    known = {vocabulary_text(smollm, i) for i in range(300)}
    # its vocabulary lacks some bytes (0x04, 0xf1 …): it drops them silently
    assume(all((chr(b) if b < 0x80 else f"⟨{b:02x}⟩") in known for b in prompt.encode()))
    tokens = encode(smollm, prompt, "none")
    assert_tiles(prompt, tokens)
    if "⟨" not in prompt:
        assert pieces(tokens) == prompt.encode()


@given(prompt=texts)
@example("def f():\n    return 1  ")
@settings(max_examples=150)
def test_spans_of_a_tokenizer_that_trims_spaces_tile_any_text(trimming: Any, prompt: str) -> None:
    tokens = encode(trimming, prompt, "none")
    assert_tiles(prompt, tokens)
    assert not any(token.special for token in tokens)


@given(prompt=st.text("abhi \n日😀", min_size=1, max_size=12))
@settings(max_examples=100)
def test_spans_of_a_sentencepiece_tokenizer_tile_the_text(sentencepiece: Any, prompt: str) -> None:
    tokens = encode(sentencepiece, prompt)
    assert [(t.id, t.special) for t in (tokens[0], tokens[-1])] == [(1, True), (2, True)]
    # a space that the tokenizer adds before a word is not part of the prompt
    assert [t.text for t in tokens[1:-1] if t.special] == [" "] * any(t.special for t in tokens[1:2])
    assert_tiles(prompt, tokens)


def test_concatenated_texts_are_the_prompt(embedded: LoadedModel) -> None:
    prompt = "When Mary and John\r\n\twent  to the store, é "
    tokens = encode(embedded.tokenizer, prompt, "none")
    assert "".join(token.text for token in tokens) == prompt


def test_an_emoji_split_over_tokens_shows_its_bytes(embedded: LoadedModel) -> None:
    tokens = encode(embedded.tokenizer, "a 😀b", "none")
    assert [(t.text, t.start, t.end, t.shared) for t in tokens] == [
        ("a", 0, 1, False),
        (" ⟨f0 9f 98⟩", 1, 3, True),
        ("⟨80⟩", 2, 3, True),
        ("b", 3, 4, False),
    ]


def test_a_cyrillic_letter_split_after_its_space_shows_its_bytes(embedded: LoadedModel) -> None:
    tokens = encode(embedded.tokenizer, "о П", "none")
    assert [t.text for t in tokens if t.shared] == [" ⟨d0⟩", "⟨9f⟩"]


def test_a_token_that_ends_inside_a_character_shows_the_whole_ones(tiny_tokenizer: Any) -> None:
    tokens = encode(tiny_tokenizer, "日曜日", "none")
    assert [(t.text, t.start, t.end, t.shared) for t in tokens] == [
        ("日", 0, 1, False),
        ("⟨e6 9b⟩", 1, 2, True),
        ("⟨9c⟩日", 1, 3, True),
    ]


def test_an_analysis_says_which_tokens_are_pieces_of_a_character(tiny_llama: LoadedModel) -> None:
    run = analyze(tiny_llama, "ab日曜日")
    shared = [i for i, token in enumerate(run.tokens) if token.shared]
    assert shared
    assert f"Tokens {', '.join(map(str, shared))} are pieces" in run.notices[0]


def test_auto_adds_what_the_tokenizer_adds(embedded: LoadedModel, sentencepiece: Any) -> None:
    assert not any(token.special for token in encode(embedded.tokenizer, "Hello", "auto"))
    assert [t.text for t in encode(sentencepiece, "hi", "auto") if t.special] == ["<s>", "</s>"]


def test_bos_puts_one_beginning_of_sequence_token_in_front(embedded: LoadedModel, sentencepiece: Any) -> None:
    tokens = encode(embedded.tokenizer, "Hello", "bos")
    assert (tokens[0].id, tokens[0].text, tokens[0].special) == (embedded.tokenizer.bos_token_id, "<|im_start|>", True)
    assert (tokens[0].start, tokens[0].end) == (0, 0)
    assert tokens[1:] == encode(embedded.tokenizer, "Hello", "none")
    # a tokenizer that adds one itself does not get a second
    assert [t.text for t in encode(sentencepiece, "hi", "bos") if t.special] == ["<s>"]


def test_none_adds_nothing(sentencepiece: Any) -> None:
    assert not any(token.special for token in encode(sentencepiece, "hi", "none"))


def test_bos_is_refused_where_the_tokenizer_has_none(tiny_tokenizer: Any) -> None:
    bare = PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer.backend_tokenizer)
    with pytest.raises(TransparencyError, match="no beginning-of-sequence token") as caught:
        encode(bare, "Hello", "bos")
    assert caught.value.kind == "invalidPrompt"


def test_a_special_token_written_in_the_prompt_has_its_span(embedded: LoadedModel) -> None:
    token = encode(embedded.tokenizer, "<|im_start|>user", "none")[0]
    assert (token.text, token.start, token.end, token.special) == ("<|im_start|>", 0, 12, False)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "The prompt is empty"),
        ("ab\0c", "NUL character at offset 2"),
        ("a\ud83d", "half of a surrogate pair at offset 1"),
        ("\udc00", "half of a surrogate pair at offset 0"),
    ],
)
def test_a_prompt_that_is_no_text_is_refused(embedded: LoadedModel, prompt: str, message: str) -> None:
    for refuse in (check_prompt, lambda p: encode(embedded.tokenizer, p), lambda p: analyze(embedded, p)):
        with pytest.raises(TransparencyError, match=message) as caught:
            refuse(prompt)
        assert caught.value.kind == "invalidPrompt"
        assert caught.value.exit_code == 2
        assert "\n" not in str(caught.value)


def test_a_prompt_longer_than_the_context_is_refused(tiny_gpt2: LoadedModel) -> None:
    with pytest.raises(TransparencyError, match=r"reads at most 128.*Shorten it by") as caught:
        analyze(tiny_gpt2, "Mary and John " * 100)
    assert caught.value.kind == "promptTooLong"


def test_a_prompt_as_long_as_the_context_is_analysed(tiny_gpt2: LoadedModel) -> None:
    prompt = "a" * 128
    assert len(encode(tiny_gpt2.tokenizer, prompt, "none")) == 128
    assert analyze(tiny_gpt2, prompt).proof.holds
    with pytest.raises(TransparencyError, match="Shorten it by 1 tokens"):
        analyze(tiny_gpt2, prompt + "a")


def test_a_tokenizer_without_offsets_is_refused_in_words() -> None:
    class Slow:
        def __call__(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError("return_offset_mapping is not available when using Python tokenizers")

    with pytest.raises(TransparencyError, match="Slow does not say which characters") as caught:
        encode(Slow(), "Hello")
    assert caught.value.kind == "modelUnsupported"


@given(token_id=st.integers(0, 60_000))
@settings(max_examples=300)
def test_every_entry_of_the_vocabulary_reads_as_text(smollm: Any, token_id: int) -> None:
    text = vocabulary_text(smollm, token_id)
    assert text
    # a broken character shows as bytes, never as a replacement mark
    assert "\ufffd" not in text
    text.encode()


def test_a_vocabulary_entry_keeps_its_leading_space(embedded: LoadedModel, sentencepiece: Any) -> None:
    for word in (" Mary", "Mary", " the", "\n"):
        (token_id,) = embedded.tokenizer(word).input_ids
        assert vocabulary_text(embedded.tokenizer, token_id) == word
    (hi,) = sentencepiece.convert_tokens_to_ids(["▁hi"])
    assert vocabulary_text(sentencepiece, hi) == " hi"
    assert vocabulary_text(sentencepiece, 3 + 0xF0) == "⟨f0⟩"
    assert vocabulary_text(sentencepiece, 3 + 0x41) == "A"


def test_every_byte_of_byte_level_bpe_reads_as_itself(tiny_tokenizer: Any) -> None:
    table = {vocabulary_text(tiny_tokenizer, i) for i in range(2, 258)}
    assert {f"⟨{byte:02x}⟩" for byte in range(0x80, 0x100)} <= table
    assert {chr(byte) for byte in range(0x80)} <= table


def test_rows_past_the_vocabulary_read_as_their_number(tiny_llama: LoadedModel) -> None:
    past = tiny_llama.anatomy.n_vocab - 1
    assert past >= len(tiny_llama.tokenizer)
    assert vocabulary_text(tiny_llama.tokenizer, past) == f"⟨{past}⟩"
