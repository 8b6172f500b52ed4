"""The contributions of a whole prompt: every (query, key, head), residual, bias and feed-forward block, sparse.

Dense rows live for one layer at a time; what is kept is every entry above a floor and the exact totals, so that any
threshold above the floor can be applied and renormalised afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt16, UInt32

from ..trace.proof import TOLERANCES, LayerError, Proof, attention_bias, attention_output, layer_error
from ..trace.trace import Trace
from ..watch import Watch
from .kernels import attention_proximities, row_proximities

FLOOR = 0.005


@dataclass(frozen=True)
class LayerContributions:
    """One layer before thresholding. In each row attention + residual + bias = 1 and ffn + ffn_residual = 1.

    In a parallel block all of them together sum to 1 and `ffn_residual` is 0. A row in which no part carries towards
    the whole is 0 throughout. `attention_total`, `ffn_total`: the sum of a row's proximities, which is what a proximity
    is divided by to be a contribution (in a parallel block both are the same).
    """

    attention: Float[np.ndarray, "query key head"]
    attention_residual: Float[np.ndarray, "position"]
    attention_bias: Float[np.ndarray, "position"]
    ffn: Float[np.ndarray, "position"]
    ffn_residual: Float[np.ndarray, "position"]
    attention_total: Float[np.ndarray, "position"]
    ffn_total: Float[np.ndarray, "position"]
    error: LayerError


@dataclass(frozen=True)
class Contributions:
    """A prompt's contributions, sparse: token edges (layer, query, key) whose weight, summed over *all* heads, exceeds
    `floor`, sorted; of edge i the heads above the floor are `head_offset[i] : head_offset[i + 1]`. Totals: see
    `LayerContributions`.
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


def layer_contributions(trace: Trace, layer: int, *, clip: float = 0.0) -> LayerContributions:
    """All contributions of one layer, dense, and the error of its proof (method.md, sections 1 and 2)."""
    record, block = trace.layers[layer], trace.anatomy.blocks[layer]
    w_o = block.w_o(trace.n_heads)
    weights = record.weights()
    values = record.attention.values()
    error = layer_error(trace, layer, attention_output(weights, values, w_o))
    outputs = values @ w_o
    pre, mid, ffn, post = (x.float() for x in (record.pre, record.mid, record.ffn, record.post))
    after_attention = post if trace.anatomy.parallel else mid
    attention = attention_proximities(after_attention, weights, outputs, clip).numpy()
    residual = row_proximities(after_attention, pre, clip)
    biases = attention_bias(trace, layer)
    bias = np.zeros_like(residual) if biases is None else row_proximities(after_attention, biases, clip)
    ffn_near = row_proximities(post, ffn, clip)
    row = attention.sum(axis=(1, 2), dtype=np.float64) + residual + bias
    if trace.anatomy.parallel:
        totals = row + ffn_near, row + ffn_near
        share = inverse(totals[0])
        ffn_share, ffn_residual = ffn_near * share, np.zeros_like(ffn_near)
    else:
        mid_near = row_proximities(post, mid, clip)
        totals = row, ffn_near + mid_near
        share, ffn_part = inverse(totals[0]), inverse(totals[1])
        ffn_share, ffn_residual = ffn_near * ffn_part, mid_near * ffn_part
    attention *= share[:, None, None].astype(np.float32)
    return LayerContributions(attention, residual * share, bias * share, ffn_share, ffn_residual, *totals, error)


def each_layer(trace: Trace, watch: Watch, *, clip: float = 0.0) -> Iterator[LayerContributions]:
    """`layer_contributions` from the first layer to the last, watched."""
    for layer in range(trace.n_layers):
        watch.step("contributions", layer, trace.n_layers)
        yield layer_contributions(trace, layer, clip=clip)


def contributions(trace: Trace, watch: Watch | None = None, *, floor: float = FLOOR) -> tuple[Contributions, Proof]:
    """The contributions of every position at every layer, and the proof of every layer.

    Raises `Cancelled` within one layer's time of `watch.cancel()`.
    """
    rows = [(_sparse(layer.attention, floor), layer) for layer in each_layer(trace, watch or Watch())]
    sparse = [s for s, _ in rows]
    layers = [layer for _, layer in rows]
    heads_per_edge = np.concatenate([s.heads_per_edge for s in sparse])
    result = Contributions(
        n_layers=trace.n_layers,
        n_tokens=trace.n_tokens,
        n_heads=trace.n_heads,
        parallel=trace.anatomy.parallel,
        floor=floor,
        edge_layer=np.repeat(np.arange(trace.n_layers), [len(s.query) for s in sparse]).astype(np.uint16),
        edge_query=np.concatenate([s.query for s in sparse]).astype(np.uint32),
        edge_key=np.concatenate([s.key for s in sparse]).astype(np.uint32),
        edge_weight=np.concatenate([s.weight for s in sparse]).astype(np.float32),
        head_offset=np.concatenate([[0], np.cumsum(heads_per_edge)]).astype(np.uint32),
        head_index=np.concatenate([s.head for s in sparse]).astype(np.uint16),
        head_weight=np.concatenate([s.head_weight for s in sparse]).astype(np.float32),
        attention_residual=_stack([layer.attention_residual for layer in layers]),
        attention_bias=_stack([layer.attention_bias for layer in layers]),
        ffn=_stack([layer.ffn for layer in layers]),
        ffn_residual=_stack([layer.ffn_residual for layer in layers]),
        attention_total=np.stack([layer.attention_total for layer in layers]),
        ffn_total=np.stack([layer.ffn_total for layer in layers]),
    )
    dtype = trace.layers[0].post.dtype
    return result, Proof(tuple(layer.error for layer in layers), TOLERANCES.get(dtype, TOLERANCES[torch.float32]))


@dataclass(frozen=True)
class _SparseLayer:
    query: np.ndarray
    key: np.ndarray
    weight: np.ndarray
    heads_per_edge: np.ndarray
    head: np.ndarray
    head_weight: np.ndarray


def _sparse(attention: Float[np.ndarray, "query key head"], floor: float) -> _SparseLayer:
    weight = attention.sum(axis=-1)
    query, key = np.nonzero(weight > floor)
    heads = attention[query, key]
    kept = heads > floor
    return _SparseLayer(query, key, weight[query, key], kept.sum(axis=-1), np.nonzero(kept)[1], heads[kept])


def inverse(total: np.ndarray) -> np.ndarray:
    return np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)


def _stack(rows: list[np.ndarray]) -> np.ndarray:
    return np.stack(rows).astype(np.float32)
