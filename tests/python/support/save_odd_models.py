"""Saves tiny models that are no plain language model, and one that reads long prompts: `save_odd_models.py NEW_FOLDER`.

`classifier`, `hybrid` (attention in half of its layers), `long` (prompts of 1,100 words).
"""

from __future__ import annotations

import sys
from pathlib import Path

from classifiers import save_random, word_tokenizer
from families import NEEDS, build
from tiny_models import save_llama

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    tokenizer = word_tokenizer()
    save_random(folder / "classifier", "llama", num_hidden_layers=3)
    hybrid = build("qwen3_next", NEEDS["qwen3_next"])
    hybrid.save_pretrained(folder / "hybrid")
    tokenizer.save_pretrained(folder / "hybrid")
    save_llama(folder / "long", tokenizer, max_position_embeddings=1100)
