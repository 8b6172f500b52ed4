"""Health, models, and how a request fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..errors import Kind
from ..model.options import Dtype, Loading, SpecialTokens, Task

HealthState = Literal["starting", "ready", "busy", "error"]
ModelKind = Literal["embedded", "cached", "folder", "gguf", "adapter"]
Support = Literal["exact", "refused", "caught", "unknown"]
ErrorKind = Literal[Kind, "cancelled", "internal"]


@dataclass(frozen=True)
class ErrorData:
    """`data` of every error reply: what went wrong, as a code, and what helps, as a sentence.

    `needed_bytes`, `free_bytes`: of a model that is too large, or of an analysis that is costly; 0 otherwise.
    """

    kind: ErrorKind
    remedy: str
    needed_bytes: int = 0
    free_bytes: int = 0


@dataclass(frozen=True)
class Device:
    """A place to compute: `cpu`, `cuda:0`, `mps`. Memory, and what of it is free, in bytes; 0 where nobody can tell."""

    id: str
    name: str
    memory_bytes: int
    free_bytes: int = 0


@dataclass(frozen=True)
class ModelInfo:
    """A loaded model. `memory_bytes` counts parameters and buffers. `n_experts`: of each layer's feed-forward block,
    0 where it has none (or none that can be opened). `labels`: of a classifier, else empty.
    """

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
    n_experts: list[int]
    task: Task
    labels: list[str]


@dataclass(frozen=True)
class Traces:
    """Analyses that the backend can still answer questions about, and their memory. Bytes."""

    n_runs: int = 0
    held_bytes: int = 0
    budget_bytes: int = 0


@dataclass(frozen=True)
class Health:
    """The state of the backend; sent as a notification whenever it changes. `instance` tells processes apart."""

    instance: str
    process_id: int
    host: str
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
    traces: Traces


@dataclass(frozen=True)
class ClientOptions:
    """`initializationOptions`: `client_id` stays over the reconnections of one window.

    A client that is not heard for `silence_s` seconds is lost (0: it does not ping), and one that was lost without a
    goodbye is waited for `away_minutes`; after `idle_minutes` without work the model is let go (0: never, both).

    `model`, `special_tokens`: what prompts are read with where their front matter is silent; `load_model`: load that
    model as soon as the backend is ready, for an editor that cannot ask for it.
    `keep_trailing_newline`: the newline that ends a file is a part of its last prompt.
    These can be changed later by `workspace/didChangeConfiguration` with settings as the extension has them:
    `{"lmTransparency": {"model": …, "specialTokens": …, "prompts": {"keepTrailingNewline": …}}}`.
    """

    client_id: str = ""
    silence_s: float = 0.0
    away_minutes: float = 30.0
    idle_minutes: float = 30.0
    model: str = ""
    special_tokens: SpecialTokens = "auto"
    load_model: bool = False
    keep_trailing_newline: bool = False


@dataclass(frozen=True)
class ConfigureParams:
    """`trace_memory_mb`: what analyses may hold together, the oldest goes first (0: as the process was started).

    Windows that share a process share it: what was said last holds."""

    trace_memory_mb: float = 0.0


@dataclass(frozen=True)
class ConfigureResult:
    trace_budget_bytes: int


@dataclass(frozen=True)
class ListedModel:
    """A model that can be loaded without a download. `size_bytes` on disk; 0 where unknown.

    `family`: transformers' model type, or of an adapter its kind (`base`: what it is of); `support`: whether the family
    is known to be analysed exactly.
    """

    source: str
    name: str
    kind: ModelKind
    loaded: bool
    size_bytes: int
    family: str
    support: Support
    base: str


@dataclass(frozen=True)
class ListModelsResult:
    models: list[ListedModel]
    default_source: str


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """A model and how it is loaded.

    `source`: hub id (`@revision`), local folder, adapter, GGUF file, or empty for the embedded default.

    `trust_remote_code`: exact names of models whose own code may be run. `anyway`: also where memory will not suffice.
    """

    source: str = ""
    dtype: Dtype = "auto"
    device: str = "auto"
    allow_download: bool = False
    trust_remote_code: list[str] = field(default_factory=list)
    anyway: bool = False

    def options(self) -> Loading:
        """What `Session.load` takes besides the source."""
        return {
            "dtype": self.dtype,
            "device": self.device,
            "allow_download": self.allow_download,
            "trust_remote_code": self.trust_remote_code,
            "anyway": self.anyway,
        }


@dataclass(frozen=True, kw_only=True)
class LoadModelParams(ModelChoice):
    """Loads a model; another one that is held makes room for it."""

    work_done_token: str = ""


@dataclass(frozen=True)
class UnloadModelParams:
    """`source` empty: every loaded model."""

    source: str = ""


@dataclass(frozen=True)
class UnloadModelResult:
    unloaded: list[str]
