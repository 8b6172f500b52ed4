"""The route graph of docs/method.md#graph, written a second time with dictionaries and recursion.

Input and output are plain JSON values, as in `tests/vectors/`. Nothing here imports the product.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

#: (source, kind, weight) of every part of a row that is kept
Row = list[tuple[str, str, float]]


def naive_routes(contributions: dict[str, Any], target: int, threshold: float, renormalize: bool) -> dict[str, Any]:
    """The kept edges and where the mass of `target` ends: `expected` of a vector's case."""
    graph = _Graph(contributions, threshold, renormalize)
    top = f"I{contributions['n_layers'] - 1}_{target}"
    graph.descend(top)
    into: dict[str, list[tuple[str, float]]] = defaultdict(list)  # source → [(upper node, share of its mass)]
    for node, row in graph.rows.items():
        total = sum(weight for _, _, weight in row)
        for source, _, weight in row:
            into[source].append((node, weight / total))

    masses: dict[str, float] = {top: 1.0}

    def mass(node: str) -> float:
        if node not in masses:
            masses[node] = sum(mass(upper) * share for upper, share in into[node])
        return masses[node]

    edges = []
    bias_mass = 0.0
    for node, row in graph.rows.items():
        total = sum(weight for _, _, weight in row)
        for source, kind, weight in row:
            flow = mass(node) * weight / total
            # both edges of a feed-forward block have the block's weight in the row of I
            shown = graph.ffn_weight(node) if node[0] == "M" else weight
            edges.append({"source": source, "target": node, "kind": kind, "weight": shown, "flow": flow})
            bias_mass += flow if kind == "bias" else 0.0
    edges.sort(key=lambda edge: (edge["source"], edge["target"], edge["kind"]))
    return {
        "threshold": threshold,
        "edges": edges,
        "token_mass": [mass(f"X0_{t}") for t in range(contributions["n_tokens"])],
        "bias_mass": bias_mass,
        "ended_mass": sum(mass(node) for node, row in graph.rows.items() if not row),
    }


def naive_auto(contributions: dict[str, Any], target: int, renormalize: bool, most: int = 60) -> float:
    """The smallest threshold of 0.005 … 0.1 that leaves at most `most` edges between tokens, by halving to 1e-4."""

    def fits(threshold: float) -> bool:
        return count_token_edges(naive_routes(contributions, target, threshold, renormalize)) <= most

    low, high = max(0.005, contributions["floor"]), 0.1
    if fits(low):
        return low
    while high - low > 1e-4:
        middle = (low + high) / 2
        if fits(middle):
            high = middle
        else:
            low = middle
    return high


def count_token_edges(routes: dict[str, Any]) -> int:
    """Attention edges between different tokens."""

    def position(node: str) -> str:
        return node.split("_")[1]

    return sum(e["kind"] == "attention" and position(e["source"]) != position(e["target"]) for e in routes["edges"])


def expected(contributions: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """What a case of a vector must give."""
    target, threshold, renormalize = case["target"], case["threshold"], case["renormalize"]
    if threshold == "auto":
        threshold = naive_auto(contributions, target, renormalize)
    return naive_routes(contributions, target, threshold, renormalize)


class _Graph:
    def __init__(self, contributions: dict[str, Any], threshold: float, renormalize: bool) -> None:
        self._c = contributions
        self._tau = _single(threshold)
        self._renormalize = renormalize
        self.rows: dict[str, Row] = {}
        #: (layer, query) → [(key, weight over all heads, weights of the heads above the floor)]
        self._attention: dict[tuple[int, int], list[tuple[int, float, list[float]]]] = defaultdict(list)
        c = contributions
        for i, (layer, query, key) in enumerate(zip(c["edge_layer"], c["edge_query"], c["edge_key"], strict=True)):
            heads = c["head_weight"][c["head_offset"][i] : c["head_offset"][i + 1]]
            weights = [_single(head) for head in heads]
            self._attention[layer, query].append((key, _single(c["edge_weight"][i]), weights))

    def descend(self, node: str) -> None:
        """Fill in the row of `node` and of all that can be reached from it."""
        if node in self.rows or node[0] in "XB":
            return
        self.rows[node] = self._row(node)
        for source, _, _ in self.rows[node]:
            self.descend(source)

    def ffn_weight(self, ffn_node: str) -> float:
        return next(weight for source, _, weight in self.rows["I" + ffn_node[1:]] if source == ffn_node)

    def _row(self, node: str) -> Row:
        layer, t = (int(number) for number in node[1:].split("_"))
        parallel = self._c["parallel"]

        def below(s: int) -> str:
            return f"I{layer - 1}_{s}" if layer else f"X0_{s}"

        if node[0] == "M":
            return [(below(t) if parallel else f"A{layer}_{t}", "ffn", 1.0)]
        row: Row = []
        if node[0] == "A" or parallel:
            for key, weight, heads in self._attention[layer, t]:
                kept = sum(h for h in heads if self._above(h)) if self._renormalize else weight
                if kept > 0 and (self._renormalize or self._above(weight)):
                    row.append((below(key), "attention", kept))
            row += self._part(below(t), "residual", self._c["attention_residual"][layer][t])
            # a table of a model without a mixer says nothing of it
            if "mixer" in self._c:
                row += self._part(below(t), "mixer", self._c["mixer"][layer][t])
            row += self._part(f"B{layer}_{t}", "bias", self._c["attention_bias"][layer][t])
        if node[0] == "I":
            row += self._part(f"M{layer}_{t}", "ffn", self._c["ffn"][layer][t])
            if not parallel:
                row += self._part(f"A{layer}_{t}", "residual", self._c["ffn_residual"][layer][t])
        total = sum(weight for _, _, weight in row)
        return [(source, kind, weight / total) for source, kind, weight in row] if self._renormalize else row

    def _part(self, source: str, kind: str, weight: float) -> Row:
        return [(source, kind, _single(weight))] if self._above(_single(weight)) else []

    def _above(self, weight: float) -> bool:
        return weight > self._tau


def _single(value: float) -> float:
    """The float32 that a decimal stands for: contributions are float32, and so is the threshold they meet."""
    return float(np.float32(value))
