"""What the embedded model says, by plain transformers alone: what the end-to-end tests compare the panel with.

Prints JSON: tokens, the next-token predictions at every position, and the logit lens of every layer's output.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    folder, prompt = sys.argv[1], Path(sys.argv[2]).read_text("utf-8")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = tokenizer(prompt).input_ids
    with torch.no_grad():
        out = model(torch.tensor([ids]), output_hidden_states=True)
        # transformers applies the final norm to the last hidden state and to no other
        states = [model.model.norm(h[0]) for h in out.hidden_states[1:-1]] + [out.hidden_states[-1][0]]
        lens = [model.lm_head(state) for state in states]
    top = [[row.topk(3).indices.tolist() for row in layer] for layer in lens]
    probabilities = out.logits[0].softmax(dim=-1)
    best = probabilities.topk(3, dim=-1)
    print(
        json.dumps(
            {
                "tokens": [tokenizer.decode([i]) for i in ids],
                "predictions": [
                    [{"text": tokenizer.decode([i]), "probability": p} for i, p in zip(a, b, strict=True)]
                    for a, b in zip(best.indices.tolist(), best.values.tolist(), strict=True)
                ],
                "lens": [[[tokenizer.decode([i]) for i in row] for row in layer] for layer in top],
            }
        )
    )


main()
