"""Copies of the embedded model as people have them, made in a folder, and what each says by plain libraries alone.

    make_copies.py MODEL_FOLDER FOLDER PROMPT

Makes `a-lora`, `in-bfloat16`, `in-float32` and `model.Q8_0.gguf` in FOLDER, and `too-large`, which is only a header.
Prints JSON: the most probable next token of each, and its probability.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from weights import save_adapter, save_as, save_gguf


def said(model: Any, tokenizer: Any, prompt: str) -> dict[str, Any]:
    with torch.no_grad():
        logits = model.eval()(torch.tensor([tokenizer(prompt).input_ids])).logits[0, -1].float()
    best = int(logits.argmax())
    return {"text": tokenizer.decode([best]), "probability": float(logits.softmax(-1)[best])}


def save_header(base: Path, folder: Path) -> None:
    """A model whose weights, by their header, are 4 TB."""
    folder.mkdir()
    (folder / "config.json").write_text((base / "config.json").read_text())
    entry = {"dtype": "F32", "shape": [1_000_000, 1_000_000], "data_offsets": [0, 4 * 10**12]}
    header = json.dumps({"model.embed_tokens.weight": entry}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


def main() -> None:
    base, folder, prompt = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    save_header(base, folder / "too-large")
    tokenizer = AutoTokenizer.from_pretrained(base)
    lora = save_adapter(base, folder / "a-lora", r=2, lora_alpha=1)
    # a few layers: what a GGUF file of all of them would show more of is only its size
    few = save_as(base, folder / "few-layers", torch.float32, n_layers=3)
    gguf = save_gguf(few, folder / "model.Q8_0.gguf", "Q8_0")
    half = save_as(base, folder / "in-bfloat16", torch.bfloat16)
    models = {half.name: AutoModelForCausalLM.from_pretrained(half, dtype=torch.float32)}
    models["a-lora"] = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), lora)
    models["model.Q8_0"] = AutoModelForCausalLM.from_pretrained(folder, gguf_file=gguf.name, dtype=torch.float32)
    print(json.dumps({name: said(model, tokenizer, prompt) for name, model in models.items()}))


if __name__ == "__main__":
    main()
