"""Tokenizers in SentencePiece style: `▁` for spaces, one added before a word, bytes for unknown characters."""

from __future__ import annotations

from typing import Any, Literal

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

Front = Literal["prepend", "always", "first", "never"]
FRONTS: tuple[Front, ...] = ("prepend", "always", "first", "never")

_LETTERS = ["▁", *"abcdgikMorsty", "日", "本"]
_MERGES = [
    ("▁", "s"),
    ("▁", "b"),
    ("▁", "M"),
    ("a", "r"),
    ("ar", "y"),
    ("▁M", "ary"),
    ("o", "o"),
    ("oo", "k"),
    ("▁b", "ook"),
    ("b", "ook"),
    ("▁book", "s"),
    ("M", "ary"),
]


def sentencepiece_like(front: Front = "prepend") -> Any:
    """`prepend`: Llama 2's normaliser; else the scheme of the pre-tokenizer Metaspace."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2}
    for piece in [*(f"<0x{b:02X}>" for b in range(256)), *_LETTERS, *(a + b for a, b in _MERGES)]:
        vocabulary.setdefault(piece, len(vocabulary))
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=_MERGES, unk_token="<unk>", byte_fallback=True))
    if front == "prepend":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=front)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
