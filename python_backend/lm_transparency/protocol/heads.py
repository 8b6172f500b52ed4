"""Questions about attention: an edge by head, a head, its maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .inspection import LensChoice, TokenScore, Update
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
    """Every head of one attention edge, [head]. `rank`: the number of keys in the row with more attention."""

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
class HeadParams(LensChoice):
    """One head at one query. `key` None: the key that contributes most. `top_k`: tokens to list; `keys_k`: keys."""

    run_id: str
    layer: int
    head: int
    query: int
    key: int | None = None
    top_k: int = 15
    keys_k: int = 10


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
    """One head at one query: why it attends to `key`, and its output.

    `rank`: the number of keys in the row with more attention. `keys`: the keys that contribute most. `update`: the
    update by the head's whole output (Σ over keys). `part`: the update by its output from `key`, α·v·W_O.
    `query_reads`, `key_reads`: the lens of the two residual states that query and key are computed from.
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
    lens: str = "logit"


@dataclass(frozen=True)
class HeadEntropyParams:
    """How evenly the heads of `layer` spread their attention at `query`."""

    run_id: str
    layer: int
    query: int


@dataclass(frozen=True)
class HeadEntropyResult:
    """`entropy` [head], in bits: −Σ_s α_s log₂ α_s over the keys of the query's row. `most`: the largest possible
    entropy, log₂ of the number of keys up to the query, reached by a head that attends to all of them equally.
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
    """[query, key], 0 above the diagonal: attention probabilities (their mean for all heads), and contributions before
    thresholding (their sum for all heads). `head` None: all heads.

    A prompt of more than `side` tokens is reduced to `side` × `side` cells; cell i starts at token
    ⌊i·n_tokens/side⌋. Each cell holds its largest value, and `…_at` the place of it, query·n_tokens + key. `…_at` is
    None where a cell is one token.
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
    """`side`: a map is at most this many cells wide; in a longer prompt several tokens share a cell."""

    run_id: str
    layer: int
    side: int = 48


@dataclass(frozen=True)
class LayerMapsResult:
    """Small maps of every head, [head, side, side]: the largest value in each cell as round(255·√value).

    `contribution` is first divided by the largest value of the layer, `largest`. `total` [head]: a head's contribution,
    summed over the keys and averaged over the queries.
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
    """`scores` [layer, head, tag]: the attention to the previous token, the first token, earlier copies of the
    token, the tokens after those copies, and the token itself. Each is a mean over random tokens given twice
    (`n_tokens` in all).
    """

    tags: tuple[HeadTag, ...]
    n_tokens: int
    scores: Float32
