"""What can be asked about a run: one method a question, each answered from its trace."""

from __future__ import annotations

from typing import Literal

from attrs import define

NodeKind = Literal["embedding", "attention", "ffn", "residual"]
HeadTag = Literal["previous", "first", "duplicate", "induction", "self"]
#: Of what function of its logits a router's gates are shares.
RouterScoring = Literal["softmax", "sigmoid", "unknown"]
ExportFormat = Literal["json", "csv", "svg"]
Ink = Literal["flow", "local"]
Appearance = Literal["light", "dark"]


@define(frozen=True)
class NumericArray:
    """Numbers in bulk: `data` is base64 of the little-endian values in row-major order."""

    dtype: Literal["uint8", "uint32", "float32"]
    shape: list[int]
    data: str


@define(frozen=True)
class TokenScore:
    """`probability` and `rank_change` (ranks gained against the node before) are 0 for updates."""

    id: int
    text: str
    logit: float
    probability: float
    rank_change: int


# ---------------------------------------------------------------- nodes


@define(frozen=True)
class NodeTokensParams:
    """`node`: `X0_t`, `A<l>_<t>`, `M<l>_<t>` or `I<l>_<t>`. `top_k` of the state, `update_k` of the update."""

    run_id: str
    node: str
    top_k: int = 30
    update_k: int = 15
    normalize: bool = True


@define(frozen=True)
class NodeTokensResult:
    """The logit lens of a residual state (`top`), and what the block's update promotes and suppresses.

    `promoted`, `suppressed`: of the block that leads into this node (attention for A, feed-forward for M and I);
    empty for an embedding. `top` is empty for M, which is an update and not a state.
    """

    node: str
    kind: NodeKind
    layer: int
    position: int
    top: list[TokenScore]
    promoted: list[TokenScore]
    suppressed: list[TokenScore]


# ---------------------------------------------------------------- heads


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
    """`head` −1: all heads together."""

    run_id: str
    layer: int
    head: int = -1


@define(frozen=True)
class AttentionMapResult:
    """float32 [query, key], 0 above the diagonal: the attention probabilities (of all heads: their mean), and the
    contributions before thresholding (of all heads: their sum)."""

    layer: int
    head: int
    probability: NumericArray
    contribution: NumericArray


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


# ---------------------------------------------------------------- feed-forward blocks


@define(frozen=True)
class FfnNeuronsParams:
    run_id: str
    layer: int
    position: int
    top_k: int = 20


@define(frozen=True)
class NeuronShare:
    neuron: int
    activation: float
    contribution: float


@define(frozen=True)
class FfnNeuronsResult:
    """The neurons of a feed-forward block that contribute most to the residual after the layer.

    Here each neuron is a part of its own: all `n_neurons` contributions + `residual` + `bias` = 1, and `neurons_total`
    is the sum over all of them. `block_contribution`: of the block as one part, as in the graph.
    """

    layer: int
    position: int
    n_neurons: int
    n_contributing: int
    block_contribution: float
    neurons_total: float
    residual: float
    bias: float
    neurons: list[NeuronShare]


@define(frozen=True)
class FfnExpertsParams:
    """A feed-forward block with experts. `top_k`: tokens that each of them promotes."""

    run_id: str
    layer: int
    position: int
    top_k: int = 5
    normalize: bool = True


@define(frozen=True)
class ExpertShare:
    """An active expert as a part of the residual after the layer. `expert`: its number, or `shared` (`shared2` …)."""

    expert: str
    gate: float
    contribution: float
    promoted: list[TokenScore]


@define(frozen=True)
class RouterScore:
    """What the router gave an expert; a gate of 0: not chosen. `probability` is 0 where `scoring` is unknown."""

    expert: int
    logit: float
    probability: float
    gate: float


@define(frozen=True)
class FfnExpertsResult:
    """The active experts of a block, those that contribute most first; `router`: they and the runners-up.

    Each expert is a part of its own: `experts_total` + `residual` + `bias` = 1. `error`: of the experts' sum against
    what the block wrote, relative; `notice` says so where it is too large, and is empty otherwise.
    """

    layer: int
    position: int
    n_experts: int
    scoring: RouterScoring
    block_contribution: float
    experts_total: float
    residual: float
    bias: float
    error: float
    tolerance: float
    notice: str
    experts: list[ExpertShare]
    router: list[RouterScore]


@define(frozen=True)
class ExpertParams:
    """`expert`: a number, or `shared`. `top_k` of tokens, `neurons_k` of neurons."""

    run_id: str
    layer: int
    expert: str
    position: int
    top_k: int = 15
    neurons_k: int = 20
    normalize: bool = True


@define(frozen=True)
class ExpertResult:
    """One expert. `gates`: at every position, 0 where it is not active; what it writes is empty there.

    Each neuron is a part of its own: `neurons_total` + `others` (the other experts) + `residual` + `bias` = 1.
    `notice`: what cannot be trusted, or why there are no neurons; empty otherwise.
    """

    layer: int
    expert: str
    position: int
    gate: float
    contribution: float
    promoted: list[TokenScore]
    suppressed: list[TokenScore]
    gates: list[float]
    n_neurons: int
    n_contributing: int
    neurons_total: float
    others: float
    residual: float
    bias: float
    error: float
    notice: str
    neurons: list[NeuronShare]


@define(frozen=True)
class NeuronParams:
    """`expert`: whose neuron it is, in a block with experts; else empty."""

    run_id: str
    layer: int
    neuron: int
    position: int
    top_k: int = 15
    normalize: bool = True
    expert: str = ""


@define(frozen=True)
class NeuronResult:
    """One neuron. `promoted`, `suppressed`: of activation · W_out, so that a negative activation turns them round.
    `activations`: at every position of the prompt; of an expert's neuron 0 where the expert is not active."""

    layer: int
    expert: str
    neuron: int
    position: int
    activation: float
    contribution: float
    promoted: list[TokenScore]
    suppressed: list[TokenScore]
    activations: list[float]


# ---------------------------------------------------------------- the logit lens over layers


@define(frozen=True)
class LensGridParams:
    """`token` −1: no token is followed."""

    run_id: str
    token: int = -1
    normalize: bool = True
    work_done_token: str = ""


@define(frozen=True)
class LensGridResult:
    """The logit lens of the embedding (row 0) and of the residual after each layer (row l + 1), at every position.

    [row, position]: `top` indexes `texts`, its probability and logit; of the followed token its probability and rank
    (0 for the most probable), empty where none is followed.
    """

    texts: list[str]
    top: NumericArray
    top_probability: NumericArray
    top_logit: NumericArray
    token: int
    token_probability: NumericArray
    token_rank: NumericArray


@define(frozen=True)
class LensTrackParams:
    """Tokens of the vocabulary to follow at one position."""

    run_id: str
    position: int
    tokens: list[int]
    normalize: bool = True


@define(frozen=True)
class LensTrack:
    """One token over the rows of the lens grid: probability, logit, and rank (0 for the most probable)."""

    token: int
    text: str
    probability: list[float]
    logit: list[float]
    rank: list[int]


@define(frozen=True)
class LensTrackResult:
    position: int
    tracks: list[LensTrack]


# ---------------------------------------------------------------- exports


@define(frozen=True)
class ExportParams:
    """The graph of one target as a file."""

    run_id: str
    format: ExportFormat
    target: int
    threshold: float
    renormalize: bool = True
    ink: Ink = "flow"
    appearance: Appearance = "light"


@define(frozen=True)
class ExportResult:
    text: str
