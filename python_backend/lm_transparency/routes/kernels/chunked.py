"""Proximities in plain torch, a bounded block at a time: for CUDA without Triton and any other device."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

#: Elements of the largest intermediate: 64 M float32 are 256 MB.
_BLOCK_ELEMENTS = 64_000_000


def attention_proximities(
    whole: Float[Tensor, "query d_model"],
    weights: Float[Tensor, "head query key"],
    outputs: Float[Tensor, "head key d_model"],
    clip: float = 0.0,
    first_query: int = 0,
) -> Float[Tensor, "query key head"]:
    """See `kernels.attention_proximities`; stays on the inputs' device."""
    n_heads, n_query, n_key = weights.shape
    d_model = whole.shape[1]
    near = torch.zeros(n_query, n_key, n_heads, dtype=torch.float32, device=whole.device)
    block = max(1, _BLOCK_ELEMENTS // max(1, n_key * d_model))
    for start in range(0, n_query, block):
        stop = min(start + block, n_query)
        # keys after the block's last query are not parts of any of its rows
        last = first_query + stop
        y = whole[start:stop, None]
        for head in range(n_heads):
            part = weights[head, start:stop, :last, None] * outputs[head, None, :last]
            near[start:stop, :last, head] = (y.abs() - (y - part).abs()).sum(dim=-1)
    near.clamp_(min=clip)
    return near * torch.ones(n_query, n_key, device=whole.device).tril_(first_query)[..., None]


def part_proximities(
    whole: Float[Tensor, "d_model"], scales: Float[Tensor, "part"], vectors: Float[Tensor, "part d_model"]
) -> Float64[Tensor, "part"]:
    """See `kernels.part_proximities`; stays on the inputs' device."""
    block = max(1, _BLOCK_ELEMENTS // whole.shape[0])
    near = [
        (whole.abs() - (whole - scale[:, None] * vector).abs()).sum(dim=-1, dtype=torch.float64)
        for scale, vector in zip(scales.split(block), vectors.split(block), strict=True)
    ]
    return torch.cat(near).clamp_(min=0.0)
