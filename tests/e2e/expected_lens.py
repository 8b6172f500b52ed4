"""The logit lens of every residual state over the layers, by plain transformers alone.

    expected_lens.py FOLDER PROMPT_FILE

Prints JSON: the token that the model predicts last, and of every state (row 0 the embeddings, row n the output of layer
n − 1) and position the most probable token with its probability, and probability and rank (0: most probable) of that
last prediction and of the one after it.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    folder, prompt = sys.argv[1], Path(sys.argv[2]).read_text("utf-8")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    states: list[torch.Tensor] = []

    def keep(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states.append((args[0] if args else kwargs["hidden_states"])[0])

    # before each layer, and before the final norm: what transformers returns as the last state is normed already
    for module in [*model.model.layers, model.model.norm]:
        module.register_forward_pre_hook(keep, with_kwargs=True)
    with torch.no_grad():
        logits = model(torch.tensor([tokenizer(prompt).input_ids])).logits[0]
        rows = torch.stack([model.lm_head(model.model.norm(state)) for state in states[: len(model.model.layers) + 1]])
    first, second = logits[-1].topk(2).indices.tolist()
    probabilities = rows.softmax(dim=-1)
    best = rows.argmax(dim=-1)

    def followed(token: int) -> dict[str, Any]:
        own = rows[..., token].unsqueeze(-1)
        return {
            "text": tokenizer.decode([token]),
            "probability": probabilities[..., token].tolist(),
            "rank": (rows > own).sum(dim=-1).tolist(),
        }

    print(
        json.dumps(
            {
                "top": [[tokenizer.decode([i]) for i in row] for row in best.tolist()],
                "topProbability": probabilities.max(dim=-1).values.tolist(),
                "predicted": followed(first),
                "rival": followed(second),
            }
        )
    )


main()
