"""The contributions of a whole prompt: every (query, key, head), residual, bias and feed-forward block, sparse.

Entries above a floor are kept, with the exact total of each row, so any threshold above the floor can be applied and
renormalised later (docs/method.md#floor). Dense rows are computed for one layer on demand.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, UInt16, UInt32
from torch import Tensor

from ..model.options import LOWEST_THRESHOLD
from ..trace.proof import TOLERANCES, LayerError, Proof, layer_error
from ..trace.sums import Sums, sums_of
from ..trace.trace import EVERYWHERE, Positions, Trace
from ..watch import Watch
from .kernels import KeptRows, no_rows, row_proximities
from .kernels.cores import layers_at_once, on_a_core_each
from .parts import head_parts, kept_parts, kept_parts_of

FLOOR = LOWEST_THRESHOLD

_R = TypeVar("_R")


@dataclass(frozen=True)
class LayerRows:
    """The parts of each row of a layer besides the heads.

    The parts of a row sum to 1: attention + residual + bias + mixer, and ffn + ffn_residual. A parallel block has one
    row with all of them, and `ffn_residual` is 0. `mixer`: linear attention or a state space, one part a position. A
    row in which no part has a positive proximity is all 0. `attention_total`, `ffn_total`: the sum of a row's
    proximities, the denominator of its contributions (the same in a parallel block).
    """

    attention_residual: Float[np.ndarray, "position"]
    attention_bias: Float[np.ndarray, "position"]
    mixer: Float[np.ndarray, "position"]
    ffn: Float[np.ndarray, "position"]
    ffn_residual: Float[np.ndarray, "position"]
    attention_total: Float64[np.ndarray, "position"]
    ffn_total: Float64[np.ndarray, "position"]


@dataclass(frozen=True)
class LayerContributions(LayerRows):
    """One layer before thresholding, dense, with the error of its proof. No heads where the block has no attention."""

    attention: Float[np.ndarray, "query key head"]
    error: LayerError


@dataclass(frozen=True)
class Contributions:
    """The contributions of a prompt, sparse.

    Token edges (layer, query, key) whose weight, summed over *all* heads, exceeds `floor`, sorted. The heads of edge i
    above the floor are `head_offset[i] : head_offset[i + 1]`. For the other columns see `LayerRows`. A row that is not
    `known` has not been computed yet (`routes.gathering`): it has no edges and is all 0.
    """

    n_layers: int
    n_tokens: int
    n_heads: int
    parallel: bool
    floor: float
    edge_layer: UInt16[np.ndarray, "edge"]
    edge_query: UInt32[np.ndarray, "edge"]
    edge_key: UInt32[np.ndarray, "edge"]
    edge_weight: Float[np.ndarray, "edge"]
    head_offset: UInt32[np.ndarray, "edge+1"]
    head_index: UInt16[np.ndarray, "entry"]
    head_weight: Float[np.ndarray, "entry"]
    attention_residual: Float[np.ndarray, "layer position"]
    attention_bias: Float[np.ndarray, "layer position"]
    ffn: Float[np.ndarray, "layer position"]
    ffn_residual: Float[np.ndarray, "layer position"]
    attention_total: Float64[np.ndarray, "layer position"]
    ffn_total: Float64[np.ndarray, "layer position"]
    mixer: Float[np.ndarray, "layer position"]
    known: Bool[np.ndarray, "layer position"]

    @property
    def is_complete(self) -> bool:
        return bool(self.known.all())

    @property
    def is_finite(self) -> bool:
        columns = (column for column in vars(self).values() if isinstance(column, np.ndarray))
        return all(column.dtype.kind != "f" or bool(np.isfinite(column).all()) for column in columns)


@dataclass(frozen=True)
class SomeRows:
    """Rows of one layer, sparse, with the error of their proof; `kept` counts queries from the first row."""

    kept: KeptRows
    rows: LayerRows
    error: LayerError


@dataclass(frozen=True)
class Near:
    """Proximities of a layer's parts besides the heads; `ffn_residual` is None in a parallel block."""

    residual: Float64[np.ndarray, "position"]
    bias: Float64[np.ndarray, "position"]
    mixer: Float64[np.ndarray, "position"]
    ffn: Float64[np.ndarray, "position"]
    ffn_residual: Float64[np.ndarray, "position"] | None

    @property
    def beside_heads(self) -> Float64[np.ndarray, "position"]:
        """The proximities that share a row with the heads."""
        near = self.residual + self.bias + self.mixer
        return near + self.ffn if self.ffn_residual is None else near

    def rows(self, total: Float64[np.ndarray, "position"]) -> LayerRows:
        """`total`: the sum of each row's proximities, the heads' and `beside_heads`."""
        ffn_total = total if self.ffn_residual is None else self.ffn + self.ffn_residual
        share, ffn_share = inverse(total), inverse(ffn_total)
        return LayerRows(
            attention_residual=self.residual * share,
            attention_bias=self.bias * share,
            mixer=self.mixer * share,
            ffn=self.ffn * ffn_share,
            ffn_residual=np.zeros_like(total) if self.ffn_residual is None else self.ffn_residual * ffn_share,
            attention_total=total,
            ffn_total=ffn_total,
        )


def _near(sums: Sums, *, has_ffn: bool, clip: float = 0.0) -> Near:
    nothing = np.zeros(len(sums.post))
    return Near(
        residual=row_proximities(sums.whole, sums.entered, clip),
        bias=nothing if sums.bias is None else row_proximities(sums.whole, sums.bias, clip),
        mixer=nothing if sums.mixer is None else row_proximities(sums.whole, sums.mixer, clip),
        ffn=row_proximities(sums.post, sums.ffn, clip) if has_ffn else nothing,
        ffn_residual=None if sums.parallel else row_proximities(sums.post, sums.carried, clip),
    )


def layer_contributions(trace: Trace, layer: int, *, clip: float = 0.0) -> LayerContributions:
    """All contributions of one layer, dense, and the error of its proof (docs/method.md#contribution)."""
    sums = sums_of(trace, layer)
    near = _near(sums, has_ffn=trace.anatomy.blocks[layer].has_ffn, clip=clip)
    if trace.layers[layer].heads is None:
        attention = np.zeros((trace.n_tokens, trace.n_tokens, 0), dtype=np.float32)
        error = layer_error(sums, None)
    else:
        parts = head_parts(trace, layer, clip=clip)
        attention, error = parts.near, layer_error(sums, parts.wrote).with_heads(parts.error)
    rows = near.rows(attention.sum(axis=(1, 2), dtype=np.float64) + near.beside_heads)
    attention *= inverse(rows.attention_total)[:, None, None].astype(np.float32)
    return LayerContributions(**vars(rows), attention=attention, error=error)


def each_layer(trace: Trace, watch: Watch, *, clip: float = 0.0) -> Iterator[LayerContributions]:
    """`layer_contributions` of each layer in order, reporting progress to `watch`."""
    for layer in range(trace.n_layers):
        watch.step("contributions", layer, trace.n_layers)
        yield layer_contributions(trace, layer, clip=clip)


def some_rows(trace: Trace, layer: int, floor: float, at: Positions = EVERYWHERE) -> SomeRows:
    """The rows of one layer at the positions `at` (ascending), with the heads that exceed `floor`."""
    sums = sums_of(trace, layer, at)
    near = _near(sums, has_ffn=trace.anatomy.blocks[layer].has_ffn)
    if trace.layers[layer].heads is None:
        kept, error = no_rows(near.beside_heads), layer_error(sums, None)
    else:
        beside = near.beside_heads
        parts = (
            kept_parts_of(trace, layer, at, beside, floor)
            if isinstance(at, Tensor)
            else kept_parts(trace, layer, beside, floor)
        )
        kept, error = parts.rows, layer_error(sums, parts.wrote).with_heads(parts.error)
    return SomeRows(kept, near.rows(kept.total), error)


def contributions(trace: Trace, watch: Watch | None = None, *, floor: float = FLOOR) -> tuple[Contributions, Proof]:
    """The contributions of every position at every layer, and the proof of every layer.

    Raises `Cancelled` within one layer's time of `watch.cancel()`.
    """
    watch = watch or Watch()
    layers: list[SomeRows] = []
    with closing(layer_by_layer(trace, lambda layer: some_rows(trace, layer, floor), range(trace.n_layers))) as found:
        watch.check()
        for layer, rows in enumerate(found):
            watch.step("contributions", layer, trace.n_layers)
            layers.append(rows)
    return together(trace, layers, floor), proof_of(trace, [layer.error for layer in layers])


def layer_by_layer(trace: Trace, compute: Callable[[int], _R], layers: Sequence[int]) -> Generator[_R]:
    """`map(compute, layers)`: on the CPU one layer on each core, unless that would take too much memory."""
    outputs = trace.n_tokens * trace.n_heads * trace.anatomy.d_model
    if trace.layers[0].post.device.type == "cpu" and layers_at_once(outputs) > 1:
        return on_a_core_each(compute, layers)
    return (compute(layer) for layer in layers)


def together(
    trace: Trace, layers: Sequence[SomeRows], floor: float, known: Bool[np.ndarray, "layer position"] | None = None
) -> Contributions:
    """All layers as columns. `known`: see `Contributions`."""
    kept, rows = [layer.kept for layer in layers], [layer.rows for layer in layers]
    n_heads = np.concatenate([k.n_heads for k in kept])
    return Contributions(
        n_layers=trace.n_layers,
        n_tokens=trace.n_tokens,
        n_heads=trace.n_heads,
        parallel=trace.anatomy.parallel,
        floor=floor,
        edge_layer=np.repeat(np.arange(trace.n_layers), [len(k.query) for k in kept]).astype(np.uint16),
        edge_query=np.concatenate([k.query for k in kept]).astype(np.uint32),
        edge_key=np.concatenate([k.key for k in kept]).astype(np.uint32),
        edge_weight=np.concatenate([k.weight for k in kept]).astype(np.float32),
        head_offset=np.concatenate([[0], np.cumsum(n_heads)]).astype(np.uint32),
        head_index=np.concatenate([k.head for k in kept]).astype(np.uint16),
        head_weight=np.concatenate([k.share for k in kept]).astype(np.float32),
        attention_residual=np.stack([r.attention_residual for r in rows]).astype(np.float32),
        attention_bias=np.stack([r.attention_bias for r in rows]).astype(np.float32),
        mixer=np.stack([r.mixer for r in rows]).astype(np.float32),
        ffn=np.stack([r.ffn for r in rows]).astype(np.float32),
        ffn_residual=np.stack([r.ffn_residual for r in rows]).astype(np.float32),
        attention_total=np.stack([r.attention_total for r in rows]),
        ffn_total=np.stack([r.ffn_total for r in rows]),
        known=np.ones((trace.n_layers, trace.n_tokens), dtype=bool) if known is None else known,
    )


def proof_of(trace: Trace, errors: Sequence[LayerError]) -> Proof:
    """The proof of all layers, with the tolerance of the trace's precision."""
    precisions = {trace.layers[0].post.dtype, *(block.dtype for block in trace.anatomy.blocks)}
    return Proof(tuple(errors), max(TOLERANCES.get(dtype, TOLERANCES[torch.float32]) for dtype in precisions))


def inverse(total: Float64[np.ndarray, "position"]) -> Float64[np.ndarray, "position"]:
    return np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
