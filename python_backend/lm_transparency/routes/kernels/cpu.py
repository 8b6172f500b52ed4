"""Proximities on the CPU: compiled by numba at first use (cached on disk), rows shared among the cores.

p(a) = ‖y‖₁ − ‖y − a·u‖₁ is concave and piecewise linear: it starts with the slope g = Σ sign(y_i)·u_i and bends where
a·u_i passes y_i (method.md, section 1). So, exactly,

    p(a) = a·g − 2 · Σ over {i : a·u_i·sign(y_i) > |y_i|} of (|a·u_i| − |y_i|)

A part whose a·g is not positive has proximity 0; in every other one only the coordinates with |y_i| < |a|·max|u| can
bend it. With the smallest |y_i| of a row in order those are a few (in long prompts hardly any), and where they are more
the definition itself is computed. All the slopes of a layer are a matrix product or two. A row is parted without a
branch: what is done with its slope, what bends a little, what bends much.
"""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Float, Float64

from ...trace.rows import FASTMATH, contiguous
from ..cores import shared

#: So many coordinates of a row, up to twice as many, are put in order; past these the definition is as fast.
_ORDERED = 32


@numba.njit(fastmath=FASTMATH, cache=True, inline="always")  # pyright: ignore[reportUntypedFunctionDecorator]
def _definition(whole, part, scale):  # type: ignore[no-untyped-def]  # numba infers
    # element by element: forming the two norms first loses up to 1e-5, because ‖y‖₁ is large
    near = np.float32(0.0)
    for i in range(whole.shape[0]):
        near += abs(whole[i]) - abs(whole[i] - scale * part[i])
    return near


@numba.njit(fastmath=FASTMATH, cache=True)  # pyright: ignore[reportUntypedFunctionDecorator]
def _smallest(whole, size, index, sign, found):  # type: ignore[no-untyped-def]
    """Writes the smallest |y_i|, ascending, where they are and their signs; returns up to which size these are all."""
    n = whole.shape[0]
    total = np.float32(0.0)
    for i in range(n):
        total += abs(whole[i])
    # near 0 every step has about as many: first as if they were spread normally, then by how many there were
    up_to, n_found = np.float32(np.pi / 2 * _ORDERED) * (total / np.float32(n)) / np.float32(n), n
    for _ in range(6):
        n_found = 0
        for i in range(n):
            found[n_found] = i
            n_found += abs(whole[i]) <= up_to
        if n_found <= 2 * _ORDERED:
            break
        up_to *= np.float32(_ORDERED) / np.float32(n_found)
    if n_found > 2 * _ORDERED:
        n_found, up_to = 0, np.float32(0.0)
    for i in range(n_found):
        value, j = abs(whole[found[i]]), i
        while j > 0 and size[j - 1] > value:
            size[j], index[j] = size[j - 1], index[j - 1]
            j -= 1
        size[j], index[j] = value, found[i]
    size[n_found] = np.inf
    for j in range(n_found):
        sign[j] = 1 if whole[index[j]] > 0 else -1
    # the sign of 0 is 0: where a coordinate is 0, the slope does not know that any step leads away
    return np.float32(0.0) if size[0] == 0 else up_to


@numba.njit(fastmath=FASTMATH, cache=True)  # pyright: ignore[reportUntypedFunctionDecorator]
def _proximities(whole, smallest, up_to, weights, outputs, largest, slopes, near, reach, few, many):  # type: ignore[no-untyped-def]
    """`near`: the proximities of one head's parts from its first keys to one whole."""
    size, index, sign = smallest
    for key in range(near.shape[0]):
        value = weights[key] * slopes[key]
        near[key] = value if value > 0 else np.float32(0.0)
        reach[key] = abs(weights[key]) * largest[key] if value > 0 else np.float32(0.0)
    n_few, n_many = 0, 0
    for key in range(near.shape[0]):
        few[n_few], many[n_many] = key, key
        n_few += size[0] < reach[key] <= up_to
        n_many += reach[key] > up_to
    for i in range(n_few):
        key = few[i]
        scale, value, furthest = weights[key], near[key], reach[key]
        j = 0
        while size[j] < furthest:
            past = sign[j] * (scale * outputs[key, index[j]]) - size[j]
            value -= np.float32(2.0) * (past if past > 0 else np.float32(0.0))
            j += 1
        near[key] = value if value > 0 else np.float32(0.0)
    for i in range(n_many):
        key = many[i]
        value = _definition(whole, outputs[key], weights[key])
        near[key] = value if value > 0 else np.float32(0.0)


@numba.njit(fastmath=FASTMATH, cache=True)  # pyright: ignore[reportUntypedFunctionDecorator]
def _rows_at_once(n_heads, n_key):  # type: ignore[no-untyped-def]
    return max(8, min(128, 1_000_000 // (n_heads * n_key)))


@numba.njit(fastmath=FASTMATH, cache=True)  # pyright: ignore[reportUntypedFunctionDecorator]
def _of_rows(queries, whole, weights, outputs, largest, slopes, first_query, near):  # type: ignore[no-untyped-def]
    """`near`, by row, head and key: the proximities of all parts of some queries."""
    n_heads, n_key, n_rows = near.shape[1], near.shape[2], len(queries)
    size, sign = np.empty((n_rows, 2 * _ORDERED + 1), np.float32), np.empty((n_rows, 2 * _ORDERED), np.float32)
    index, up_to = np.empty((n_rows, 2 * _ORDERED), np.int64), np.empty(n_rows, np.float32)
    few, many, found = np.empty(n_key, np.int64), np.empty(n_key, np.int64), np.empty(whole.shape[1], np.int64)
    reach = np.empty(n_key, np.float32)
    for row in range(n_rows):
        up_to[row] = _smallest(whole[queries[row]], size[row], index[row], sign[row], found)
    # head by head: its outputs stay in the core's own cache for all rows
    for head in range(n_heads):
        for row in range(n_rows):
            query = queries[row]
            n = min(first_query + query + 1, n_key)
            a, g, smallest = weights[head, query], slopes[head, query], (size[row], index[row], sign[row])
            u, most = outputs[head], largest[head]
            _proximities(whole[query], smallest, up_to[row], a, u, most, g, near[row, head, :n], reach, few, many)


@numba.njit(fastmath=FASTMATH, cache=True, nogil=True)  # pyright: ignore[reportUntypedFunctionDecorator]
def _fill(share, n_shares, whole, weights, outputs, largest, slopes, clip, first_query, near):  # type: ignore[no-untyped-def]
    n_heads, n_query, n_key = weights.shape
    n_rows = _rows_at_once(n_heads, n_key)
    found = np.empty((n_rows, n_heads, n_key), np.float32)
    for first in range(share, n_query, n_shares * n_rows):
        queries = np.arange(first, min(first + n_shares * n_rows, n_query), n_shares)
        _of_rows(queries, whole, weights, outputs, largest, slopes, first_query, found)
        for row in range(len(queries)):
            for key in range(min(first_query + queries[row] + 1, n_key)):
                for head in range(n_heads):
                    near[queries[row], key, head] = max(clip, found[row, head, key])


@numba.njit(fastmath=FASTMATH, cache=True, nogil=True)  # pyright: ignore[reportUntypedFunctionDecorator]
def _keep(share, n_shares, whole, weights, outputs, largest, slopes, rest, floor, first_query, total, kept):  # type: ignore[no-untyped-def]
    n_edges, n_entries, key_at, weight_at, n_heads_at, head_at, share_at = kept
    n_heads, n_query, n_keys = weights.shape
    n_rows, edge = _rows_at_once(n_heads, n_keys), np.empty(n_keys, np.float32)
    found = np.empty((n_rows, n_heads, n_keys), np.float32)
    for first in range(share, n_query, n_shares * n_rows):
        queries = np.arange(first, min(first + n_shares * n_rows, n_query), n_shares)
        _of_rows(queries, whole, weights, outputs, largest, slopes, first_query, found)
        for row in range(len(queries)):
            query, near = queries[row], found[row]
            n_key = min(first_query + query + 1, n_keys)
            edge[:n_key] = 0
            row_total = rest[query]
            for head in range(n_heads):
                head_total = 0.0
                for key in range(n_key):
                    edge[key] += near[head, key]
                    head_total += near[head, key]
                row_total += head_total
            total[query] = row_total
            scale = np.float32(1.0 / row_total) if row_total > 0 else np.float32(0.0)
            edges, entries = 0, 0
            for key in range(n_key):
                if edge[key] * scale > floor:
                    before = entries
                    for head in range(n_heads):
                        if near[head, key] * scale > floor:
                            head_at[query, entries], share_at[query, entries] = head, near[head, key] * scale
                            entries += 1
                    key_at[query, edges], weight_at[query, edges] = key, edge[key] * scale
                    n_heads_at[query, edges] = entries - before
                    edges += 1
            n_edges[query], n_entries[query] = edges, entries


@numba.njit(fastmath=FASTMATH, cache=True)  # pyright: ignore[reportUntypedFunctionDecorator]
def _pack(kept, query_of, key, weight, n_heads, head, share):  # type: ignore[no-untyped-def]
    n_edges, n_entries, key_at, weight_at, n_heads_at, head_at, share_at = kept
    edge, entry = 0, 0
    for query in range(n_edges.shape[0]):
        for i in range(n_edges[query]):
            query_of[edge], key[edge], weight[edge] = query, key_at[query, i], weight_at[query, i]
            n_heads[edge] = n_heads_at[query, i]
            edge += 1
        for i in range(n_entries[query]):
            head[entry], share[entry] = head_at[query, i], share_at[query, i]
            entry += 1


@numba.njit(fastmath=FASTMATH, cache=True, nogil=True)  # pyright: ignore[reportUntypedFunctionDecorator]
def _measure(share, n_shares, outputs, direction, largest, along):  # type: ignore[no-untyped-def]
    n_heads, n_key, d_model = outputs.shape
    for i in range(share, n_heads * n_key, n_shares):
        part = outputs[i // n_key, i % n_key]
        # sizes of floats are in the order of their bits, and the maximum of integers runs in vector lanes
        bits, most, sum_ = part.view(np.int32), np.int32(0), np.float32(0.0)
        for j in range(d_model):
            most = max(most, bits[j] & np.int32(0x7FFFFFFF))
        for j in range(d_model):
            sum_ += part[j] * direction[j]
        largest[i // n_key, i % n_key], along[i // n_key, i % n_key] = most, sum_


@numba.njit(fastmath=FASTMATH, cache=True, nogil=True)  # pyright: ignore[reportUntypedFunctionDecorator]
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
    whole, weights, outputs, largest, slopes = contiguous(whole, weights, outputs, largest, slopes)
    shared(_fill, weights.size, whole, weights, outputs, largest, slopes, np.float32(clip), first_query, near)
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
) -> tuple[np.ndarray, ...]:
    """See `kernels.kept_rows`: the columns of `KeptRows`. A row is never in memory whole but for the one that is
    computed.
    """
    n_heads, n_query, n_key = weights.shape
    # shares sum to 1, so at most 1 / floor of a row exceed the floor
    most = n_key * n_heads if floor <= 0 else min(n_key * n_heads, int(1.0 / floor) + 2)
    room = min(n_key, most)
    total = np.empty(n_query)
    edges = np.empty((n_query, room), np.int32), np.empty((n_query, room), np.float32)
    entries = np.empty((n_query, most), np.int32), np.empty((n_query, most), np.float32)
    n_edges, n_entries = np.empty(n_query, np.int32), np.empty(n_query, np.int32)
    kept = (n_edges, n_entries, *edges, np.empty((n_query, room), np.int32), *entries)
    whole, weights, outputs, largest, slopes = contiguous(whole, weights, outputs, largest, slopes)
    shared(
        _keep, weights.size, whole, weights, outputs, largest, slopes, rest, np.float32(floor), first_query, total, kept
    )
    all_edges, all_entries = int(n_edges.sum()), int(n_entries.sum())
    per_edge = [np.empty(all_edges, dtype) for dtype in (np.int64, np.int64, np.float32, np.int64)]
    per_entry = [np.empty(all_entries, dtype) for dtype in (np.int64, np.float32)]
    _pack(kept, *per_edge, *per_entry)
    return total, *per_edge, *per_entry


def measure(
    outputs: Float[np.ndarray, "head key d_model"], direction: Float[np.ndarray, "d_model"]
) -> tuple[Float[np.ndarray, "head key"], Float[np.ndarray, "head key"]]:
    """See `kernels.measure`."""
    largest, along = np.empty(outputs.shape[:2], np.float32), np.empty(outputs.shape[:2], np.float32)
    shared(_measure, largest.size, np.ascontiguousarray(outputs), direction, largest.view(np.int32), along)
    return largest, along


def row_proximities(
    whole: Float[np.ndarray, "position d_model"], part: Float[np.ndarray, "position d_model"], clip: float = 0.0
) -> Float[np.ndarray, "position"]:
    """See `kernels.row_proximities`; float32 in, float64 out."""
    near = np.empty(whole.shape[0])
    _fill_rows(np.ascontiguousarray(whole), np.ascontiguousarray(part), np.float64(clip), near)
    return near
