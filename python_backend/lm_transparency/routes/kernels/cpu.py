"""Proximities on the CPU: compiled by numba at first use (cached on disk), on all cores.

p(a) = ‖y‖₁ − ‖y − a·u‖₁ is concave and piecewise linear: it starts with the slope g = Σ sign(y_i)·u_i and bends where
a·u_i passes y_i (method.md, section 1). So, exactly,

    p(a) = a·g − 2 · Σ over {i : a·u_i·sign(y_i) > |y_i|} of (|a·u_i| − |y_i|)

A part whose a·g is not positive has proximity 0; in every other one only the coordinates with |y_i| < |a|·max|u| can
bend it. With the smallest |y_i| of a row at hand those are a few (in long prompts hardly any), and where they are many
the definition itself is computed. All the slopes of a layer are a matrix product or two.
"""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Float, Float64, Int32

# reassociation lets the sum run in vector lanes; NaN and infinity keep their meaning
_FASTMATH = {"reassoc", "contract", "nsz"}

#: Coordinates of a row that are looked at one by one; past these the definition is as fast.
_FEW = 32


@numba.njit(fastmath=_FASTMATH, cache=True, inline="always")  # pyright: ignore[reportUntypedFunctionDecorator]
def _definition(whole, part, scale):  # type: ignore[no-untyped-def]  # numba infers
    # element by element: forming the two norms first loses up to 1e-5, because ‖y‖₁ is large
    near = np.float32(0.0)
    for i in range(whole.shape[0]):
        near += abs(whole[i]) - abs(whole[i] - scale * part[i])
    return near


@numba.njit(fastmath=_FASTMATH, cache=True)  # pyright: ignore[reportUntypedFunctionDecorator]
def _smallest(whole, size, index):  # type: ignore[no-untyped-def]
    """The smallest |y_i|, ascending, and where they are; infinite where there are no more."""
    size[:] = np.inf
    index[:] = 0
    for i in range(whole.shape[0]):
        value = abs(whole[i])
        j = size.shape[0] - 1
        if value < size[j]:
            while j > 0 and size[j - 1] > value:
                size[j], index[j] = size[j - 1], index[j - 1]
                j -= 1
            size[j], index[j] = value, i


@numba.njit(fastmath=_FASTMATH, cache=True, inline="always")  # pyright: ignore[reportUntypedFunctionDecorator]
def _proximity(whole, size, index, part, largest, slope, scale):  # type: ignore[no-untyped-def]
    near = scale * slope
    reach = abs(scale) * largest
    if near <= 0 or reach <= size[0]:
        return max(np.float32(0.0), near)
    if reach > size[-1]:
        return max(np.float32(0.0), _definition(whole, part, scale))
    for j in range(size.shape[0]):
        if size[j] >= reach:
            break
        y, step = whole[index[j]], scale * part[index[j]]
        if y == 0:
            # the sign of 0 is 0: the slope does not know that any step leads away
            near -= abs(step)
        else:
            step = step if y > 0 else -step
            if step > size[j]:
                near -= np.float32(2.0) * (step - size[j])
    return max(np.float32(0.0), near)


@numba.njit(fastmath=_FASTMATH, cache=True, inline="always")  # pyright: ignore[reportUntypedFunctionDecorator]
def _row(i, n_query):  # type: ignore[no-untyped-def]
    # cores get equal runs of i: alternate the shortest row left with the longest one
    half = np.int64(i) // 2
    return half if np.int64(i) % 2 == 0 else n_query - 1 - half


@numba.njit(parallel=True, fastmath=_FASTMATH, cache=True)  # pyright: ignore[reportUntypedFunctionDecorator]
def _fill(whole, weights, outputs, largest, slopes, clip, first_query, near):  # type: ignore[no-untyped-def]
    n_heads, n_query, _ = weights.shape
    for i in numba.prange(n_query):
        query = _row(i, n_query)
        size, index = np.empty(_FEW, np.float32), np.empty(_FEW, np.int64)
        _smallest(whole[query], size, index)
        for head in range(n_heads):
            for key in range(first_query + query + 1):
                value = _proximity(
                    whole[query],
                    size,
                    index,
                    outputs[head, key],
                    largest[head, key],
                    slopes[head, query, key],
                    weights[head, query, key],
                )
                near[query, key, head] = max(clip, value)


@numba.njit(parallel=True, fastmath=_FASTMATH, cache=True)  # pyright: ignore[reportUntypedFunctionDecorator]
def _keep(whole, weights, outputs, largest, slopes, rest, floor, first_query, total, kept):  # type: ignore[no-untyped-def]
    n_edges, key_at, weight_at, n_heads_at, head_at, share_at = kept
    n_heads, n_query, _ = weights.shape
    for i in numba.prange(n_query):
        query = _row(i, n_query)
        n_key = first_query + query + 1
        size, index = np.empty(_FEW, np.float32), np.empty(_FEW, np.int64)
        _smallest(whole[query], size, index)
        near, edge = np.empty((n_heads, n_key), np.float32), np.zeros(n_key, np.float32)
        row_total = rest[query]
        for head in range(n_heads):
            head_total = 0.0
            for key in range(n_key):
                value = _proximity(
                    whole[query],
                    size,
                    index,
                    outputs[head, key],
                    largest[head, key],
                    slopes[head, query, key],
                    weights[head, query, key],
                )
                near[head, key] = value
                edge[key] += value
                head_total += value
            row_total += head_total
        total[query] = row_total
        share = np.float32(1.0 / row_total) if row_total > 0 else np.float32(0.0)
        edges, entries = 0, 0
        for key in range(n_key):
            if edge[key] * share > floor:
                before = entries
                for head in range(n_heads):
                    if near[head, key] * share > floor:
                        head_at[query, entries], share_at[query, entries] = head, near[head, key] * share
                        entries += 1
                key_at[query, edges], weight_at[query, edges] = key, edge[key] * share
                n_heads_at[query, edges] = entries - before
                edges += 1
        n_edges[query] = edges


@numba.njit(parallel=True, fastmath=_FASTMATH | {"nnan"}, cache=True)  # pyright: ignore[reportUntypedFunctionDecorator]
def _fill_largest(outputs, largest):  # type: ignore[no-untyped-def]
    n_heads, n_key, d_model = outputs.shape
    for i in numba.prange(n_heads * n_key):
        part = outputs[i // n_key, i % n_key]
        most = np.float32(0.0)
        for j in range(d_model):
            most = max(most, abs(part[j]))
        largest[i // n_key, i % n_key] = most


@numba.njit(fastmath=_FASTMATH, cache=True)  # pyright: ignore[reportUntypedFunctionDecorator]
def _fill_rows(whole, part, clip, near):  # type: ignore[no-untyped-def]
    # one core: this is little work, and waking the others costs more than it saves
    for row in range(whole.shape[0]):
        near[row] = max(clip, np.float64(_definition(whole[row], part[row], np.float32(1.0))))


def attention_proximities(
    whole: Float[np.ndarray, "query d_model"],
    weights: Float[np.ndarray, "head query key"],
    outputs: Float[np.ndarray, "head key d_model"],
    largest: Float[np.ndarray, "head key"],
    slopes: Float[np.ndarray, "head query key"],
    clip: float = 0.0,
    first_query: int = 0,
) -> Float[np.ndarray, "query key head"]:
    """See `kernels.attention_proximities`; float32 in and out. `largest`: max|u| of each output."""
    n_heads, n_query, n_key = weights.shape
    near = np.zeros((n_query, n_key, n_heads), dtype=np.float32)
    whole, weights, outputs, largest, slopes = _contiguous(whole, weights, outputs, largest, slopes)
    _fill(whole, weights, outputs, largest, slopes, np.float32(clip), first_query, near)
    return near


def kept_rows(
    whole: Float[np.ndarray, "query d_model"],
    weights: Float[np.ndarray, "head query key"],
    outputs: Float[np.ndarray, "head key d_model"],
    largest: Float[np.ndarray, "head key"],
    slopes: Float[np.ndarray, "head query key"],
    rest: Float64[np.ndarray, "query"],
    floor: float,
    first_query: int,
) -> tuple[
    Float64[np.ndarray, "query"],
    Int32[np.ndarray, "query"],
    Int32[np.ndarray, "query room"],
    Float[np.ndarray, "query room"],
    Int32[np.ndarray, "query room"],
    Int32[np.ndarray, "query entries"],
    Float[np.ndarray, "query entries"],
]:
    """See `kernels.kept_rows`: totals, the number of edges of each row, and its keys, weights, number of heads; heads
    and their shares, each row from its beginning. A row is never in memory whole but for the one that is computed.
    """
    n_heads, n_query, n_key = weights.shape
    # shares sum to 1, so at most 1 / floor of a row exceed the floor
    most = n_key * n_heads if floor <= 0 else min(n_key * n_heads, int(1.0 / floor) + 2)
    room = min(n_key, most)
    total = np.empty(n_query)
    n_edges = np.empty(n_query, np.int32)
    key_at, n_heads_at = np.empty((n_query, room), np.int32), np.empty((n_query, room), np.int32)
    weight_at = np.empty((n_query, room), np.float32)
    head_at, share_at = np.empty((n_query, most), np.int32), np.empty((n_query, most), np.float32)
    kept = (n_edges, key_at, weight_at, n_heads_at, head_at, share_at)
    whole, weights, outputs, largest, slopes = _contiguous(whole, weights, outputs, largest, slopes)
    _keep(whole, weights, outputs, largest, slopes, rest, np.float32(floor), first_query, total, kept)
    return total, *kept


def largest(outputs: Float[np.ndarray, "head key d_model"]) -> Float[np.ndarray, "head key"]:
    """max|u| of each output."""
    most = np.empty(outputs.shape[:2], dtype=np.float32)
    _fill_largest(np.ascontiguousarray(outputs), most)
    return most


def row_proximities(
    whole: Float[np.ndarray, "position d_model"], part: Float[np.ndarray, "position d_model"], clip: float = 0.0
) -> Float[np.ndarray, "position"]:
    """See `kernels.row_proximities`; float32 in, float64 out."""
    near = np.empty(whole.shape[0])
    _fill_rows(np.ascontiguousarray(whole), np.ascontiguousarray(part), np.float64(clip), near)
    return near


def _contiguous(*arrays: np.ndarray) -> list[np.ndarray]:
    return [np.ascontiguousarray(array) for array in arrays]
