"""What the embedded model says to a chat, by plain transformers alone: its tokens and the most probable next ones."""

import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    folder, messages = sys.argv[1], json.loads(sys.argv[2])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    goes_on = messages[-1]["role"] == "assistant"
    ids = tokenizer.apply_chat_template(
        messages, add_generation_prompt=not goes_on, continue_final_message=goes_on, return_dict=False
    )
    with torch.no_grad():
        best = model(torch.tensor([ids])).logits[0, -1].softmax(dim=-1).topk(3)
    said = [
        {"text": tokenizer.decode([i]), "probability": p}
        for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
    print(json.dumps({"tokens": [tokenizer.decode([i]) for i in ids], "predictions": said}))


main()
