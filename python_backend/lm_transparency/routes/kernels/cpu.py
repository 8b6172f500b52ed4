"""Proximities on the CPU: compiled by numba at first use (cached on disk), on all cores.

Exact shortcut (method.md, section 1): p(a) = ‖y‖₁ − ‖y − a·u‖₁ is concave with p(0) = 0 and slope Σ sign(y_i)·u_i at 0,
so a part whose slope is not positive has proximity 0 and is skipped. The slopes of a layer are one matrix product.
"""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Float

# reassociation lets the sum run in vector lanes; NaN and infinity keep their meaning
_FASTMATH = {"reassoc", "contract", "nsz"}


@numba.njit(fastmath=_FASTMATH, cache=True, inline="always")  # pyright: ignore[reportUntypedFunctionDecorator]
def _proximity(whole, part, scale):  # type: ignore[no-untyped-def]  # numba infers
    # element by element: forming the two norms first loses up to 1e-5, because ‖y‖₁ is large
    near = np.float32(0.0)
    for i in range(whole.shape[0]):
        near += abs(whole[i]) - abs(whole[i] - scale * part[i])
    return near


@numba.njit(parallel=True, fastmath=_FASTMATH, cache=True)  # pyright: ignore[reportUntypedFunctionDecorator]
def _fill(whole, probabilities, outputs, slopes, clip, near):  # type: ignore[no-untyped-def]
    n_heads, n_query, _ = probabilities.shape
    # cores get equal runs of i: alternate the shortest row left with the longest one
    for i in numba.prange(n_query):
        half = np.int64(i) // 2
        query = half if np.int64(i) % 2 == 0 else n_query - 1 - half
        for head in range(n_heads):
            for key in range(query + 1):
                scale = probabilities[head, query, key]
                value = np.float32(0.0)
                if scale * slopes[query, head, key] > 0:
                    value = _proximity(whole[query], outputs[head, key], scale)
                near[query, key, head] = max(clip, value)


@numba.njit(fastmath=_FASTMATH, cache=True)  # pyright: ignore[reportUntypedFunctionDecorator]
def _fill_rows(whole, part, clip, near):  # type: ignore[no-untyped-def]
    # one core: this is little work, and waking the others costs more than it saves
    for row in range(whole.shape[0]):
        near[row] = max(clip, np.float64(_proximity(whole[row], part[row], np.float32(1.0))))


def attention_proximities(
    whole: Float[np.ndarray, "query d_model"],
    probabilities: Float[np.ndarray, "head query key"],
    outputs: Float[np.ndarray, "head key d_model"],
    slopes: Float[np.ndarray, "query head key"],
    clip: float = 0.0,
) -> Float[np.ndarray, "query key head"]:
    """See `kernels.attention_proximities`; float32 in and out. `slopes`: Σ sign(y_i)·u_i of each part."""
    n_heads, n_query, n_key = probabilities.shape
    near = np.zeros((n_query, n_key, n_heads), dtype=np.float32)
    _fill(
        np.ascontiguousarray(whole),
        np.ascontiguousarray(probabilities),
        np.ascontiguousarray(outputs),
        np.ascontiguousarray(slopes),
        np.float32(clip),
        near,
    )
    return near


def row_proximities(
    whole: Float[np.ndarray, "position d_model"], part: Float[np.ndarray, "position d_model"], clip: float = 0.0
) -> Float[np.ndarray, "position"]:
    """See `kernels.row_proximities`; float32 in, float64 out."""
    near = np.empty(whole.shape[0])
    _fill_rows(np.ascontiguousarray(whole), np.ascontiguousarray(part), clip, near)
    return near
