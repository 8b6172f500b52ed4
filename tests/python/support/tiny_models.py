"""Tiny random models with nothing trivially 0 or 1, and a tokenizer of their own, written to disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

#: The vocabulary learns " \xf0\x9f" and "日\xe6\x9c" from it: tokens that end inside a character.
CORPUS = [
    "When Mary and John went to the store, John gave a drink to Mary. " * 3,
    "def mean(values):\n    return sum(values) / len(values)\n" * 3,
    " 😀 😃 😄 😁 🎉 🚀 😀 😃 😄 😁 🎉 🚀" * 4,
    "日本 日本語 本日 日曜日 日本 日本語" * 4,
    "Съешь ещё этих мягких французских булок " * 3,
]


def train_tokenizer(*, trim_offsets: bool | None = None, vocabulary: int = 420) -> PreTrainedTokenizerFast:
    """A byte-level BPE with `<s>` and `</s>`; `trim_offsets`: with the post-processor of GPT-NeoX or RoBERTa."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    if trim_offsets is not None:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=trim_offsets)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words = [piece for text in CORPUS for piece in _words(text)]
    tokenizer.train_from_iterator(words, trainer)
    # words are learnt one by one, yet no regex cuts at encoding: spaces and letters of all kinds may share a token
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def save_gpt2(folder: Path, tokenizer: Any, **changes: Any) -> Path:
    """GPT-2's architecture: learned positions, LayerNorm, biases everywhere, tied unembedding."""
    config = GPT2Config(
        **{
            "vocab_size": padded_vocabulary(tokenizer),
            "n_positions": 128,
            "n_embd": 40,
            "n_layer": 5,
            "n_head": 5,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            **changes,
        }
    )
    return _save(GPT2LMHeadModel(config), folder, tokenizer)


def save_llama(folder: Path, tokenizer: Any, **changes: Any) -> Path:
    """Llama's architecture with grouped queries, and biases where it can have them; untied unembedding."""
    config = LlamaConfig(
        **{
            "vocab_size": padded_vocabulary(tokenizer),
            "hidden_size": 48,
            "intermediate_size": 80,
            "num_hidden_layers": 6,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "max_position_embeddings": 256,
            "attention_bias": True,
            "mlp_bias": True,
            "tie_word_embeddings": False,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            **changes,
        }
    )
    return _save(LlamaForCausalLM(config), folder, tokenizer)


def save_mistral(folder: Path, tokenizer: Any, **changes: Any) -> Path:
    """Mistral's architecture: a sliding window of 5, one key-value head for all queries, no biases."""
    config = MistralConfig(
        **{
            "vocab_size": padded_vocabulary(tokenizer),
            "hidden_size": 32,
            "intermediate_size": 56,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "max_position_embeddings": 128,
            "sliding_window": 5,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            **changes,
        }
    )
    return _save(MistralForCausalLM(config), folder, tokenizer)


def padded_vocabulary(tokenizer: Any) -> int:
    """More rows than vocabulary entries, as in many published models."""
    return len(tokenizer) + 16 - len(tokenizer) % 8


def perturb(model: PreTrainedModel, seed: int = 0) -> PreTrainedModel:
    """Seeded weights large enough to matter: biases away from 0, gains away from 1, uneven attention."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() < 2:
                # a gain stays near 1, a bias near 0
                parameter.add_(0.3 * noise)
            elif "embed" in name or "wte" in name or "wpe" in name:
                parameter.copy_(0.7 * noise)
            else:
                parameter.copy_(noise * 1.4 / parameter.shape[-1] ** 0.5)
    return model.eval()


def _save(model: PreTrainedModel, folder: Path, tokenizer: Any) -> Path:
    perturb(model).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _words(text: str) -> list[str]:
    """Pieces with their leading spaces, as most byte-level vocabularies learn them."""
    return [" " + word for word in text.split(" ") if word]
