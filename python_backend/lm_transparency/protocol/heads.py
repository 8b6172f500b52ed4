"""Questions about attention: an edge by head, a head, its maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .inspection import TokenScore, Update
from .values import Float32, Floats, Ints, Score, Uint8, Uint32

HeadTag = Literal["previous", "first", "duplicate", "induction", "self"]


@dataclass(frozen=True)
class EdgeHeadsParams:
    """The attention edge from `key` to `query` of `layer`."""

    run_id: str
    layer: int
    query: int
    key: int


@dataclass(frozen=True)
class EdgeHeads:
    """Every head of one attention edge, [head]. `rank`: how many keys of the row get more attention from the head."""

    contribution: Floats
    probability: Floats
    rank: Ints


@dataclass(frozen=True)
class EdgeHeadsResult:
    """An attention edge by head; `weight` is the sum over all heads, before thresholding."""

    layer: int
    query: int
    key: int
    weight: float
    heads: EdgeHeads


@dataclass(frozen=True)
class HeadParams:
    """One head at one query. `key` None: the key that contributes most. `top_k` of tokens, `keys_k` of keys."""

    run_id: str
    layer: int
    head: int
    query: int
    key: int | None = None
    top_k: int = 15
    keys_k: int = 10
    normalize: bool = True


@dataclass(frozen=True)
class KeyShare:
    """One key of a head's row. `score` is the scaled query·key product (with the mask's bias) that softmax sees; −∞
    where a sliding window hides the key.
    """

    position: int
    score: Score
    probability: float
    contribution: float


@dataclass(frozen=True)
class HeadResult:
    """One head at one query: why it looks at `key`, and what it writes.

    `rank`: keys of the row with more attention. `keys`: those that contribute most. `update`: of all that the head
    writes (Σ over keys); `part`: of what it brings from `key`, α·v·W_O. `query_reads`, `key_reads`: the logit lens of
    the two residual states that query and key are computed from.
    """

    layer: int
    head: int
    query: int
    key: KeyShare
    rank: int
    keys: tuple[KeyShare, ...]
    update: Update
    part: Update
    query_reads: tuple[TokenScore, ...]
    key_reads: tuple[TokenScore, ...]


@dataclass(frozen=True)
class HeadEntropyParams:
    """How evenly the heads of `layer` spread their attention at `query`."""

    run_id: str
    layer: int
    query: int


@dataclass(frozen=True)
class HeadEntropyResult:
    """`entropy` [head], in bits: −Σ_s α_s log₂ α_s over the keys of the query's row. `most`: log₂ of the number of keys
    up to the query, which a head reaches that attends to all of them alike.
    """

    layer: int
    query: int
    entropy: Floats
    most: float


@dataclass(frozen=True)
class AttentionMapParams:
    """`head` None: all heads together. `side`: the maps are at most this many cells wide."""

    run_id: str
    layer: int
    head: int | None = None
    side: int = 384


@dataclass(frozen=True)
class AttentionMapResult:
    """[query, key], 0 above the diagonal: the attention probabilities (of all heads: their mean), and the
    contributions before thresholding (of all heads: their sum). `head` None: of all heads.

    A longer prompt comes in `side` × `side` cells, cell i of the tokens from ⌊i·n_tokens/side⌋ on: the largest value
    of each, and in `…_at` the query·n_tokens + key at which it is; None where a cell is a token.
    """

    layer: int
    head: int | None
    side: int
    probability: Float32
    contribution: Float32
    probability_at: Uint32 | None = None
    contribution_at: Uint32 | None = None


@dataclass(frozen=True)
class LayerMapsParams:
    """`side`: a map is at most this many cells wide; several tokens share a cell where there are more."""

    run_id: str
    layer: int
    side: int = 48


@dataclass(frozen=True)
class LayerMapsResult:
    """Small maps of every head, [head, side, side]: the largest value in each cell as round(255·√value).

    `contribution` is divided by the layer's largest, `largest`, first. `total` [head]: a head's contribution summed
    over the keys, mean over the queries.
    """

    layer: int
    side: int
    largest: float
    probability: Uint8
    contribution: Uint8
    total: Floats


@dataclass(frozen=True)
class HeadTagsParams:
    run_id: str
    work_done_token: str = ""


@dataclass(frozen=True)
class HeadTagsResult:
    """`scores` [layer, head, tag]: how much attention goes to the previous token, the first token (a sink), earlier
    copies of the token, what followed them, and itself: means over random tokens given twice (`n_tokens` in all)."""

    tags: tuple[HeadTag, ...]
    n_tokens: int
    scores: Float32
