"""What plain transformers says of prompts with the embedded model: for the test of the language features.

Prints JSON, for each text of a JSON list: tokens, the surprisal of each in bits (null for the first), what was expected
in its place, and logits and probabilities of what comes next.
"""

import json
import math
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, texts = sys.argv[1], json.loads(sys.argv[2])
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def about(text: str) -> dict:
    ids = tokenizer(text).input_ids
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double()
    chances = logits.softmax(dim=-1)
    best = chances.topk(5, dim=-1)
    ranked = [
        [{"text": tokenizer.decode([i]), "probability": p} for i, p in zip(a, b, strict=True)]
        for a, b in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
    return {
        "ids": ids,
        "tokens": [tokenizer.decode([i]) for i in ids],
        "surprisal": [None, *(-math.log2(chances[at, ids[at + 1]]) for at in range(len(ids) - 1))],
        "expected": [None, *ranked[:-1]],
        "next": ranked[-1],
        "nextLogit": {name: logits[-1, tokenizer(name).input_ids[0]].item() for name in (" Mary", " John")},
        "context": model.config.max_position_embeddings,
    }


print(json.dumps([about(text) for text in texts]))
