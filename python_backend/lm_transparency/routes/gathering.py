"""Contributions as they are computed: first the rows that one target's routes reach, then the others layer by layer."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Bool, Float

from ..trace.proof import LayerError, Proof
from ..trace.trace import Trace, position_of
from ..watch import Watch
from .contributions import FLOOR, Contributions, LayerRows, SomeRows, layer_by_layer, proof_of, some_rows, together
from .graph import AUTO_EDGES, AUTO_RANGE
from .kernels import KeptRows, no_rows

#: Weights of every head and key that a few rows may need at once: 32 M float32 are 128 MB.
_MOST_ELEMENTS = 32_000_000

_NO_ERROR = LayerError(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Earlier:
    """The contributions and proof of a run that shares its first `n_positions` with another run."""

    contributions: Contributions
    proof: Proof
    n_positions: int


class Gathering:
    """The contributions of one trace while they are computed.

    `reach` computes the rows of one target's graph, `complete` one layer, and `result` returns what is known so far.
    Once `is_complete`, the result equals that of `contributions`. Rows taken over from `earlier`, which has the same
    floor, are known from the start, and the errors of its layers count.
    """

    def __init__(self, trace: Trace, floor: float = FLOOR, earlier: Earlier | None = None) -> None:
        self._trace = trace
        self._floor = floor
        self._has_earlier = earlier is not None
        self._layers = [
            _Layer.empty(trace.n_tokens) if earlier is None else _Layer.taken_over(earlier, layer, trace.n_tokens)
            for layer in range(trace.n_layers)
        ]

    @property
    def is_complete(self) -> bool:
        return not self.to_go

    @property
    def to_go(self) -> list[int]:
        """Layers with rows that have not been computed."""
        return [index for index, layer in enumerate(self._layers) if not layer.known.all()]

    def completing(self) -> Generator[int]:
        """Compute the missing rows of each layer; yields a layer's number once it is complete."""
        return layer_by_layer(self._trace, self.complete, self.to_go)

    def complete(self, layer: int) -> int:
        """Compute the missing rows of `layer`, if any, and return its number."""
        missing = ~self._layers[layer].known
        if self._are_few(missing):
            self._compute(layer, missing)
        elif missing.any():
            every = some_rows(self._trace, layer, self._floor)
            self._layers[layer] = _Layer(np.ones(self._trace.n_tokens, dtype=bool), every)
        return layer

    def reach(
        self,
        target: int,
        watch: Watch | None = None,
        *,
        threshold: float | None = None,
        renormalize: bool = True,
        most_edges: int = AUTO_EDGES,
    ) -> float:
        """Compute the rows that the routes into `target` reach.

        Returns the lowest threshold at which the graph of `target` already equals that of the complete contributions:
        `threshold` if given, else one at or below the one that `auto_threshold` would choose. A node is reached as
        strongly as the weakest edge of the best path to it, and every threshold below that keeps it, so one sweep from
        the top suffices (docs/method.md#graph). Where no threshold is given, it rises to what the strongest
        `most_edges` edges found so far leave out. Raises `TransparencyError("invalidPosition")`, and `Cancelled`.
        """
        target = position_of(target, self._trace.n_tokens)
        low = max(self._floor, AUTO_RANGE[0] if threshold is None else threshold)
        reached = np.zeros(self._trace.n_tokens, dtype=np.float32)
        reached[target] = 1.0
        crossing = np.empty(0, dtype=np.float32)
        for layer in range(self._trace.n_layers - 1, -1, -1):
            if watch is not None:
                watch.step("routes", self._trace.n_layers - 1 - layer, self._trace.n_layers)
            # the target's own column is always computed, so that every layer has a proof
            wanted = reached > low
            wanted[target] = True
            missing = ~self._layers[layer].known
            self._compute(layer, missing if self._are_few(missing) else missing & wanted)
            reached, crossed = self._pass_down(layer, np.where(reached > low, reached, 0), renormalize)
            if threshold is None:
                crossing = np.sort(np.concatenate([crossing, crossed]))[::-1][: most_edges + 1]
                if len(crossing) > most_edges:
                    low = max(low, min(AUTO_RANGE[1], float(crossing[-1])))
        return low

    def result(self) -> tuple[Contributions, Proof]:
        """The contributions known so far, and their proof."""
        layers = [layer.rows for layer in self._layers]
        known = np.stack([layer.known for layer in self._layers])
        contributions = together(self._trace, layers, self._floor, known)
        return contributions, proof_of(self._trace, [layer.error for layer in layers])

    def _are_few(self, missing: Bool[np.ndarray, "position"]) -> bool:
        """Whether so few rows are missing that computing them together, by themselves, is best."""
        n_missing = int(missing.sum())
        elements = n_missing * self._trace.n_tokens * self._trace.n_heads
        return self._has_earlier and n_missing < len(missing) // 2 and elements <= _MOST_ELEMENTS

    def _compute(self, layer: int, missing: Bool[np.ndarray, "position"]) -> None:
        if missing.any():
            at = missing.nonzero()[0]
            self._layers[layer].add(at, some_rows(self._trace, layer, self._floor, torch.from_numpy(at)))

    def _pass_down(
        self, layer: int, reached: Float[np.ndarray, "position"], renormalize: bool
    ) -> tuple[Float[np.ndarray, "position"], Float[np.ndarray, "edge"]]:
        """How strongly the nodes below a layer are reached, and how strongly its edges between different tokens are."""
        rows, kept = self._layers[layer].rows.rows, self._layers[layer].rows.kept
        parallel = self._trace.anatomy.parallel
        beside = np.maximum(rows.attention_residual, rows.mixer)
        if parallel:
            beside = np.maximum(beside, rows.ffn)
        else:
            reached = np.minimum(reached, np.maximum(rows.ffn, rows.ffn_residual).astype(np.float32))
        below = np.minimum(reached, beside.astype(np.float32))
        # renormalised, an edge stays as long as one of its heads does
        strength = np.minimum(reached[kept.query], _strongest_head(kept) if renormalize else kept.weight)
        np.maximum.at(below, kept.key, strength)
        return below, strength[kept.query != kept.key]


@dataclass
class _Layer:
    """The known rows of one layer; the others are 0. `rows.kept` counts queries from the start of the prompt."""

    known: Bool[np.ndarray, "position"]
    rows: SomeRows

    @staticmethod
    def empty(n_tokens: int) -> _Layer:
        nothing = np.zeros(n_tokens)
        rows = LayerRows(**{field.name: nothing.copy() for field in fields(LayerRows)})
        return _Layer(np.zeros(n_tokens, dtype=bool), SomeRows(no_rows(nothing), rows, _NO_ERROR))

    @staticmethod
    def taken_over(earlier: Earlier, layer: int, n_tokens: int) -> _Layer:
        made, columns, n = _Layer.empty(n_tokens), earlier.contributions, earlier.n_positions
        made.known[:n] = columns.known[layer, :n]
        if not made.known.any():
            return made
        for field in fields(LayerRows):
            getattr(made.rows.rows, field.name)[:n] = getattr(columns, field.name)[layer, :n]
        kept = _kept(columns, layer, n, made.rows.rows.attention_total)
        made.rows = SomeRows(kept, made.rows.rows, earlier.proof.layers[layer])
        return made

    def add(self, at: np.ndarray, some: SomeRows) -> None:
        """Add `some`, the rows at the positions `at`."""
        for field in fields(LayerRows):
            getattr(self.rows.rows, field.name)[at] = getattr(some.rows, field.name)
        self.known[at] = True
        kept = _merged(self.rows.kept, some.kept, at, self.rows.rows.attention_total)
        error = self.rows.error.worst_of(some.error) if self.rows.error is not _NO_ERROR else some.error
        self.rows = SomeRows(kept, self.rows.rows, error)


def _kept(columns: Contributions, layer: int, n_positions: int, total: np.ndarray) -> KeptRows:
    """The edges of one layer into its first `n_positions`, which are sorted first."""
    first, end = np.searchsorted(columns.edge_layer, [layer, layer + 1])
    edges = slice(first, first + np.searchsorted(columns.edge_query[first:end], n_positions))
    offsets = columns.head_offset[edges.start : edges.stop + 1].astype(np.int64)
    entries = slice(offsets[0], offsets[-1])
    return KeptRows(
        total=total,
        query=columns.edge_query[edges].astype(np.int64),
        key=columns.edge_key[edges].astype(np.int64),
        weight=columns.edge_weight[edges],
        n_heads=np.diff(offsets),
        head=columns.head_index[entries],
        share=columns.head_weight[entries],
    )


def _merged(known: KeptRows, new: KeptRows, at: np.ndarray, total: np.ndarray) -> KeptRows:
    """Two sets of rows merged in the order of their queries; `at` numbers those of `new`."""
    if not len(known.query):
        return replace(new, total=total, query=at[new.query])
    query = np.concatenate([known.query, at[new.query]])
    order = np.argsort(query, kind="stable")
    n_heads = np.concatenate([known.n_heads, new.n_heads])
    first = np.cumsum(n_heads) - n_heads
    # the entries of each edge move with it
    moved = n_heads[order]
    entries = np.repeat(first[order] - (np.cumsum(moved) - moved), moved) + np.arange(moved.sum())
    return KeptRows(
        total=total,
        query=query[order],
        key=np.concatenate([known.key, new.key])[order],
        weight=np.concatenate([known.weight, new.weight])[order],
        n_heads=moved,
        head=np.concatenate([known.head, new.head])[entries],
        share=np.concatenate([known.share, new.share])[entries],
    )


def _strongest_head(kept: KeptRows) -> Float[np.ndarray, "edge"]:
    """The largest share of one head in each edge; 0 where all are below the floor."""
    strongest = np.zeros(len(kept.n_heads), dtype=np.float32)
    np.maximum.at(strongest, np.repeat(np.arange(len(kept.n_heads)), kept.n_heads), kept.share)
    return strongest
