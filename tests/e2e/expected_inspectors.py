"""What the inspectors must show of the embedded model: plain transformers and the written-out float64 definition.

    PYTHONPATH=tests/python expected_inspectors.py FOLDER PROMPT_FILE PLACE…

Nothing here imports the product. A place has the name that it has in the panel: `I12_5` and `A12_5` are residual nodes,
`M12_5` a feed-forward block, `attention:I22_1>A23_13` an edge. Prints JSON: the tokens, and what is at each
place.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoTokenizer

from reference import Array, Run, lens_logits, mid_of, neuron_shares, plain_model, watch_llama

TOP, UPDATE, KEYS, NEURONS = 30, 15, 10, 20


class Truth:
    """One forward pass of the model, and what follows from it by definition."""

    def __init__(self, folder: str, prompt: str) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.model = plain_model(folder)
        ids = self.tokenizer(prompt).input_ids
        self.tokens = [self.tokenizer.decode([i]) for i in ids]
        self.run: Run = watch_llama(self.model, ids)

    def at(self, place: str) -> dict[str, Any]:
        edge = re.fullmatch(r"attention:[IX]\d+_(\d+)>A(\d+)_(\d+)", place)
        if edge:
            key, layer, query = map(int, edge.groups())
            return self.edge(layer, query, key)
        letter, layer, position = re.fullmatch(r"([AIM])(\d+)_(\d+)", place).groups()  # type: ignore[union-attr]
        if letter == "M":
            return self.block(int(layer), int(position))
        return self.node(letter, int(layer), int(position))

    def node(self, letter: str, layer: int, t: int) -> dict[str, Any]:
        run = self.run
        mid = mid_of(run, layer)[t]
        state, before, update = {
            "A": (mid, run.pre[layer][t], mid - run.pre[layer][t]),
            "I": (run.post[layer][t], mid, run.ffn[layer][t]),
        }[letter]
        return {
            "normed": self.state(state, before, normalize=True) | self.update(update),
            "raw": self.state(state, before, normalize=False) | self.update(update, normalize=False),
        }

    def state(self, state: Array, before: Array, *, normalize: bool) -> dict[str, Any]:
        now, then = (lens_logits(self.model, vector, normalize=normalize) for vector in (state, before))
        weights = np.exp(now - now.max())
        rank = lambda logits, i: int((logits > logits[i]).sum())  # noqa: E731
        return {
            "top": [
                {
                    **self.scored(i, now),
                    "probability": weights[i] / weights.sum(),
                    "rank": rank(now, i),
                    "rankBefore": rank(then, i),
                }
                for i in np.argsort(-now)[:TOP]
            ]
        }

    def update(self, vector: Array, *, normalize: bool = True) -> dict[str, Any]:
        logits = lens_logits(self.model, vector, normalize=normalize)
        order = np.argsort(-logits)
        return {
            "promoted": [self.scored(i, logits) for i in order[:UPDATE]],
            "suppressed": [self.scored(i, logits) for i in order[::-1][:UPDATE]],
        }

    def scored(self, token: int, logits: Array) -> dict[str, Any]:
        text = self.tokenizer.decode([int(token)])
        # a piece of a character has no text of its own
        return {"text": None if "\ufffd" in text else text, "logit": logits[token]}

    def edge(self, layer: int, query: int, key: int) -> dict[str, Any]:
        alpha, contribution = self.run.attention[layer], self.run.contributions(layer).attention
        heads = contribution[query, key]
        strongest = int(heads.argmax())
        return {
            "weight": heads.sum(),
            "heads": [
                {"head": h, "contribution": heads[h], "probability": alpha[h, query, key]} for h in range(len(heads))
            ],
            "strongest": self.head(layer, strongest, query, key),
            "all": {"probability": alpha.mean(axis=0), "contribution": contribution.sum(axis=-1)},
        }

    def head(self, layer: int, head: int, query: int, key: int) -> dict[str, Any]:
        alpha = self.run.attention[layer][head]
        contribution = self.run.contributions(layer).attention[:, :, head]
        written = self.run.values[layer][head] @ self.run.w_o[layer][head]
        row = alpha[query, : query + 1]
        return {
            "head": head,
            "probability": alpha,
            "contribution": contribution,
            "rank": int((row > row[key]).sum()) + 1,
            "keys": [
                {"position": int(s), "contribution": contribution[query, s], "probability": row[s]}
                for s in np.lexsort((-row, -contribution[query, : query + 1]))[:KEYS]
            ],
            "written": self.update(row @ written[: query + 1]),
            "part": self.update(row[key] * written[key]),
        }

    def block(self, layer: int, t: int) -> dict[str, Any]:
        near, residual, bias = neuron_shares(self.run, layer, t)
        activation = self.run.activation[layer]
        first = np.argsort(-near)[:NEURONS]
        return {
            "contribution": self.run.contributions(layer).ffn[t],
            "sums": [near.sum(), residual, bias],
            **self.update(self.run.ffn[layer][t]),
            "neurons": [
                {
                    "neuron": int(n),
                    "contribution": near[n],
                    "activations": activation[:, n],
                    **self.update(activation[t, n] * self.run.w_out[layer][n]),
                }
                for n in first
            ],
        }


def plain(value: Any) -> Any:
    """numpy as JSON."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def main() -> None:
    folder, prompt, *places = sys.argv[1:]
    truth = Truth(folder, Path(prompt).read_text("utf-8"))
    print(json.dumps({"tokens": truth.tokens, **{place: truth.at(place) for place in places}}, default=plain))


main()
