"""The analysis of one prompt: its request, and the contents of its payload."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..model.options import ModelChoice, SpecialTokens
from .models import ModelInfo
from .values import Float32Tensor, Uint32Tensor

PAYLOAD_FORMAT = 1

LayerKind = Literal["attention", "mixer", "both", "neither"]
ProofPart = Literal["attention", "ffn", "layer"]


@dataclass(frozen=True, kw_only=True)
class AnalyzeParams(ModelChoice):
    """A prompt and its model. `chat`: the prompt is a chat (`model.chat.parse_chat`), which the model's chat template
    turns into text.

    `ask`: fail with the kind `costly` instead of starting an analysis that would not fit into memory, or would need
    more than `ask_above_seconds` or `ask_above_mb` (0: no limit).

    `live`: the prompt is being typed. A backend on the editor's machine then leaves a core free for the editor.

    `work_done_token`: the token of progress, which arrives as `$/progress` (begin, report with percentage, end).
    `partial_result_token`: the token of an early result. For a long prompt the routes into the target arrive first, as
    `$/progress` whose value is an `AnalyzeResult` with some rows (column `known`). Questions about that run are
    answered from then on.
    """

    prompt: str
    special_tokens: SpecialTokens = "auto"
    chat: bool = False
    top_k: int = 10
    ask: bool = False
    ask_above_seconds: float = 0.0
    ask_above_mb: float = 0.0
    live: bool = False
    work_done_token: str = ""
    partial_result_token: str = ""


@dataclass(frozen=True)
class AnalyzeResult:
    """`payload`: base64 of the msgpack map `{"meta": AnalysisMeta, "columns": {name: {"dtype","shape","data"}}}`."""

    run_id: str
    payload: str


@dataclass(frozen=True, kw_only=True)
class EstimateParams(ModelChoice):
    """A prompt and a model as in `AnalyzeParams`."""

    prompt: str
    special_tokens: SpecialTokens = "auto"
    chat: bool = False
    work_done_token: str = ""


@dataclass(frozen=True)
class EstimateResult:
    """The cost of the analysis beyond the model: `seconds`, and `bytes` of memory at its peak. `free_bytes`: memory
    that is free. `longest_that_fits`: tokens, at most the model's context. `calibrated`: `seconds` is based on analyses
    on this machine; otherwise the machine is assumed to be slow.
    """

    tokens: int
    seconds: float
    bytes: int
    free_bytes: int
    fits: bool
    longest_that_fits: int
    calibrated: bool


@dataclass(frozen=True, kw_only=True)
class PlainLensParams(ModelChoice):
    """A prompt and a model as in `AnalyzeParams`. `most`: positions, counted from the end."""

    prompt: str
    special_tokens: SpecialTokens = "auto"
    chat: bool = False
    top_k: int = 5
    most: int = 48
    work_done_token: str = ""


@dataclass(frozen=True)
class PlainLensResult:
    """The logit lens of a model that cannot be decomposed, from its outputs alone.

    `tokens`: texts of the positions that are shown; `first`: the first of them. `top` [row, position, k]: the ids of
    the most probable tokens (`texts` has their texts) with `top_probability`. Row 0 reads the embedding, row l + 1 the
    state after layer l; the last row is the model's own prediction.
    """

    model: str
    first: int
    tokens: list[str]
    texts: dict[int, str]
    top: Uint32Tensor
    top_probability: Float32Tensor


@dataclass(frozen=True)
class TokenInfo:
    """One token of the prompt. `start`, `end`: UTF-16 offsets into the prompt, equal for an added token.

    `special`: added by the product or the tokenizer, not part of the text. `shared`: a piece of a character that spans
    several tokens; `text` then shows its bytes as `⟨f0 9f⟩`. `template`: added by the chat template.
    """

    id: int
    text: str
    start: int
    end: int
    special: bool
    shared: bool
    template: bool


@dataclass(frozen=True)
class Proof:
    """Largest of `‖whole − Σ parts‖ / ‖whole‖` over layers and positions (docs/method.md#proof).

    `per_layer`: the larger error of the two sublayers, which decides the proof. `attention`, `ffn`: the error of each
    sublayer, empty in parallel blocks, which add both in one step. `whole`: the error of the layer from its input to
    its output.
    """

    max_relative_error: float
    worst_layer: int
    tolerance: float
    holds: bool
    per_layer: list[float]
    worst_part: ProofPart
    attention: list[float]
    ffn: list[float]
    whole: list[float]


@dataclass(frozen=True)
class Timing:
    """Seconds."""

    forward_s: float
    contributions_s: float
    payload_s: float


@dataclass(frozen=True)
class AnalysisMeta:
    """The small fields of an analysis. `predicted` [n_tokens][top_k]: texts of the columns `prediction_*`.

    `target`: the position that the model's answer comes from (the pooled position of a classifier, otherwise the last).
    `layer_kinds`: the kind of block that moves information between tokens, by layer; empty where every layer has
    attention. A mixer is linear attention, a state space or a short convolution: it has no heads, and counts as one
    part per position.
    """

    format: int
    run_id: str
    prompt: str
    model: ModelInfo
    tokens: list[TokenInfo]
    target: int
    predicted: list[list[str]]
    floor: float
    proof: Proof
    timing: Timing
    notices: list[str] = field(default_factory=list)
    layer_kinds: list[LayerKind] = field(default_factory=list)


#: Columns of an analysis: name → (dtype, shape, meaning). L layers, T tokens, H heads, K predictions per position,
#: E token edges, N head entries. An edge (layer, query, key) is listed where its weight, the sum over *all* heads,
#: exceeds the floor. Edges are sorted by layer, query, key. The heads of edge i that exceed the floor are the entries
#: `head_offset[i] : head_offset[i + 1]`. Weights are contributions before thresholding: in each row (layer, query)
#: attention + residual + bias + mixer = 1, and ffn + ffn_residual = 1. In a parallel block all of them together sum
#: to 1 and `ffn_residual` is 0. A row that is not known yet has no edges and is 0 throughout. `predicted` is empty at
#: positions whose predictions are not known yet.
COLUMNS: dict[str, tuple[str, str, str]] = {
    "edge_layer": ("uint16", "E", "layer of an attention edge I(l-1, key) → A(l, query)"),
    "edge_query": ("uint32", "E", "query position"),
    "edge_key": ("uint32", "E", "key position"),
    "edge_weight": ("float32", "E", "Σ over all heads of the contribution"),
    "head_offset": ("uint32", "E+1", "first head entry of each edge"),
    "head_index": ("uint16", "N", "head"),
    "head_weight": ("float32", "N", "contribution of one head"),
    "attention_residual": ("float32", "L×T", "contribution of I(l-1, t) to A(l, t) through the residual stream"),
    "attention_bias": ("float32", "L×T", "contribution of the attention block's bias to A(l, t)"),
    "mixer": ("float32", "L×T", "contribution of linear attention or a state space to A(l, t), one part per position"),
    "ffn": ("float32", "L×T", "contribution of the feed-forward block to I(l, t)"),
    "ffn_residual": ("float32", "L×T", "contribution of A(l, t) to I(l, t) through the residual stream"),
    "known": ("uint16", "L×T", "1 where the row (layer, t) is computed, 0 where it is still to come"),
    "prediction_id": ("uint32", "T×K", "ids of the most probable next tokens, or labels"),
    "prediction_probability": ("float32", "T×K", "their probabilities; 0 where the task is value"),
    "prediction_logit": ("float32", "T×K", "their logits"),
}
