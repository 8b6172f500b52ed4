"""The parts that the heads of a layer bring from every key, against the state that they add up to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ..trace.proof import attention_output, outputs_error, worse
from ..trace.trace import Trace
from . import kernels
from .kernels import KeptRows, attention_proximities, part_proximities

#: Weights that are in memory at once, of every head and key for a block of queries: 8 M float32 are 32 MB.
_BLOCK_ELEMENTS = 8_000_000


@dataclass(frozen=True)
class HeadParts:
    """`near`: proximities. `wrote`: what the parts sum to, without biases. `error`: of the head outputs that `near` was
    computed from against `wrote`, relative to the whole.
    """

    near: Float[np.ndarray, "query key head"]
    wrote: Float[Tensor, "query d_model"]
    error: float


@dataclass(frozen=True)
class KeptParts:
    """`HeadParts` of which only the contributions above a floor are kept, and the total of every row."""

    rows: KeptRows
    wrote: Float[Tensor, "query d_model"]
    error: float


def head_parts(trace: Trace, layer: int, heads: slice = slice(None), *, clip: float = 0.0) -> HeadParts:
    """Every (query, key, head) part of a layer with attention, against the residual after it."""
    record, block = trace.layers[layer], trace.anatomy.blocks[layer]
    whole = whole_of(trace, layer)
    w_o = block.w_o(trace.n_heads)[heads]
    weights = record.weights(heads)
    values = record.attention.values()[heads]
    gate = record.gate
    if gate is not None and gate.by_query:
        near, wrote = _gated(whole, weights, values, gate.channels[:, heads], w_o, clip)
        return HeadParts(near, wrote, 0.0)
    if gate is not None:
        values = values * gate.channels[0, heads, None]
    wrote = attention_output(weights, values, w_o)
    outputs = values @ w_o
    slopes = kernels.slopes(whole, values, w_o)
    near = attention_proximities(whole, weights, outputs, clip, slopes=slopes).numpy()
    return HeadParts(near, wrote, outputs_error(weights, outputs, wrote, whole))


def kept_parts(trace: Trace, layer: int, rest: Float64[np.ndarray, "query"], floor: float) -> KeptParts:
    """What of `head_parts` is above `floor`, a block of queries at a time: nothing of size T²·H is ever in memory.

    `rest`: the proximities of what else a row is made of.
    """
    record, block = trace.layers[layer], trace.anatomy.blocks[layer]
    w_o, values, gate = block.w_o(trace.n_heads), record.attention.values(), record.gate
    by_query = gate.channels if gate is not None and gate.by_query else None
    if gate is not None and by_query is None:
        values = values * gate.channels[0, :, None]
    outputs = values @ w_o if by_query is None else None
    most = None if outputs is None else kernels.largest(outputs)
    everything = whole_of(trace, layer)
    n_tokens, error = trace.n_tokens, 0.0
    found: list[KeptRows] = []
    written: list[Tensor] = []
    step = max(16, _BLOCK_ELEMENTS // (trace.n_heads * n_tokens))
    for first in range(0, n_tokens, step):
        last = min(first + step, n_tokens)
        at = slice(first, last)
        whole, seen = everything[at], values[:, :last]
        weights = record.weights(queries=at, n_keys=last)
        if outputs is None:
            assert by_query is not None
            near, wrote = _gated(whole, weights, seen, by_query[at], w_o, 0.0, first)
            rows = kernels.keep(torch.from_numpy(near), rest[at], floor)
        else:
            wrote = attention_output(weights, seen, w_o)
            slopes = kernels.slopes(whole, seen, w_o)
            known: dict[str, Tensor | None] = {"slopes": slopes, "most": most}
            rows = kernels.kept_rows(whole, weights, outputs, rest[at], floor, first_query=first, **known)
            error = worse(error, outputs_error(weights, outputs[:, :last], wrote, whole))
        found.append(rows)
        written.append(wrote)
    return KeptParts(kernels.stack(found, range(0, n_tokens, step)), torch.cat(written), error)


def whole_of(trace: Trace, layer: int) -> Float[Tensor, "position d_model"]:
    """The state that the parts of a layer's attention add up to, float32."""
    record = trace.layers[layer]
    return (record.post if trace.anatomy.parallel else record.mid).float()


def _gated(
    whole: Float[Tensor, "query d_model"],
    weights: Float[Tensor, "head query key"],
    values: Float[Tensor, "head key d_value"],
    channels: Float[Tensor, "query head d_value"],
    w_o: Float[Tensor, "head d_value d_model"],
    clip: float,
    first_query: int = 0,
) -> tuple[Float[np.ndarray, "query key head"], Float[Tensor, "query d_model"]]:
    """(near, wrote) where a gate makes what a head brings depend on the query: the parts are w · (v ⊙ gate_t) · W_O,
    and only the head outputs of one query are in memory at a time.
    """
    n_heads, n_query, n_key = weights.shape
    near = np.zeros((n_query, n_key, n_heads), dtype=np.float32)
    wrote = torch.zeros_like(whole)
    for query in range(n_query):
        seen = first_query + query + 1
        outputs = ((values[:, :seen] * channels[query][:, None]) @ w_o).flatten(0, 1)
        scales = weights[:, query, :seen].flatten()
        proximity = part_proximities(whole[query], scales, outputs)
        near[query, :seen] = np.maximum(clip, proximity.reshape(n_heads, seen).T)
        wrote[query] = scales @ outputs
    return near, wrote
