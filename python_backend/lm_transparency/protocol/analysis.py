"""One prompt, analysed: what is asked, and what a payload holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..model.options import SpecialTokens
from .models import ModelChoice, ModelInfo

PAYLOAD_FORMAT = 1

LayerKind = Literal["attention", "mixer", "both", "neither"]
ProofPart = Literal["attention", "ffn", "layer"]


@dataclass(frozen=True, kw_only=True)
class AnalyzeParams(ModelChoice):
    """A prompt, and the model that reads it. `chat`: the prompt is a chat (`model.chat.parse_chat`), to be written by
    the model's chat template.

    `ask`: fail with the kind `costly` rather than begin what would not fit into memory, or take more than
    `ask_above_seconds` or `ask_above_mb` (0: any amount is fine).

    `live`: the prompt is being typed, and a backend that shares its machine with the editor leaves a core to it.

    `work_done_token`: progress arrives as `$/progress` (begin, report with percentage, end) under it.
    `partial_result_token`: of a long prompt the routes into the target arrive first, as `$/progress` under it whose
    value is an `AnalyzeResult` with some rows (column `known`); questions about that run are answered from then on.
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
    """What the analysis will take beside the model: `seconds`, and `bytes` at its height, of which `free_bytes` are
    free. `longest_that_fits`: tokens; no more than the model's context. `calibrated`: the time is known from analyses
    on this machine; otherwise it is assumed to be slow.
    """

    tokens: int
    seconds: float
    bytes: int
    free_bytes: int
    fits: bool
    longest_that_fits: int
    calibrated: bool


@dataclass(frozen=True)
class TokenInfo:
    """One token of the prompt. `start`, `end`: UTF-16 offsets into the prompt, equal for a token that was added.

    `special`: added by us or the tokenizer, not part of the text. `shared`: a piece of a character that several
    tokens make up; `text` then shows its bytes as `⟨f0 9f⟩`. `template`: put in by the chat template.
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

    `per_layer`: what the proof goes by, the larger error of the two sublayers; `attention`, `ffn`: each of them, empty
    in parallel blocks, which add both in one step; `whole`: of the layer from its input to its output.
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
    """What is small about an analysis. `predicted` [n_tokens][top_k]: texts of the columns `prediction_*`.

    `target`: the position that the model's answer comes from (a classifier's pooled one, else the last).
    `layer_kinds`: what moves information between tokens in each layer; empty where it is attention everywhere. A
    mixer is linear attention, a state space or a short convolution: it has no heads, and is one part per position.
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


#: Columns of an analysis: name → (dtype, shape, meaning). L layers, T tokens, H heads, K predictions a position,
#: E token edges, N head entries. An edge (layer, query, key) is listed where its weight, the sum over *all* heads,
#: exceeds the floor, sorted by layer, query, key; its heads are entries `head_offset[i] : head_offset[i + 1]`,
#: those above the floor. Weights are contributions before thresholding: in each row (layer, query)
#: attention + residual + bias + mixer = 1, and ffn + ffn_residual = 1. In a parallel block all of them together sum
#: to 1 and `ffn_residual` is 0. A row that is not known yet has no edges and is 0 throughout; of a position whose
#: predictions are not known `predicted` is empty.
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
