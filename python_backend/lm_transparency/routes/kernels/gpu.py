"""Proximities on CUDA: one Triton program per block of keys of one query and head, accumulated in float32.

It uses the CPU kernel's identity (`kernels.cpu`): a·g and the coordinates that bend it, here in the order of |y| until
no part of the block reaches further. All keys of a block process the same coordinate, so u is laid out by coordinate
and the keys are read contiguously.
"""

# Triton infers the types of a kernel's arguments
# pyright: reportMissingParameterType=false, reportUnknownParameterType=false, reportArgumentType=false

from __future__ import annotations

import torch
import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]
from jaxtyping import Float
from torch import Tensor

_BLOCK = 128


@triton.jit
def _proximities(
    size,
    order,
    sign,
    weights,
    outputs,
    largest,
    slopes,
    near,
    clip,
    first_query,
    n_query,
    n_key,
    n_heads,
    d_model,
    BLOCK: tl.constexpr,
):
    query, head = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    key = tl.program_id(2).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    part = (key < n_key) & (key <= first_query + query)
    if tl.program_id(2) * BLOCK <= first_query + query:
        at = (head * n_query + query) * n_key + key
        scale = tl.load(weights + at, mask=part, other=0.0)
        value = scale * tl.load(slopes + at, mask=part, other=0.0)
        reach = tl.abs(scale) * tl.load(largest + head * n_key + key, mask=part, other=0.0)
        # a part that points away only bends further away
        furthest = tl.max(tl.where(value > 0, reach, 0.0), axis=0)
        row = query * d_model
        i = 0
        y = tl.load(size + row)
        while (i < d_model) & (y < furthest):
            coordinate = tl.load(order + row + i).to(tl.int64)
            u = tl.load(outputs + (head * d_model + coordinate) * n_key + key, mask=part, other=0.0)
            towards = tl.load(sign + row + i)
            step = scale * u
            value -= 2.0 * tl.maximum(step * towards - y, 0.0)
            i += 1
            y = tl.load(size + row + tl.minimum(i, d_model - 1))
        tl.store(near + (query * n_key + key) * n_heads + head, tl.maximum(value, clip), mask=part)


def attention_proximities(
    whole: Float[Tensor, "query d_model"],
    weights: Float[Tensor, "head query key"],
    outputs: Float[Tensor, "head key d_model"],
    largest: Float[Tensor, "head key"],
    slopes: Float[Tensor, "head query key"],
    clip: float = 0.0,
    first_query: int = 0,
) -> Float[Tensor, "query key head"]:
    """See `kernels.attention_proximities`; stays on the inputs' device."""
    n_heads, n_query, n_key = weights.shape
    size, order = whole.abs().sort(dim=-1)
    # 0 has the sign that it has in the slopes
    sign = torch.copysign(torch.ones_like(whole), whole).gather(1, order)
    by_coordinate = outputs.transpose(1, 2).contiguous()
    near = torch.zeros(n_query, n_key, n_heads, dtype=torch.float32, device=whole.device)
    blocks = (n_query, n_heads, (n_key + _BLOCK - 1) // _BLOCK)
    _proximities[blocks](
        size,
        order.int(),
        sign,
        weights.contiguous(),
        by_coordinate,
        largest.contiguous(),
        slopes.contiguous(),
        near,
        clip,
        first_query,
        n_query,
        n_key,
        n_heads,
        whole.shape[1],
        BLOCK=_BLOCK,
    )
    return near
