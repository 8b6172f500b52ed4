"""What the panel must show of the embedded model, from plain transformers and the definition in float64.

Nothing here imports the product. `make_panel_vectors.py` writes it to `tests/vectors/panel/`.
"""

from __future__ import annotations

import math
import re
from functools import cached_property
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from contribution_tables import from_dense
from naive_graph import count_token_edges, naive_auto, naive_routes
from reference import Array, Run, lens_logits, mid_of, neuron_shares, plain_model, watch_llama

TOP, UPDATE, KEYS, NEURONS = 30, 15, 10, 20


class Model:
    """The embedded model as transformers alone loads it, and its tokenizer."""

    def __init__(self, folder: str) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.model = plain_model(folder)

    def ids(self, text: str) -> list[int]:
        return self.tokenizer(text).input_ids

    def tokens(self, ids: list[int]) -> list[str]:
        return [self.tokenizer.decode([i]) for i in ids]

    def logits(self, ids: list[int]) -> torch.Tensor:
        """[token, vocabulary], float32."""
        with torch.no_grad():
            return self.model(torch.tensor([ids])).logits[0]

    def best(self, logits: torch.Tensor, count: int) -> list[dict[str, Any]]:
        """The most probable tokens of one row of logits."""
        best = logits.double().softmax(dim=-1).topk(count)
        return [
            {"text": self.tokenizer.decode([i]), "probability": p}
            for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]


def prompt(model: Model, text: str) -> dict[str, Any]:
    """A text: its tokens with their surprisal in bits and the expected tokens, and the next-token prediction."""
    ids = model.ids(text)
    logits = model.logits(ids).double()
    chances = logits.softmax(dim=-1)
    expected = [model.best(row, 5) for row in logits]
    return {
        "text": text,
        "ids": ids,
        "tokens": model.tokens(ids),
        "surprisal": [None, *(-math.log2(chances[at, ids[at + 1]]) for at in range(len(ids) - 1))],
        "expected": [None, *expected[:-1]],
        "next": expected[-1],
        "nextLogit": {name: logits[-1, model.ids(name)[0]].item() for name in (" Mary", " John")},
        "context": model.model.config.max_position_embeddings,
    }


def chat(model: Model, messages: list[dict[str, str]]) -> dict[str, Any]:
    """A chat whose last message the model continues: its template's tokens, and the next-token prediction."""
    ids = model.tokenizer.apply_chat_template(messages, continue_final_message=True, return_dict=False)
    return {
        "messages": messages,
        "tokens": model.tokens(ids),
        "predictions": model.best(model.logits(ids)[-1], 3),
    }


def lens(model: Model, text: str) -> dict[str, Any]:
    """The logit lens: row 0 is the embeddings, row n the output of layer n − 1.

    The most probable token of each row and position with its probability; probability and rank (0: the most probable)
    of the token that the model predicts last, and of the one after it.
    """
    states: list[torch.Tensor] = []

    def keep(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states.append((args[0] if args else kwargs["hidden_states"])[0])

    trunk = model.model.model
    # before each layer, and before the final norm: the last state that transformers returns is normed already
    handles = [m.register_forward_pre_hook(keep, with_kwargs=True) for m in [*trunk.layers, trunk.norm]]
    try:
        logits = model.logits(model.ids(text))
    finally:
        for handle in handles:
            handle.remove()
    with torch.no_grad():
        rows = torch.stack([model.model.lm_head(trunk.norm(state)) for state in states[: len(trunk.layers) + 1]])
    probabilities = rows.softmax(dim=-1)
    best = rows.argmax(dim=-1)

    def followed(token: int) -> dict[str, Any]:
        own = rows[..., token].unsqueeze(-1)
        return {
            "text": model.tokenizer.decode([token]),
            "probability": probabilities[..., token].tolist(),
            "rank": (rows > own).sum(dim=-1).tolist(),
        }

    first, second = logits[-1].topk(2).indices.tolist()
    return {
        "tokens": model.tokens(model.ids(text)),
        "predictions": [model.best(row, 1)[0] for row in logits],
        "top": [[model.tokenizer.decode([i]) for i in row] for row in best.tolist()],
        "topProbability": probabilities.max(dim=-1).values.tolist(),
        "predicted": followed(first),
        "rival": followed(second),
    }


def facts(model: Any) -> dict[str, Any]:
    """The facts that the model inspector shows for a Llama-like model."""
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


class Recorded:
    """One forward pass in float64, and what follows from it by definition.

    Places are named as in the panel: `I12_5` and `A12_5` are residual nodes, `M12_5` a feed-forward block,
    `attention:I22_1>A23_13` an edge.
    """

    def __init__(self, model: Model, text: str) -> None:
        self.tokenizer, self.model = model.tokenizer, model.model
        self.text = text
        self.tokens = model.tokens(model.ids(text))
        self.run: Run = watch_llama(model.model, model.ids(text))

    def at(self, place: str) -> dict[str, Any]:
        """The figures that the inspector of this place shows."""
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

    @cached_property
    def table(self) -> dict[str, Any]:
        """All contributions, as `tests/vectors/` has them."""
        shares = [self.run.contributions(layer) for layer in range(self.run.n_layers)]
        names = ("attention", "attention_residual", "attention_bias", "ffn", "ffn_residual")
        return from_dense(*(np.stack([getattr(share, name) for share in shares]) for name in names))

    def routes(self, threshold: float | None = None) -> dict[str, Any]:
        """The kept attention edges of the last token with their heads; at the automatic threshold where none is given.

        `between`: how many of them join different tokens.
        """
        target = len(self.tokens) - 1
        tau = naive_auto(self.table, target, True) if threshold is None else threshold
        routes = naive_routes(self.table, target, tau, True)
        edges = []
        for edge in routes["edges"]:
            if edge["kind"] != "attention":
                continue
            key, layer, query = map(
                int, re.fullmatch(r".+_(\d+)>A(\d+)_(\d+)", f"{edge['source']}>{edge['target']}").groups()
            )  # type: ignore[union-attr]
            heads = self.run.contributions(layer).attention[query, key]
            kept = [{"head": h, "weight": heads[h]} for h in np.argsort(-heads) if heads[h] > np.float32(tau)]
            name = f"attention:{edge['source']}>{edge['target']}"
            edges.append({"name": name, "layer": layer, "flow": edge["flow"], "heads": kept})
        return {"text": self.text, "threshold": tau, "between": count_token_edges(routes), "edges": edges}
