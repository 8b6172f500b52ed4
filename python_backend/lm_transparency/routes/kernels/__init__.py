"""Fast proximities behind one signature: numba on the CPU, chunked torch on every other device.

A kernel takes the whole of each query position, the attention probabilities and the head outputs u = v · W_O, and
returns the proximity of every (query, key, head) part α·u to its whole. Nothing of size T²·H·d is ever in memory.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor


def attention_proximities(
    whole: Float[Tensor, "query d_model"],
    probabilities: Float[Tensor, "head query key"],
    outputs: Float[Tensor, "head key d_model"],
    clip: float = 0.0,
) -> Float[Tensor, "query key head"]:
    """max(clip, ‖y‖₁ − ‖y − α·u‖₁) of every part, float32 on the CPU; 0 above the diagonal (no parts there).

    All inputs float32 on one device.
    """
    if whole.device.type == "cpu":
        from .cpu import attention_proximities as on_cpu

        # by torch and not numpy: a second pool of threads would fight with torch's own
        slopes = (whole.sign() @ outputs.flatten(0, 1).T).unflatten(1, outputs.shape[:2])
        near = on_cpu(whole.numpy(), probabilities.numpy(), outputs.numpy(), slopes.numpy(), clip)
        return torch.from_numpy(near)
    from .chunked import attention_proximities as in_chunks

    return in_chunks(whole, probabilities, outputs, clip).cpu()


def row_proximities(
    whole: Float[Tensor, "position d_model"], part: Float[Tensor, "position d_model"], clip: float = 0.0
) -> Float64[np.ndarray, "position"]:
    """max(clip, ‖y‖₁ − ‖y − x‖₁) of one part a position, float64."""
    if whole.device.type == "cpu":
        from .cpu import row_proximities as on_cpu

        return on_cpu(whole.numpy(), part.numpy(), clip)
    near = (whole.abs() - (whole - part).abs()).sum(dim=-1, dtype=torch.float64)
    return near.clamp_min(clip).cpu().numpy()


def part_proximities(
    whole: Float[Tensor, "d_model"], scales: Float[Tensor, "part"], vectors: Float[Tensor, "part d_model"]
) -> Float64[np.ndarray, "part"]:
    """max(0, ‖y‖₁ − ‖y − a·u‖₁) of many parts a·u of one whole, float64 on the CPU. All inputs float32, one device."""
    if whole.device.type == "cpu":
        # a part is a head that looks at one key; rows that lie apart in memory would be gathered several times
        near = attention_proximities(whole[None], scales[:, None, None], vectors.contiguous()[:, None])
        return near[0, 0].numpy().astype(np.float64)
    from .chunked import part_proximities as in_chunks

    return in_chunks(whole, scales, vectors).cpu().numpy()


def warm_up() -> None:
    """Compile the kernels, or read them from the cache, so that the first analysis does not wait for it."""
    ones = torch.ones(1, 1, 1)
    attention_proximities(ones[0], ones, ones)
    row_proximities(ones[0], ones[0])


def use_cache_directory(directory: Path) -> None:
    """Keep compiled kernels in `directory`: the package may be installed where nobody may write."""
    os.environ.setdefault("NUMBA_CACHE_DIR", str(directory))
