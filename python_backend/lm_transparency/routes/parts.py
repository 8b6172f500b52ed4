"""The parts that the heads of a layer bring from every key, against the state that they add up to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..trace.proof import attention_output, outputs_error
from ..trace.trace import Trace
from .kernels import attention_proximities, part_proximities


@dataclass(frozen=True)
class HeadParts:
    """`near`: proximities. `wrote`: what the parts sum to, without biases. `error`: of the head outputs that `near` was
    computed from against `wrote`, relative to the whole.
    """

    near: Float[np.ndarray, "query key head"]
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
        return _gated(whole, weights, values, gate.channels[:, heads], w_o, clip)
    if gate is not None:
        values = values * gate.channels[0, heads, None]
    wrote = attention_output(weights, values, w_o)
    outputs = values @ w_o
    near = attention_proximities(whole, weights, outputs, clip).numpy()
    return HeadParts(near, wrote, outputs_error(weights, outputs, wrote, whole))


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
) -> HeadParts:
    """A gate makes what a head brings depend on the query: the parts are w · (v ⊙ gate_t) · W_O, and only the head
    outputs of one query are in memory at a time.
    """
    n_heads, n_query, n_key = weights.shape
    near = np.zeros((n_query, n_key, n_heads), dtype=np.float32)
    wrote = torch.zeros_like(whole)
    for query in range(n_query):
        seen = query + 1
        outputs = ((values[:, :seen] * channels[query][:, None]) @ w_o).flatten(0, 1)
        scales = weights[:, query, :seen].flatten()
        proximity = part_proximities(whole[query], scales, outputs)
        near[query, :seen] = np.maximum(clip, proximity.reshape(n_heads, seen).T)
        wrote[query] = scales @ outputs
    return HeadParts(near, wrote, 0.0)
