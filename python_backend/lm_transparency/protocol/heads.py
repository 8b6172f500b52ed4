"""Questions about attention: an edge by head, a head, its maps."""

from __future__ import annotations

from typing import Literal

from attrs import define

from .inspection import NumericArray, TokenScore

HeadTag = Literal["previous", "first", "duplicate", "induction", "self"]


@define(frozen=True)
class EdgeHeadsParams:
    """The attention edge from `key` to `query` of `layer`."""

    run_id: str
    layer: int
    query: int
    key: int


@define(frozen=True)
class HeadShare:
    """One head's share of an edge. `rank`: of the key in this head's row by probability, 0 for the largest."""

    head: int
    contribution: float
    probability: float
    rank: int


@define(frozen=True)
class EdgeHeadsResult:
    """Every head of an attention edge, in head order. `weight` is the sum of the contributions, before thresholding."""

    layer: int
    query: int
    key: int
    weight: float
    heads: list[HeadShare]


@define(frozen=True)
class HeadParams:
    """One head at one query. `key` −1: the key that contributes most. `top_k` of tokens, `keys_k` of keys."""

    run_id: str
    layer: int
    head: int
    query: int
    key: int = -1
    top_k: int = 15
    keys_k: int = 10
    normalize: bool = True


@define(frozen=True)
class KeyShare:
    """One key of a row. `score` is the scaled query·key product (with the mask's bias) that softmax sees; the lowest
    float32 where a sliding window hides the key."""

    position: int
    score: float
    probability: float
    contribution: float


@define(frozen=True)
class HeadResult:
    """Why a head looks where it looks, and what it writes.

    `promoted`, `suppressed`: of all that the head writes at the query (Σ over keys); `part_promoted`,
    `part_suppressed`: of this key's part α·v·W_O alone. `query_reads`, `key_reads`: the logit lens of the residual
    states that the query and the key were computed from. `keys`: the keys of this row that contribute most.
    """

    layer: int
    head: int
    query: int
    key: int
    score: float
    probability: float
    rank: int
    contribution: float
    keys: list[KeyShare]
    promoted: list[TokenScore]
    suppressed: list[TokenScore]
    part_promoted: list[TokenScore]
    part_suppressed: list[TokenScore]
    query_reads: list[TokenScore]
    key_reads: list[TokenScore]


@define(frozen=True)
class AttentionMapParams:
    """`head` −1: all heads together. `side`: the maps are at most this many cells wide."""

    run_id: str
    layer: int
    head: int = -1
    side: int = 384


@define(frozen=True)
class AttentionMapResult:
    """float32 [query, key], 0 above the diagonal: the attention probabilities (of all heads: their mean), and the
    contributions before thresholding (of all heads: their sum).

    A longer prompt comes in `side` × `side` cells, cell i of the tokens from ⌊i·n_tokens/side⌋ on: the largest value
    of each, and in uint32 `…_at` the query·n_tokens + key at which it is; both are empty where a cell is a token.
    """

    layer: int
    head: int
    side: int
    probability: NumericArray
    contribution: NumericArray
    probability_at: NumericArray
    contribution_at: NumericArray


@define(frozen=True)
class LayerMapsParams:
    """`side`: a map is at most this many cells wide; several tokens share a cell where there are more."""

    run_id: str
    layer: int
    side: int = 48


@define(frozen=True)
class LayerMapsResult:
    """uint8 [head, side, side]: the largest value in each cell as round(255·√value); `contribution` is divided by the
    layer's largest, `largest`, first. `total`: each head's contribution summed over the keys, mean over the queries.
    """

    layer: int
    side: int
    largest: float
    probability: NumericArray
    contribution: NumericArray
    total: list[float]


@define(frozen=True)
class HeadTagsParams:
    run_id: str
    work_done_token: str = ""


@define(frozen=True)
class HeadTagsResult:
    """float32 [layer, head, tag]: how much attention goes to the previous token, the first token (a sink), earlier
    copies of the token, what followed them, and itself: means over random tokens given twice (`n_tokens` in all)."""

    tags: list[HeadTag]
    n_tokens: int
    scores: NumericArray
