"""The parts that the heads of a layer carry from every key, compared with the state that they add up to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from ..trace.proof import attention_output, outputs_error, over_heads, trial_direction
from ..trace.sums import worse
from ..trace.trace import EVERYWHERE, Positions, Trace, as_float32
from . import kernels
from .kernels import KeptRows, attention_proximities, head_outputs
from .kernels.cores import queries_at_once


@dataclass(frozen=True)
class HeadParts:
    """`near`: proximities. `wrote`: the sum of the parts, without biases. `error`: the difference between the head
    outputs behind `near` and `wrote`, relative to the state.
    """

    near: Float[np.ndarray, "query key head"]
    wrote: Float[Tensor, "query d_model"]
    error: float


@dataclass(frozen=True)
class KeptParts:
    """`HeadParts` with only the contributions above a floor, and the total of every row."""

    rows: KeptRows
    wrote: Float[Tensor, "query d_model"]
    error: float


def head_parts(trace: Trace, layer: int, heads: slice = slice(None), *, clip: float = 0.0) -> HeadParts:
    """Every (query, key, head) part of a layer with attention, compared with the residual after attention."""
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
    outputs = values @ w_o
    slopes, wrote = _slopes_and_sum(whole, weights, values, w_o, outputs)
    near = attention_proximities(whole, weights, outputs, clip, slopes=slopes).numpy()
    along = outputs @ trial_direction(outputs.shape[-1], outputs.device)
    return HeadParts(near, wrote, _error(whole, weights, values, wrote, along))


def kept_parts(trace: Trace, layer: int, rest: Float64[np.ndarray, "query"], floor: float) -> KeptParts:
    """The entries of `head_parts` above `floor`, a block of queries at a time: no array of size T²·H is in memory.

    `rest`: the summed proximities of each row's other parts.
    """
    n_tokens, keys = trace.n_tokens, _Keys(trace, layer)
    step = queries_at_once(trace.n_heads, n_tokens)
    if step == n_tokens:
        return keys.read_by(EVERYWHERE, n_tokens, rest, floor, 0)
    blocks = [slice(first, min(first + step, n_tokens)) for first in range(0, n_tokens, step)]
    found = [keys.read_by(at, at.stop, rest[at], floor, at.start) for at in blocks]
    error = 0.0
    for block in found:
        error = worse(error, block.error)
    rows = kernels.stack([block.rows for block in found], [at.start for at in blocks])
    return KeptParts(rows, torch.cat([block.wrote for block in found]), error)


def kept_parts_of(
    trace: Trace, layer: int, queries: Int[Tensor, "query"], rest: Float64[np.ndarray, "query"], floor: float
) -> KeptParts:
    """`kept_parts` of some queries (ascending), counted from the first of them; `rest` is of the same queries."""
    n_keys = int(queries[-1]) + 1
    return _Keys(trace, layer).read_by(queries, n_keys, rest, floor, n_keys)


class _Keys:
    """The outputs of a layer's heads at every key, independent of the query."""

    def __init__(self, trace: Trace, layer: int) -> None:
        block = trace.anatomy.blocks[layer]
        self._record = trace.layers[layer]
        self._whole = whole_of(trace, layer)
        self._w_o = block.w_o(trace.n_heads)
        self._values = self._record.attention.values()
        gate = self._record.gate
        self._by_query = gate.channels if gate is not None and gate.by_query else None
        if gate is not None and self._by_query is None:
            self._values = self._values * gate.channels[0, :, None]
        self._outputs = None
        if self._by_query is None:
            vectors = self._values @ self._w_o
            self._outputs = head_outputs(vectors, trial_direction(vectors.shape[-1], vectors.device))

    def read_by(
        self, at: Positions, n_keys: int, rest: Float64[np.ndarray, "query"], floor: float, first_query: int
    ) -> KeptParts:
        """The parts of the queries `at`, which look at no more than `n_keys` keys; `first_query`: see `kernels`."""
        whole = self._whole if at is EVERYWHERE else self._whole[at]
        values = _up_to(n_keys, self._values)
        weights = self._record.weights(queries=at, n_keys=n_keys)
        if self._outputs is None:
            assert self._by_query is not None
            near, wrote = _gated(whole, weights, values, self._by_query[at], self._w_o, 0.0, first_query)
            return KeptParts(kernels.keep(torch.from_numpy(near), rest, floor), wrote, 0.0)
        slopes, wrote = _slopes_and_sum(whole, weights, values, self._w_o, _up_to(n_keys, self._outputs.vectors))
        rows, along = kernels.kept_rows(whole, weights, self._outputs, slopes, rest, floor, first_query=first_query)
        return KeptParts(rows, wrote, _error(whole, weights, values, wrote, along))


def _slopes_and_sum(
    whole: Float[Tensor, "query d_model"],
    weights: Float[Tensor, "head query key"],
    values: Float[Tensor, "head key d_value"],
    w_o: Float[Tensor, "head d_value d_model"],
    outputs: Float[Tensor, "head key d_model"],
) -> tuple[Float[Tensor, "head query key"], Float[Tensor, "query d_model"]]:
    """The slopes that the kernels take, and the sum of the parts.

    Computed through the head outputs or through the channels, whichever are fewer numbers.
    """
    if _through_outputs(values):
        return kernels.slopes_of(whole, outputs), over_heads(weights, outputs)
    return kernels.slopes(whole, values, w_o), attention_output(weights, values, w_o)


def _error(
    whole: Float[Tensor, "query d_model"],
    weights: Float[Tensor, "head query key"],
    values: Float[Tensor, "head key d_value"],
    wrote: Float[Tensor, "query d_model"],
    along: Float[Tensor, "head key"],
) -> float:
    """`HeadParts.error`: 0 where `wrote` is the sum of the head outputs themselves, else tested in one direction."""
    return 0.0 if _through_outputs(values) else outputs_error(weights, along, wrote, whole)


def _through_outputs(values: Float[Tensor, "head key d_value"]) -> bool:
    return values.shape[1] <= values.shape[2]


def whole_of(trace: Trace, layer: int) -> Float[Tensor, "position d_model"]:
    """The state that the parts of a layer's attention add up to, float32."""
    record = trace.layers[layer]
    return as_float32(record.post if trace.anatomy.parallel else record.mid)


def _gated(
    whole: Float[Tensor, "query d_model"],
    weights: Float[Tensor, "head query key"],
    values: Float[Tensor, "head key d_value"],
    channels: Float[Tensor, "query head d_value"],
    w_o: Float[Tensor, "head d_value d_model"],
    clip: float,
    first_query: int = 0,
) -> tuple[Float[np.ndarray, "query key head"], Float[Tensor, "query d_model"]]:
    """(near, wrote) where a gate makes a head's output depend on the query.

    The parts are w · (v ⊙ gate_t) · W_O, and only the head outputs of one query are in memory at a time.
    """
    n_heads, n_query, n_key = weights.shape
    near = np.zeros((n_query, n_key, n_heads), dtype=np.float32)
    wrote = torch.zeros_like(whole)
    for query in range(n_query):
        seen = min(first_query + query + 1, n_key)
        read, row, own = values[:, :seen] * channels[query][:, None], weights[:, query, None, :seen], whole[query, None]
        slopes = kernels.slopes(own, read, w_o)
        outputs = read @ w_o
        near[query, :seen] = attention_proximities(own, row, outputs, clip, slopes=slopes, first_query=seen)[0]
        wrote[query] = attention_output(row, read, w_o)[0]
    return near, wrote


def _up_to(n_keys: int, of_keys: Float[Tensor, "head key d"]) -> Float[Tensor, "head n_keys d"]:
    return of_keys if of_keys.shape[1] == n_keys else of_keys[:, :n_keys]
