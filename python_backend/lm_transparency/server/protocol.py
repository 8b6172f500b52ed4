"""Every message on the wire, in one place. `extension/shared/protocol.ts` is generated from this file.

Attributes are snake_case here and camelCase on the wire. A `…Params` class is what a client sends, a `…Result` what
it gets back. Requests never trust their params: handlers read them with `messages.read`, which reports the field.
"""

from __future__ import annotations

from typing import Literal

from attrs import define, field

from ..errors import Kind
from ..model.options import Dtype, SpecialTokens

PROTOCOL_VERSION = 1
PAYLOAD_FORMAT = 1

# ---------------------------------------------------------------- methods

HEALTH = "lmTransparency/health"
HEALTH_CHANGED = "lmTransparency/healthChanged"
LIST_MODELS = "lmTransparency/listModels"
LOAD_MODEL = "lmTransparency/loadModel"
UNLOAD_MODEL = "lmTransparency/unloadModel"
ANALYZE = "lmTransparency/analyze"
NODE_TOKENS = "lmTransparency/nodeTokens"

# ---------------------------------------------------------------- vocabulary

HealthState = Literal["starting", "ready", "busy", "error"]
ModelKind = Literal["embedded", "cached", "folder"]
NodeKind = Literal["embedding", "attention", "ffn", "residual"]
ErrorKind = Literal[Kind, "cancelled", "internal"]


@define(frozen=True)
class ErrorData:
    """`data` of every error reply: what went wrong, as a code, and what helps, as a sentence."""

    kind: ErrorKind
    remedy: str


# ---------------------------------------------------------------- health and models


@define(frozen=True)
class Device:
    """A place to compute: `cpu`, `cuda:0`, `mps`. Memory in bytes; 0 where it cannot be told."""

    id: str
    name: str
    memory_bytes: int


@define(frozen=True)
class ModelInfo:
    """A loaded model. `memory_bytes` counts parameters and buffers."""

    source: str
    name: str
    architecture: str
    n_params: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_model: int
    d_ffn: int
    n_vocab: int
    n_context: int
    dtype: str
    device: str
    memory_bytes: int
    parallel: bool


@define(frozen=True)
class Health:
    """The state of the backend; sent as a notification whenever it changes."""

    protocol_version: int
    package_version: str
    state: HealthState
    message: str
    remedy: str
    python: str
    torch: str
    transformers: str
    devices: list[Device]
    loaded: list[ModelInfo]


@define(frozen=True)
class ListedModel:
    """A model that can be loaded without a download. `size_bytes` on disk; 0 where unknown."""

    source: str
    name: str
    kind: ModelKind
    loaded: bool
    size_bytes: int


@define(frozen=True)
class ListModelsResult:
    models: list[ListedModel]
    default_source: str


@define(frozen=True)
class LoadModelParams:
    """`source`: hub id, local folder, GGUF file, or empty for the embedded default."""

    source: str = ""
    dtype: Dtype = "auto"
    device: str = "auto"
    allow_download: bool = False
    work_done_token: str = ""


@define(frozen=True)
class UnloadModelParams:
    """`source` empty: every loaded model."""

    source: str = ""


@define(frozen=True)
class UnloadModelResult:
    unloaded: list[str]


# ---------------------------------------------------------------- analysis


@define(frozen=True)
class AnalyzeParams:
    """`work_done_token`: progress arrives as `$/progress` (begin, report with percentage, end) under it."""

    prompt: str
    source: str = ""
    dtype: Dtype = "auto"
    device: str = "auto"
    allow_download: bool = False
    special_tokens: SpecialTokens = "auto"
    top_k: int = 10
    work_done_token: str = ""


@define(frozen=True)
class AnalyzeResult:
    """`payload`: base64 of the msgpack map `{"meta": AnalysisMeta, "columns": {name: {"dtype","shape","data"}}}`."""

    run_id: str
    payload: str


@define(frozen=True)
class TokenInfo:
    """One token of the prompt. `start`, `end`: UTF-16 offsets into the prompt, equal for a token that was added.

    `special`: added by us or the tokenizer, not part of the text. `shared`: a piece of a character that several
    tokens make up; `text` then shows its bytes as `⟨f0 9f⟩`.
    """

    id: int
    text: str
    start: int
    end: int
    special: bool
    shared: bool


@define(frozen=True)
class Proof:
    """Largest of `‖whole − Σ parts‖ / ‖whole‖` over layers and positions (method.md, section 2)."""

    max_relative_error: float
    worst_layer: int
    tolerance: float
    holds: bool
    per_layer: list[float]


@define(frozen=True)
class Timing:
    """Seconds."""

    forward_s: float
    contributions_s: float
    payload_s: float


@define(frozen=True)
class AnalysisMeta:
    """What is small about an analysis. `predicted` [n_tokens][top_k]: texts of the columns `prediction_*`."""

    format: int
    run_id: str
    prompt: str
    model: ModelInfo
    tokens: list[TokenInfo]
    predicted: list[list[str]]
    floor: float
    proof: Proof
    timing: Timing
    notices: list[str] = field(factory=list)


#: Columns of an analysis: name → (dtype, shape, meaning). L layers, T tokens, H heads, K predictions a position,
#: E token edges, N head entries. An edge (layer, query, key) is listed where its weight, the sum over *all* heads,
#: exceeds the floor, sorted by layer, query, key; its heads are entries `head_offset[i] : head_offset[i + 1]`,
#: those above the floor. Weights are contributions before thresholding: in each row (layer, query)
#: attention + residual + bias = 1, and ffn + ffn_residual = 1. In a parallel block all of them together sum to 1 and
#: `ffn_residual` is 0.
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
    "ffn": ("float32", "L×T", "contribution of the feed-forward block to I(l, t)"),
    "ffn_residual": ("float32", "L×T", "contribution of A(l, t) to I(l, t) through the residual stream"),
    "prediction_id": ("uint32", "T×K", "ids of the most probable next tokens"),
    "prediction_probability": ("float32", "T×K", "their probabilities"),
    "prediction_logit": ("float32", "T×K", "their logits"),
}


# ---------------------------------------------------------------- nodes


@define(frozen=True)
class NodeTokensParams:
    """`node`: `X0_t`, `A<l>_<t>`, `M<l>_<t>` or `I<l>_<t>`."""

    run_id: str
    node: str
    top_k: int = 15
    normalize: bool = True


@define(frozen=True)
class TokenScore:
    """`probability` and `rank_change` (ranks gained against the node before) are 0 for updates."""

    id: int
    text: str
    logit: float
    probability: float
    rank_change: int


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


#: What `scripts/generate_protocol.py` writes to TypeScript, in this order.
MESSAGES: tuple[type, ...] = (
    ErrorData,
    Device,
    ModelInfo,
    Health,
    ListedModel,
    ListModelsResult,
    LoadModelParams,
    UnloadModelParams,
    UnloadModelResult,
    AnalyzeParams,
    AnalyzeResult,
    TokenInfo,
    Proof,
    Timing,
    AnalysisMeta,
    NodeTokensParams,
    TokenScore,
    NodeTokensResult,
)
