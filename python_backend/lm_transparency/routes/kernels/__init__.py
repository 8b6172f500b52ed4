"""Fast proximities behind one signature: numba on the CPU, chunked torch on every other device.

A kernel takes the whole of each query position, the attention probabilities and the head outputs u = v · W_O, and
returns the proximity of every (query, key, head) part α·u to its whole. Nothing of size T²·H·d is ever in memory.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from jaxtyping import Float
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

        near = on_cpu(whole.numpy(), probabilities.numpy(), outputs.numpy(), clip)
        return torch.from_numpy(near)
    from .chunked import attention_proximities as in_chunks

    return in_chunks(whole, probabilities, outputs, clip).cpu()


def warm_up() -> None:
    """Compile the kernels, or read them from the cache, so that the first analysis does not wait for it."""
    ones = torch.ones(1, 1, 1)
    attention_proximities(ones[0], ones, ones)


def use_cache_directory(directory: Path) -> None:
    """Keep compiled kernels in `directory`: the package may be installed where nobody may write."""
    os.environ.setdefault("NUMBA_CACHE_DIR", str(directory))
