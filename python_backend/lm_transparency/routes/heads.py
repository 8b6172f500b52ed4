"""What single heads do: their shares of an edge, the keys of a row, the maps of a layer.

A contribution here is a proximity over its row's recorded total, so that it equals the graph's own without the rest of
the row being computed again (method.md, sections 1 and 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ..trace.trace import Trace
from .contributions import Contributions, inverse, layer_contributions
from .kernels import part_proximities
from .parts import head_parts, whole_of


@dataclass(frozen=True)
class EdgeHeads:
    """Every head of one attention edge. `rank`: keys of the row that a head gives more attention to."""

    contribution: Float[np.ndarray, "head"]
    probability: Float[np.ndarray, "head"]
    rank: Int[np.ndarray, "head"]


@dataclass(frozen=True)
class HeadRow:
    """One head at one query: every key up to the query. `score` is what the softmax is taken of."""

    score: Float[np.ndarray, "key"]
    probability: Float[np.ndarray, "key"]
    contribution: Float[np.ndarray, "key"]


@dataclass(frozen=True)
class AttentionMap:
    """[query, key], 0 above the diagonal; of all heads the mean probability and the sum of the contributions."""

    probability: Float[np.ndarray, "query key"]
    contribution: Float[np.ndarray, "query key"]


@dataclass(frozen=True)
class LayerMaps:
    """Maps of every head of a layer, small: the largest value of each cell as round(255·√value).

    `contribution` is divided by `largest` first. `total`: a head's contribution over all keys, mean over the queries.
    """

    probability: UInt8[np.ndarray, "head side side"]
    contribution: UInt8[np.ndarray, "head side side"]
    largest: float
    total: Float[np.ndarray, "head"]


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
    """Where one head looks from `query`, and what each key contributes through it."""
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
    """Σ_s w_s · v_s · W_O^h (`LayerRecord.weights`): what one head writes at `query`, float32."""
    record = trace.layers[layer]
    row = record.weights(slice(head, head + 1), slice(query, query + 1))[0, 0]
    return (row @ record.read_by(head, query)) @ trace.anatomy.blocks[layer].w_o(trace.n_heads)[head]


def head_part(trace: Trace, layer: int, head: int, query: int, key: int) -> Float[Tensor, "d_model"]:
    """w · v · W_O^h: what one head brings from `key` to `query`, float32."""
    record = trace.layers[layer]
    row = record.weights(slice(head, head + 1), slice(query, query + 1))[0, 0]
    return (row[key] * record.read_by(head, query)[key]) @ trace.anatomy.blocks[layer].w_o(trace.n_heads)[head]


def attention_map(trace: Trace, contributions: Contributions, layer: int, head: int | None) -> AttentionMap:
    """The maps of one head over the whole prompt; `head` None: of all heads together."""
    record = trace.layers[layer]
    if head is None:
        probability = record.attention.probabilities().mean(dim=0).cpu().numpy()
        return AttentionMap(probability, layer_contributions(trace, layer).attention.sum(axis=-1))
    heads = slice(head, head + 1)
    probability = record.attention.probabilities(heads)
    near = head_parts(trace, layer, heads).near[..., 0]
    share = _share(contributions, layer).astype(np.float32)
    return AttentionMap(probability[0].cpu().numpy(), near * share[:, None])


def layer_maps(trace: Trace, layer: int, *, side: int = 48) -> LayerMaps:
    """Maps of every head, at most `side` cells wide."""
    probability = trace.layers[layer].attention.probabilities().cpu().numpy()
    contribution = layer_contributions(trace, layer).attention.transpose(2, 0, 1)
    largest = float(contribution.max(initial=0.0))
    scaled = contribution / largest if largest > 0 else contribution
    total = contribution.sum(axis=-1).mean(axis=-1)
    return LayerMaps(_small(probability, side), _small(scaled, side), largest, total)


def _small(maps: Float[np.ndarray, "head query key"], side: int) -> UInt8[np.ndarray, "head side side"]:
    n_tokens = maps.shape[1]
    side = min(side, n_tokens)
    # where the cells begin: as even as whole tokens allow
    edges = np.arange(side) * n_tokens // side
    cells = np.maximum.reduceat(np.maximum.reduceat(maps, edges, axis=1), edges, axis=2)
    return np.rint(255 * np.sqrt(np.clip(cells, 0, 1))).astype(np.uint8)


def _share(contributions: Contributions, layer: int) -> Float[np.ndarray, "position"]:
    return inverse(contributions.attention_total[layer])
