"""Fast proximities behind one signature: numba on the CPU, Triton on CUDA, chunked torch on every other device.

A kernel takes the state at each query position, the weights α (times any other scale of a part) and the head outputs u
= v · W_O. It returns the proximity of every (query, key, head) part α·u, or only those that matter. No array of size
T²·H·d is ever in memory. Queries may come in blocks: `first_query` is the position of the first. Queries from anywhere
come with the number of keys as `first_query`: where a query may not look, its weight is 0.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor


@dataclass(frozen=True)
class KeptRows:
    """The entries of a block of queries above a floor, and the exact total of every row's proximities.

    Token edges (`query`, counted from the block's first, and `key`) whose contribution summed over all heads exceeds
    the floor, sorted. `head`, `share`: the heads above the floor, `n_heads` of each edge, edge after edge.
    """

    total: Float64[np.ndarray, "row"]
    query: Int[np.ndarray, "edge"]
    key: Int[np.ndarray, "edge"]
    weight: Float[np.ndarray, "edge"]
    n_heads: Int[np.ndarray, "edge"]
    head: Int[np.ndarray, "entry"]
    share: Float[np.ndarray, "entry"]


def slopes(
    whole: Float[Tensor, "query d_model"],
    values: Float[Tensor, "head key d_value"],
    w_o: Float[Tensor, "head d_value d_model"],
) -> Float[Tensor, "head query key"]:
    """Σ_i sign(y_i)·u_i of every part u = v · W_O (docs/method.md#kernels), computed through d_value, not d_model."""
    # heads side by side: one large product is faster than one per head
    signs = (_signs(whole) @ w_o.flatten(0, 1).T).unflatten(-1, w_o.shape[:2])
    return signs.transpose(0, 1) @ values.transpose(-1, -2)


def slopes_of(
    whole: Float[Tensor, "query d_model"], outputs: Float[Tensor, "head key d_model"]
) -> Float[Tensor, "head query key"]:
    """`slopes`, from the head outputs."""
    # in torch, not numpy: a second pool of threads would compete with torch's own
    return _signs(whole) @ outputs.transpose(-1, -2)


@dataclass(frozen=True)
class HeadOutputs:
    """The head outputs of a layer, and facts about them that do not depend on the query.

    `largest`: max|u|, which bounds how far a part reaches. `along`: u·`direction`. Both are None on the CPU, where the
    kernel finds them as it reads.
    """

    vectors: Float[Tensor, "head key d_model"]
    direction: Float[Tensor, "d_model"]
    largest: Float[Tensor, "head key"] | None
    along: Float[Tensor, "head key"] | None


def head_outputs(vectors: Float[Tensor, "head key d_model"], direction: Float[Tensor, "d_model"]) -> HeadOutputs:
    """The outputs of a layer's heads with their facts. All float32 on one device."""
    if vectors.device.type == "cpu":
        return HeadOutputs(vectors, direction, None, None)
    return HeadOutputs(vectors, direction, vectors.abs().amax(dim=-1), vectors @ direction)


def attention_proximities(
    whole: Float[Tensor, "query d_model"],
    weights: Float[Tensor, "head query key"],
    outputs: Float[Tensor, "head key d_model"],
    clip: float = 0.0,
    *,
    slopes: Float[Tensor, "head query key"] | None = None,
    first_query: int = 0,
) -> Float[Tensor, "query key head"]:
    """max(clip, ‖y‖₁ − ‖y − α·u‖₁) of every part, float32 on the CPU; 0 above the diagonal (no parts there).

    All inputs float32 on one device. `slopes`: the result of the function `slopes`, if already known.
    """
    if whole.device.type == "cpu":
        from .cpu import attention_proximities as on_cpu

        slopes = slopes_of(whole, outputs) if slopes is None else slopes
        y, w, u, slope = (x.numpy() for x in (whole, weights, outputs, slopes))
        return torch.from_numpy(on_cpu(y, w, u, slope, clip, first_query))
    return _on_device(whole, weights, outputs, None, clip, slopes, first_query).cpu()


def kept_rows(
    whole: Float[Tensor, "query d_model"],
    weights: Float[Tensor, "head query key"],
    outputs: HeadOutputs,
    slopes: Float[Tensor, "head query key"],
    rest: Float64[np.ndarray, "query"],
    floor: float,
    *,
    first_query: int = 0,
) -> tuple[KeptRows, Float[Tensor, "head key"]]:
    """The contributions of a block of queries above `floor`, and `HeadOutputs.along` of the keys that have weights.

    `rest`: the summed proximities of each row's other parts. Other arguments as for `attention_proximities`. A
    contribution is a proximity divided by the sum of `rest` and all proximities of its row.
    """
    if outputs.along is not None:
        near = _on_device(whole, weights, outputs.vectors, outputs.largest, 0.0, slopes, first_query)
        return keep(near, rest, floor), outputs.along[:, : weights.shape[-1]]
    from .cpu import kept_rows as on_cpu

    y, w, u, slope = (x.numpy() for x in (whole, weights, outputs.vectors, slopes))
    along, columns = on_cpu(y, w, u, slope, rest, floor, first_query, outputs.direction.numpy())
    return KeptRows(*columns), torch.from_numpy(along)


def keep(near: Float[Tensor, "query key head"], rest: Float64[np.ndarray, "query"], floor: float) -> KeptRows:
    """`kept_rows` from proximities that are already computed, on any device."""
    total = near.sum(dim=(1, 2), dtype=torch.float64).cpu().numpy() + rest
    share = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    contributions = near * torch.from_numpy(share).to(near.device, torch.float32)[:, None, None]
    weight = contributions.sum(dim=-1)
    query, key = (weight > floor).nonzero(as_tuple=True)
    heads = contributions[query, key]
    above = heads > floor
    head = above.nonzero(as_tuple=True)[1]
    found = (query, key, weight[query, key], above.sum(dim=-1), head, heads[above])
    return KeptRows(total, *(x.cpu().numpy() for x in found))


def no_rows(rest: Float64[np.ndarray, "query"]) -> KeptRows:
    """The rows of a layer without attention."""
    none, nothing = np.empty(0, np.int64), np.empty(0, np.float32)
    return KeptRows(rest, none, none, nothing, none, none, nothing)


def stack(blocks: Sequence[KeptRows], first_queries: Iterable[int]) -> KeptRows:
    """The blocks of one layer joined, with queries counted from the start of the prompt."""
    queries = [rows.query + first for rows, first in zip(blocks, first_queries, strict=True)]
    rest = ("total", "key", "weight", "n_heads", "head", "share")
    columns = {name: np.concatenate([getattr(rows, name) for rows in blocks]) for name in rest}
    return KeptRows(query=np.concatenate(queries), **columns)


def row_proximities(
    whole: Float[Tensor, "position d_model"], part: Float[Tensor, "position d_model"], clip: float = 0.0
) -> Float64[np.ndarray, "position"]:
    """max(clip, ‖y‖₁ − ‖y − x‖₁) of one part per position, float64."""
    if whole.device.type == "cpu":
        from .cpu import row_proximities as on_cpu

        return on_cpu(whole.numpy(), part.numpy(), clip)
    near = (whole.abs() - (whole - part).abs()).sum(dim=-1, dtype=torch.float64)
    return near.clamp_min(clip).cpu().numpy()


def part_proximities(
    whole: Float[Tensor, "d_model"], scales: Float[Tensor, "part"], vectors: Float[Tensor, "part d_model"]
) -> Float64[np.ndarray, "part"]:
    """max(0, ‖y‖₁ − ‖y − a·u‖₁) of many parts a·u of one state, float64 on the CPU. All inputs float32, one device."""
    if whole.device.type == "cpu":
        # the parts are the keys of one head
        n_parts = len(scales)
        near = attention_proximities(whole[None], scales[None, None], vectors[None], first_query=n_parts - 1)
        return near[0, :, 0].numpy().astype(np.float64)
    from .chunked import part_proximities as in_chunks

    return in_chunks(whole, scales, vectors).cpu().numpy()


def warm_up() -> None:
    """Compile the kernels, or read them from the cache, so that the first analysis does not wait for it."""
    from ...trace.compiled_errors import relative_error, sublayer_errors

    ones = torch.ones(1, 1, 1)
    attention_proximities(ones[0], ones, ones)
    kept_rows(ones[0], ones, head_outputs(ones, ones[0, 0]), ones, np.zeros(1), 0.0)
    row_proximities(ones[0], ones[0])
    relative_error(*[ones[0].numpy()] * 3)
    sublayer_errors(*[ones[0].numpy()] * 5)


def use_cache_directory(directory: Path) -> None:
    """Keep compiled kernels in `directory`, since the package's own folder may not be writable.

    Where `directory` is not writable either, kernels are compiled for this process alone.
    """
    if "NUMBA_CACHE_DIR" not in os.environ:
        os.environ["NUMBA_CACHE_DIR"] = str(directory if _can_be_written(directory) else _for_this_process())


def _can_be_written(directory: Path) -> bool:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


@lru_cache(maxsize=1)
def _for_this_process() -> Path:
    # an unpredictable name: files in this folder are executed
    directory = Path(tempfile.mkdtemp(prefix="lm-transparency-kernels-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def _signs(whole: Float[Tensor, "query d_model"]) -> Float[Tensor, "query d_model"]:
    """±1. Either sign is right for 0, provided that the kernel uses the same one (`lanes.bend`)."""
    return torch.copysign(torch.ones((), device=whole.device), whole)


@lru_cache(maxsize=1)
def _has_triton() -> bool:
    # it comes with torch's CUDA builds for Linux
    return find_spec("triton") is not None


def _on_device(
    whole: Float[Tensor, "query d_model"],
    weights: Float[Tensor, "head query key"],
    outputs: Float[Tensor, "head key d_model"],
    largest: Float[Tensor, "head key"] | None,
    clip: float,
    slopes: Float[Tensor, "head query key"] | None,
    first_query: int,
) -> Float[Tensor, "query key head"]:
    if whole.device.type == "cuda" and _has_triton():
        from .gpu import attention_proximities as on_gpu

        largest = outputs.abs().amax(dim=-1) if largest is None else largest
        slopes = slopes_of(whole, outputs) if slopes is None else slopes
        return on_gpu(whole, weights, outputs, largest, slopes, clip, first_query)
    from .chunked import attention_proximities as in_chunks

    return in_chunks(whole, weights, outputs, clip, first_query)
