"""Facts about single heads: their shares of an edge, the keys of a row, the maps of a layer.

A contribution here is a proximity divided by the recorded total of its row (docs/method.md#contribution). It equals the
graph's without computing the rest of the row again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8, UInt32
from torch import Tensor

from ..protocol.heads import EdgeHeads, LayerMapsResult
from ..trace.trace import Trace
from .contributions import Contributions, inverse
from .kernels import part_proximities
from .parts import head_parts, whole_of


@dataclass(frozen=True)
class HeadRow:
    """One head at one query, for every key up to the query. `score`: the softmax's input."""

    score: Float[np.ndarray, "key"]
    probability: Float[np.ndarray, "key"]
    contribution: Float[np.ndarray, "key"]


@dataclass(frozen=True)
class AttentionMap:
    """[query, key], 0 above the diagonal. For all heads together: mean probability, summed contributions."""

    probability: Float[np.ndarray, "query key"]
    contribution: Float[np.ndarray, "query key"]


@dataclass(frozen=True)
class Cells:
    """A map with fewer cells than tokens: the largest value of each cell and its place, query · n_tokens + key."""

    largest: Float[np.ndarray, "side side"]
    at: UInt32[np.ndarray, "side side"]


def edge_heads(trace: Trace, contributions: Contributions, layer: int, query: int, key: int) -> EdgeHeads:
    """Every head's share of the edge `key` → `query`; the contributions sum to the edge's weight."""
    record, block = trace.layers[layer], trace.anatomy.blocks[layer]
    at = slice(query, query + 1)
    rows = record.attention.probabilities(queries=at)
    weights = record.weigh(rows, queries=at)[:, 0, key]
    rows = rows[:, 0]
    probability = rows[:, key]
    outputs = torch.einsum("hd,hdm->hm", record.read_from(key, query), block.w_o(trace.n_heads))
    near = part_proximities(whole_of(trace, layer)[query], weights, outputs)
    rank = (rows > probability[:, None]).sum(dim=-1)
    share = _share(contributions, layer)[query]
    return EdgeHeads(near * share, probability.cpu().numpy(), rank.cpu().numpy())


def head_row(trace: Trace, contributions: Contributions, layer: int, head: int, query: int) -> HeadRow:
    """Where one head looks from `query`, and how much each key contributes through it."""
    record, block = trace.layers[layer], trace.anatomy.blocks[layer]
    place = slice(head, head + 1), slice(query, query + 1)
    score = record.attention.scores(*place)[0, 0]
    rows = record.attention.probabilities(*place)
    probability, weights = rows[0, 0, : query + 1], record.weigh(rows, *place)[0, 0, : query + 1]
    outputs = record.read_by(head, query)[: query + 1] @ block.w_o(trace.n_heads)[head]
    near = part_proximities(whole_of(trace, layer)[query], weights, outputs)
    share = _share(contributions, layer)[query]
    return HeadRow(score[: query + 1].cpu().numpy(), probability.cpu().numpy(), near * share)


def head_output(trace: Trace, layer: int, head: int, query: int) -> Float[Tensor, "d_model"]:
    """Σ_s w_s · v_s · W_O^h (`LayerRecord.weights`): the output of one head at `query`, float32."""
    record = trace.layers[layer]
    row = record.weights(slice(head, head + 1), slice(query, query + 1))[0, 0]
    return (row @ record.read_by(head, query)) @ trace.anatomy.blocks[layer].w_o(trace.n_heads)[head]


def head_part(trace: Trace, layer: int, head: int, query: int, key: int) -> Float[Tensor, "d_model"]:
    """w · v · W_O^h: the part that one head carries from `key` to `query`, float32."""
    record = trace.layers[layer]
    row = record.weights(slice(head, head + 1), slice(query, query + 1))[0, 0]
    return (row[key] * record.read_by(head, query)[key]) @ trace.anatomy.blocks[layer].w_o(trace.n_heads)[head]


def attention_map(trace: Trace, contributions: Contributions, layer: int, head: int | None) -> AttentionMap:
    """The maps of one head over the whole prompt, or of all heads together where `head` is None."""
    record = trace.layers[layer]
    if head is not None:
        heads = slice(head, head + 1)
        share = _share(contributions, layer).astype(np.float32)
        near = head_parts(trace, layer, heads).near[..., 0]
        return AttentionMap(record.attention.probabilities(heads)[0].cpu().numpy(), near * share[:, None])
    # one head at a time: all heads of a long prompt would take more memory than the analysis did
    probability = contribution = np.zeros((trace.n_tokens, trace.n_tokens), dtype=np.float32)
    for one in range(trace.n_heads):
        found = attention_map(trace, contributions, layer, one)
        probability = probability + found.probability / np.float32(trace.n_heads)
        contribution = contribution + found.contribution
    return AttentionMap(probability, contribution)


def layer_maps(trace: Trace, contributions: Contributions, layer: int, *, side: int = 48) -> LayerMapsResult:
    """Maps of every head, at most `side` cells wide."""
    probability: list[Float[np.ndarray, "side side"]] = []
    contribution: list[Float[np.ndarray, "side side"]] = []
    total: list[float] = []
    for head in range(trace.n_heads):
        found = attention_map(trace, contributions, layer, head)
        probability.append(_largest(found.probability, side))
        contribution.append(_largest(found.contribution, side))
        total.append(float(found.contribution.sum(axis=-1, dtype=np.float64).mean()))
    small = np.stack(contribution)
    largest = float(small.max(initial=0.0))
    scaled = small / largest if largest > 0 else small
    return LayerMapsResult(
        layer=layer,
        side=small.shape[-1],
        largest=largest,
        probability=_levels(np.stack(probability)),
        contribution=_levels(scaled),
        total=np.array(total, dtype=np.float32),
    )


def in_cells(values: Float[np.ndarray, "query key"], side: int) -> Cells:
    """A map in `side` × `side` cells, no more than there are tokens."""
    n_tokens = len(values)
    side = min(side, n_tokens)
    edges = _edges(n_tokens, side)
    largest, at = np.empty((side, side), dtype=np.float32), np.empty((side, side), dtype=np.uint32)
    ends = np.append(edges[1:], n_tokens)
    for row, (first, last) in enumerate(zip(edges, ends, strict=True)):
        # the query with each key's largest value, then the first key that has its cell's largest
        queries = values[first:last].argmax(axis=0)
        most = values[first:last][queries, np.arange(n_tokens)]
        largest[row] = np.maximum.reduceat(most, edges)
        found = np.flatnonzero(most == np.repeat(largest[row], ends - edges))
        key = found[np.searchsorted(found, edges)]
        at[row] = (first + queries[key]) * n_tokens + key
    return Cells(largest, at)


def _edges(n_tokens: int, side: int) -> Int[np.ndarray, "side"]:
    """Where the cells begin: as evenly as whole tokens allow."""
    return np.arange(side) * n_tokens // side


def _largest(values: Float[np.ndarray, "query key"], side: int) -> Float[np.ndarray, "side side"]:
    edges = _edges(len(values), min(side, len(values)))
    return np.maximum.reduceat(np.maximum.reduceat(values, edges, axis=0), edges, axis=1)


def _levels(cells: Float[np.ndarray, "head side side"]) -> UInt8[np.ndarray, "head side side"]:
    return np.rint(255 * np.sqrt(np.clip(cells, 0, 1))).astype(np.uint8)


def _share(contributions: Contributions, layer: int) -> Float[np.ndarray, "position"]:
    return inverse(contributions.attention_total[layer])
