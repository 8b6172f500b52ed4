"""Small sequence classifiers with a tokenizer on disk: some with random weights, one trained on a known rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from families import SIZES
from tiny_models import perturb

FILLERS = tuple(f"w{i}" for i in range(40))
#: The one word that decides → its label.
DECIDERS = {"awful": 0, "dreadful": 0, "fine": 1, "lovely": 1}
LABELS = {0: "NEGATIVE", 1: "POSITIVE"}


def word_tokenizer() -> Any:
    """One token for each word of `FILLERS` and `DECIDERS`, and `<pad>`."""
    words = ["<pad>", "<unk>", *FILLERS, *DECIDERS]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")


def save_random(folder: Path, family: str, **changes: Any) -> Path:
    """A classifier of any family with random weights."""
    tokenizer = word_tokenizer()
    blank = AutoConfig.for_model(family)
    aliases = dict(type(blank).attribute_map)
    names = {*blank.to_dict(), *aliases}
    sizes = {name: size for name, size in SIZES.items() if name in names and aliases.get(name) not in names}
    config = type(blank)(
        **{
            **sizes,
            "vocab_size": len(tokenizer),
            "pad_token_id": 0,
            "bos_token_id": None,
            "eos_token_id": None,
            **changes,
        }
    )
    torch.manual_seed(0)
    model = perturb(AutoModelForSequenceClassification.from_config(config))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Example:
    text: str
    decider: int
    label: int


def examples(n: int, n_tokens: int, seed: int) -> list[Example]:
    """Random fillers with one deciding word anywhere but at the end, which the classifier reads."""
    random = torch.Generator().manual_seed(seed)

    def pick(below: int) -> int:
        return int(torch.randint(below, (1,), generator=random))

    found: list[Example] = []
    for _ in range(n):
        words = [FILLERS[pick(len(FILLERS))] for _ in range(n_tokens)]
        at, word = pick(n_tokens - 1), list(DECIDERS)[pick(len(DECIDERS))]
        words[at] = word
        found.append(Example(" ".join(words), at, DECIDERS[word]))
    return found


def save_trained(folder: Path, *, steps: int = 150, n_tokens: int = 20) -> Path:
    """A Llama of 3 layers that has learnt `DECIDERS`; seconds on a CPU."""
    tokenizer = word_tokenizer()
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "llama",
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        id2label=LABELS,
        label2id={name: i for i, name in LABELS.items()},
    )
    model = AutoModelForSequenceClassification.from_config(config)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1)
    for step in range(steps):
        batch = examples(64, n_tokens, seed=1000 + step)
        ids = torch.tensor(tokenizer([e.text for e in batch])["input_ids"])
        loss = cross_entropy(model(input_ids=ids).logits, torch.tensor([e.label for e in batch]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
