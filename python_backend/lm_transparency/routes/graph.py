"""From contributions to the graph of one target: threshold, renormalise, reachability and flow.

See docs/method.md#graph and docs/method.md#flow. The webview has the same functions in TypeScript; `tests/vectors/`
holds the cases that both must reproduce.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import TransparencyError
from ..model.options import COMPARED_THRESHOLD
from ..protocol.nodes import Node
from ..trace.trace import position_of
from .contributions import Contributions

EdgeKind = Literal["attention", "residual", "ffn", "bias", "mixer"]

#: The words for a mixer's edge in every output.
MIXER_WORDS = "linear attention or state-space mixer: one part per position, earlier tokens in it not taken apart"

#: Auto threshold: about this many edges between different tokens, searched for in this range.
AUTO_EDGES = 60
AUTO_RANGE = (0.005, 0.1)


@dataclass(frozen=True)
class Edge:
    """`weight`: local contribution, renormalised over its row where that is on. `flow`: its share of the target's mass.

    A `mixer` edge holds all that linear attention or a state space adds at a position, from earlier tokens too; it
    stands beside the residual edge and is not taken apart. The lower edge of a feed-forward block (A → M) carries all
    of M's mass; both edges have the block's weight. `heads`: the kept (head, weight) of an attention edge, strongest
    first.
    """

    source: Node
    target: Node
    kind: EdgeKind
    weight: float
    flow: float
    heads: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class RouteGraph:
    """The kept routes of one target, top layer first.

    `token_mass[t]`: flow that arrives at each token embedding. With `bias_mass`, and with `ended_mass` at rows in which
    nothing exceeds the threshold, it sums to 1.
    """

    target: int
    threshold: float
    renormalize: bool
    edges: tuple[Edge, ...]
    token_mass: tuple[float, ...]
    bias_mass: float
    ended_mass: float

    @property
    def n_token_edges(self) -> int:
        """Attention edges between different tokens."""
        return sum(e.kind == "attention" and e.source.position != e.target.position for e in self.edges)


@dataclass(frozen=True)
class _Part:
    """One part of a row before its mass is known."""

    source: Node
    kind: EdgeKind
    weight: float
    heads: tuple[tuple[int, float], ...] = ()


def route_graph(
    contributions: Contributions, target: int, threshold: float = COMPARED_THRESHOLD, *, renormalize: bool = True
) -> RouteGraph:
    """The routes into the last node of position `target`; negative positions count from the end.

    `renormalize`: drop each (key, head) part and each other part with c ≤ threshold, and divide the rest of its row by
    its sum. Otherwise keep token edges (summed over heads) and parts with c > threshold unchanged. Then keep what is
    reachable downwards from the target. Raises `TransparencyError` for a position out of range or a threshold below the
    contributions' floor.
    """
    target = position_of(target, contributions.n_tokens)
    if not contributions.floor <= threshold < 1:
        raise TransparencyError(
            "invalidParams",
            f"The threshold {threshold:g} is outside of {contributions.floor:g} to 1.",
            "Contributions below the floor are not kept; choose a threshold above it.",
        )
    rows = _Rows(contributions, threshold, renormalize)
    mass: dict[Node, float] = {Node("I", contributions.n_layers - 1, target): 1.0}
    edges: list[Edge] = []
    token_mass = [0.0] * contributions.n_tokens
    bias_mass = ended_mass = 0.0
    for layer in range(contributions.n_layers - 1, -1, -1):
        # within a layer I passes mass to M and A, and M to A; nodes of one kind are not connected
        for kind in ("I", "M", "A"):
            # mass is passed on in position order, so that sums are reproducible
            for node in sorted(n for n in mass if n.kind == kind and n.layer == layer):
                arrived = mass.pop(node)
                parts = rows.parts(node)
                total = sum(part.weight for part in parts)
                if not parts:
                    ended_mass += arrived
                for part in parts:
                    flow = arrived * part.weight / total
                    weight = rows.ffn_weight(node) if kind == "M" else part.weight
                    edges.append(Edge(part.source, node, part.kind, weight, flow, part.heads))
                    if part.source.kind == "B":
                        bias_mass += flow
                    elif part.source.kind == "X":
                        token_mass[part.source.position] += flow
                    else:
                        mass[part.source] = mass.get(part.source, 0.0) + flow
    return RouteGraph(target, threshold, renormalize, tuple(edges), tuple(token_mass), bias_mass, ended_mass)


def auto_threshold(
    contributions: Contributions, target: int, *, renormalize: bool = True, most_edges: int = AUTO_EDGES
) -> float:
    """The smallest threshold in `AUTO_RANGE` (to 1e-4) whose graph has at most `most_edges` edges between tokens."""
    low, high = max(AUTO_RANGE[0], contributions.floor), AUTO_RANGE[1]

    def fits(threshold: float) -> bool:
        return route_graph(contributions, target, threshold, renormalize=renormalize).n_token_edges <= most_edges

    # a higher threshold keeps a subset, so the count only falls
    if fits(low) or low >= high:
        return low
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


class _Rows:
    """The kept parts of any node, looked up in the sparse columns."""

    def __init__(self, contributions: Contributions, threshold: float, renormalize: bool) -> None:
        self._c = contributions
        # contributions are float32: a threshold must be one too, or 0.1 would exceed 0.1
        self._threshold = float(np.float32(threshold))
        self._renormalize = renormalize
        # edges are sorted by (layer, query, key): a row is one slice
        row = contributions.edge_layer.astype(np.int64) * contributions.n_tokens + contributions.edge_query
        self._first = np.searchsorted(row, np.arange(contributions.n_layers * contributions.n_tokens + 1))

    def parts(self, node: Node) -> list[_Part]:
        """The parts in the row of `node` after thresholding, with the weights that `RouteGraph` reports."""
        layer, position = node.layer, node.position
        before = Node("X", 0, position) if layer == 0 else Node("I", layer - 1, position)
        after_attention = before if self._c.parallel else Node("A", layer, position)
        if node.kind == "M":
            return [_Part(after_attention, "ffn", 1.0)]
        parts: list[_Part] = []
        if node.kind == "A" or self._c.parallel:
            parts += self._attention(layer, position)
            parts.append(_Part(before, "residual", float(self._c.attention_residual[layer, position])))
            parts.append(_Part(before, "mixer", float(self._c.mixer[layer, position])))
            parts.append(_Part(Node("B", layer, position), "bias", float(self._c.attention_bias[layer, position])))
        if node.kind == "I":
            parts.append(_Part(Node("M", layer, position), "ffn", float(self._c.ffn[layer, position])))
            if not self._c.parallel:
                weight = float(self._c.ffn_residual[layer, position])
                parts.append(_Part(after_attention, "residual", weight))
        kept = [part for part in parts if part.heads or part.weight > self._threshold]
        if not self._renormalize:
            return kept
        total = sum(part.weight for part in kept)
        return [_Part(p.source, p.kind, p.weight / total, tuple((h, w / total) for h, w in p.heads)) for p in kept]

    def ffn_weight(self, node: Node) -> float:
        """The weight of the feed-forward block M in its row."""
        row = self.parts(Node("I", node.layer, node.position))
        return next(part.weight for part in row if part.kind == "ffn")

    def _attention(self, layer: int, query: int) -> Iterator[_Part]:
        row = layer * self._c.n_tokens + query
        for edge in range(int(self._first[row]), int(self._first[row + 1])):
            key = int(self._c.edge_key[edge])
            source = Node("X", 0, key) if layer == 0 else Node("I", layer - 1, key)
            entries = slice(int(self._c.head_offset[edge]), int(self._c.head_offset[edge + 1]))
            heads = zip(self._c.head_index[entries].tolist(), self._c.head_weight[entries].tolist(), strict=True)
            ordered = tuple(sorted(heads, key=lambda entry: -entry[1]))
            if self._renormalize:
                kept = tuple((head, weight) for head, weight in ordered if weight > self._threshold)
                if kept:
                    yield _Part(source, "attention", sum(weight for _, weight in kept), kept)
            elif (weight := float(self._c.edge_weight[edge])) > self._threshold:
                yield _Part(source, "attention", weight, ordered)
