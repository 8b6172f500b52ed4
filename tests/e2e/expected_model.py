"""The model's facts and what it says to each line of a file, by plain transformers alone.

    expected_model.py FOLDER PROMPTS_FILE COPY

Makes a copy of the model's first layers in the folder COPY.
Prints JSON: the facts by precision; of every line of the file its tokens and the most probable next one, and of the
first line that of the copy.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from weights import save_as


def facts(model: Any) -> dict[str, Any]:
    config = model.config
    tensors = [*model.parameters(), *model.buffers()]
    return {
        "architecture": type(model).__name__,
        "nParams": sum(p.numel() for p in model.parameters()),
        "nLayers": len(model.model.layers),
        "nHeads": config.num_attention_heads,
        "nKvHeads": config.num_key_value_heads,
        "dModel": model.lm_head.in_features,
        "dFfn": model.model.layers[0].mlp.down_proj.in_features,
        "nVocab": model.lm_head.out_features,
        "nContext": config.max_position_embeddings,
        "device": str(model.device),
        "memoryBytes": sum(t.numel() * t.element_size() for t in tensors),
    }


def said(model: Any, tokenizer: Any, prompt: str) -> dict[str, Any]:
    ids = tokenizer(prompt).input_ids
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, -1].float()
    best = int(logits.argmax())
    return {
        "tokens": [tokenizer.decode([i]) for i in ids],
        "next": {
            "text": tokenizer.decode([best]),
            "probability": float(logits.softmax(dim=-1)[best]),
            "logit": float(logits[best]),
        },
    }


def main() -> None:
    folder, prompts = sys.argv[1], Path(sys.argv[2]).read_text("utf-8").splitlines()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    models = {
        name: AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, name)).eval()
        for name in ("float32", "bfloat16")
    }
    few = save_as(Path(folder), Path(sys.argv[3]), torch.float32, n_layers=3)
    copy = AutoModelForCausalLM.from_pretrained(few, dtype=torch.float32).eval()
    print(
        json.dumps(
            {
                "facts": {name: facts(model) for name, model in models.items()},
                "said": [
                    {name: said(model, tokenizer, prompt) for name, model in models.items()} for prompt in prompts
                ],
                "copySaid": said(copy, tokenizer, prompts[0]),
            }
        )
    )


main()
