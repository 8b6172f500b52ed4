"""Proximities on the CPU: compiled by numba at first use (cached on disk), rows shared among the cores.

p(a) = ‖y‖₁ − ‖y − a·u‖₁ is concave and piecewise linear: it starts with the slope g = Σ sign(y_i)·u_i and bends where
a·u_i passes y_i (docs/method.md#kernels). So, exactly,

    p(a) = a·g − 2 · Σ over {i : a·u_i·sign(y_i) > |y_i|} of (|a·u_i| − |y_i|)

A part whose a·g is not positive has proximity 0. Any other part can bend only at coordinates with |y_i| < |a|·max|u|.
The coordinates of a row are sorted roughly by size, so these come first: few of them in long prompts, and each one too
many adds 0. Sixteen keys of a head are processed side by side (`lanes`), with as many coordinates as the furthest of
them needs. The slopes of a layer are one or two matrix products.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float64, Int

from ...trace.compiled_errors import FASTMATH, contiguous
from ...trace.compiling import compiled
from .cores import shared
from .lanes import LANES, TURNED, bend, reach, turn

#: The bits of a float that hold its size, and how many of those say how far along its step it is.
_SIZE, _STEP = np.uint32(0x7FFFFFFF), np.uint32(20)
#: Proximities that are in memory before they are filtered: 8 M float32 are 32 MB.
_MOST_FOUND = 8_000_000
#: Steps in which coordinates are sorted, from a row's largest downwards: 32 powers of two.
_STEPS = 256


@compiled(fastmath=FASTMATH, inline="always")
def _definition(whole, part, scale):  # type: ignore[no-untyped-def]  # numba infers
    # element by element: forming the two norms first loses up to 1e-5, because ‖y‖₁ is large
    near = np.float32(0.0)
    for i in range(whole.shape[0]):
        near += abs(whole[i]) - abs(whole[i] - scale * part[i])
    return near


@compiled(fastmath=FASTMATH)
def _order(whole, index, y, stop, steps):  # type: ignore[no-untyped-def]
    """Write the indices and values of a row's coordinates by size, and for each step how many come before its end.

    Returns the number of the first step. A step is an eighth of the way from one power of two to the next: the exponent
    and three more bits of a float. `steps` is scratch space.
    """
    n, bits = whole.shape[0], whole.view(np.uint32)
    most = np.uint32(0)
    for i in range(n):
        most = max(most, bits[i] & _SIZE)
    first = np.int64(most >> _STEP) - (_STEPS - 1)
    for step in range(_STEPS):
        stop[step] = 0
    for i in range(n):
        steps[i] = max(np.int64((bits[i] & _SIZE) >> _STEP) - first, 0)
    for i in range(n):
        stop[steps[i]] += 1
    before = 0
    for step in range(_STEPS):
        before, stop[step] = before + stop[step], before
    for i in range(n):
        j = stop[steps[i]]
        stop[steps[i]] = j + 1
        index[j], y[j] = i, whole[i]
    return first


@compiled(fastmath=FASTMATH)
def _turn(outputs, key, n_lanes, turned, largest, direction, along):  # type: ignore[no-untyped-def]
    """Transpose a head's outputs from `key` on into `turned`, one coordinate a row; also max|u|, u·`direction` of each.

    Lanes past the last key are 0.
    """
    n, d_model = 0, outputs.shape[1]
    for lane in range(LANES):
        largest[lane] = along[lane] = 0
    if n_lanes == LANES:
        n = d_model - d_model % TURNED
        for at in range(0, n, TURNED):
            turn(outputs, key, at, turned, largest, direction, along)
    for at in range(n, d_model):
        for lane in range(LANES):
            value = outputs[key + lane, at] if lane < n_lanes else np.float32(0.0)
            turned[at, lane], largest[lane] = value, max(largest[lane], abs(value))
            along[lane] += value * direction[at]


@compiled(fastmath=FASTMATH, nogil=True)
def _proximities(queries, whole, weights, outputs, slopes, first_query, direction, along, near):  # type: ignore[no-untyped-def]
    """Write the proximities of all parts of some queries into `near`, by row, head and key.

    Entries past the keys that a query may look at are undefined. `along`: u·`direction` of the keys that were read.
    """
    n_heads, n_key, d_model, n_rows = near.shape[1], weights.shape[2], whole.shape[1], len(queries)
    index, y = np.empty((n_rows, d_model), np.uint32), np.empty((n_rows, d_model), np.float32)
    stop, first = np.empty((n_rows, _STEPS), np.uint32), np.empty(n_rows, np.int64)
    steps = np.empty(d_model, np.uint32)
    for row in range(n_rows):
        first[row] = _order(whole[queries[row]], index[row], y[row], stop[row], steps)
    turned = np.empty((d_model, LANES), np.float32)
    last_weights, last_slopes = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32)
    largest, sums = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    # sixteen keys of a head at a time: their outputs stay in the core's nearest cache for all rows
    for head in range(n_heads):
        for key in range(0, n_key, LANES):
            n_lanes = min(LANES, n_key - key)
            _turn(outputs[head], key, n_lanes, turned, largest, direction, sums)
            for lane in range(n_lanes):
                along[head, key + lane] = sums[lane]
            for row in range(n_rows):
                query = queries[row]
                if first_query + query < key:
                    continue
                a, g, at = weights[head, query], slopes[head, query], key
                if n_lanes < LANES:
                    for lane in range(n_lanes):
                        last_weights[lane], last_slopes[lane] = a[key + lane], g[key + lane]
                    a, g, at = last_weights, last_slopes, 0
                furthest = np.int64(reach(a, g, at, largest))
                step = min((furthest >> np.int64(_STEP)) - first[row], _STEPS - 1)
                n_bends = np.int64(stop[row, max(step, 0)]) if furthest > 0 else 0
                bend(a, g, at, turned, index[row], y[row], n_bends, near[row, head], key)


@compiled(fastmath=FASTMATH, nogil=True)
def _fill(queries, found, clip, first_query, near):  # type: ignore[no-untyped-def]
    for row in range(len(queries)):
        for key in range(min(first_query + queries[row] + 1, near.shape[1])):
            for head in range(near.shape[2]):
                near[queries[row], key, head] = max(clip, found[row, head, key])


@compiled(fastmath=FASTMATH, nogil=True)
def _keep(queries, found, rest, floor, first_query, n_keys, total, kept):  # type: ignore[no-untyped-def]
    n_edges, n_entries, key_at, weight_at, n_heads_at, head_at, share_at = kept
    n_heads, edge = found.shape[1], np.empty(n_keys, np.float32)
    for row in range(len(queries)):
        query, near = queries[row], found[row]
        n_key = min(first_query + query + 1, n_keys)
        for key in range(n_key):
            edge[key] = 0
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


@compiled(fastmath=FASTMATH)
def _columns(kept, query_of, key, weight, n_heads, head, share):  # type: ignore[no-untyped-def]
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


@compiled(fastmath=FASTMATH, nogil=True)
def _fill_rows(whole, part, clip, near):  # type: ignore[no-untyped-def]
    # one core: this is little work, and waking the others costs more than it saves
    for row in range(whole.shape[0]):
        near[row] = max(clip, np.float64(_definition(whole[row], part[row], np.float32(1.0))))


def attention_proximities(
    whole: Float[np.ndarray, "query d_model"],
    weights: Float[np.ndarray, "head query key"],
    outputs: Float[np.ndarray, "head key d_model"],
    slopes: Float[np.ndarray, "head query key"],
    clip: float = 0.0,
    first_query: int = 0,
) -> Float[np.ndarray, "query key head"]:
    """See `kernels.attention_proximities`; float32 in and out."""
    n_heads, n_query, n_key = weights.shape
    near = np.zeros((n_query, n_key, n_heads), dtype=np.float32)
    whole, weights, outputs, slopes = contiguous(whole, weights, outputs, slopes)
    given = (whole, weights, outputs, slopes)
    direction, along = np.zeros(whole.shape[1], np.float32), np.empty((n_heads, n_key), np.float32)

    def fill(share: int, n_shares: int) -> None:
        for queries, found in _found(share, n_shares, given, first_query, direction, along):
            _fill(queries, found, np.float32(clip), first_query, near)

    shared(fill, weights.size)
    return near


def kept_rows(
    whole: Float[np.ndarray, "query d_model"],
    weights: Float[np.ndarray, "head query key"],
    outputs: Float[np.ndarray, "head key d_model"],
    slopes: Float[np.ndarray, "head query key"],
    rest: Float64[np.ndarray, "query"],
    floor: float,
    first_query: int,
    direction: Float[np.ndarray, "d_model"],
) -> tuple[Float[np.ndarray, "head key"], tuple[np.ndarray, ...]]:
    """See `kernels.kept_rows`: u·`direction` of all keys, and the columns of `KeptRows`.

    Only the rows being computed are in memory whole.
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
    along = np.zeros((n_heads, n_key), np.float32)
    whole, weights, outputs, slopes, towards = contiguous(whole, weights, outputs, slopes, direction)
    given = (whole, weights, outputs, slopes)

    def keep(share: int, n_shares: int) -> None:
        for queries, found in _found(share, n_shares, given, first_query, towards, along):
            _keep(queries, found, rest, np.float32(floor), first_query, n_key, total, kept)

    shared(keep, weights.size)
    all_edges, all_entries = int(n_edges.sum()), int(n_entries.sum())
    per_edge = [np.empty(all_edges, dtype) for dtype in (np.int64, np.int64, np.float32, np.int64)]
    per_entry = [np.empty(all_entries, dtype) for dtype in (np.int64, np.float32)]
    _columns(kept, *per_edge, *per_entry)
    return along, (total, *per_edge, *per_entry)


def _found(
    share: int,
    n_shares: int,
    given: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    first_query: int,
    direction: Float[np.ndarray, "d_model"],
    along: Float[np.ndarray, "head key"],
) -> Iterator[tuple[Int[np.ndarray, "row"], Float[np.ndarray, "row head lane"]]]:
    """The queries of a share, a few at a time, with the proximities of their parts (`_proximities`)."""
    n_heads, n_query, n_key = given[1].shape
    # the outputs of sixteen keys are transposed once for all these rows
    n_rows = max(32, min(256, _MOST_FOUND // (n_heads * n_key)))
    found = np.empty((min(n_rows, n_query), n_heads, n_key + LANES), np.float32)
    for first in range(share, n_query, n_shares * n_rows):
        queries = np.arange(first, min(first + n_shares * n_rows, n_query), n_shares)
        _proximities(queries, *given, first_query, direction, along, found)
        yield queries, found


def row_proximities(
    whole: Float[np.ndarray, "position d_model"], part: Float[np.ndarray, "position d_model"], clip: float = 0.0
) -> Float[np.ndarray, "position"]:
    """See `kernels.row_proximities`; float32 in, float64 out."""
    near = np.empty(whole.shape[0])
    _fill_rows(np.ascontiguousarray(whole), np.ascontiguousarray(part), np.float64(clip), near)
    return near
