"""Health, models, and the data of errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import Kind
from ..model.options import ModelChoice, SpecialTokens, Task

HealthState = Literal["starting", "ready", "busy", "error"]
ModelKind = Literal["embedded", "cached", "folder", "gguf", "adapter"]
Support = Literal["exact", "refused", "caught", "unknown"]
ErrorKind = Literal[Kind, "cancelled", "internal"]


@dataclass(frozen=True)
class ErrorData:
    """`data` of every error reply: the kind of failure as a code, and the remedy as a sentence.

    `needed_bytes`, `free_bytes`: memory, for a model that is too large or an analysis that is costly; 0 otherwise.
    """

    kind: ErrorKind
    remedy: str
    needed_bytes: int = 0
    free_bytes: int = 0


@dataclass(frozen=True)
class Device:
    """A place to compute: `cpu`, `cuda:0`, `mps`. Total and free memory in bytes; 0 where unknown."""

    id: str
    name: str
    memory_bytes: int
    free_bytes: int = 0


@dataclass(frozen=True)
class ModelInfo:
    """A loaded model. `memory_bytes` counts parameters and buffers. `n_experts`: the number of experts in each layer's
    feed-forward block, 0 where there are none (or none that can be opened). `labels`: a classifier's labels; otherwise
    empty.
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
    """The analyses that the backend can still answer questions about, and their memory in bytes."""

    n_runs: int = 0
    held_bytes: int = 0
    budget_bytes: int = 0


@dataclass(frozen=True)
class Health:
    """The state of the backend, sent as a notification whenever it changes. `instance` identifies the process."""

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
    """`initializationOptions`. `client_id` stays the same when a window reconnects.

    A client counts as lost after `silence_s` seconds without a message (0: it does not ping). The backend waits
    `away_minutes` for a client that was lost without a goodbye, and unloads the model after `idle_minutes` without work
    (0 in either: no limit).

    `model`, `special_tokens`: defaults for prompts whose front matter does not set them. `load_model`: load that model
    as soon as the backend is ready, for an editor that cannot request it. `keep_trailing_newline`: the newline at the
    end of a file is part of its last prompt.
    `workspace/didChangeConfiguration` changes these later, with the extension's settings:
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
    """`trace_memory_mb`: the memory that all analyses together may hold; the oldest is dropped first (0: the value
    that the process started with). Windows that share a process share this setting: the latest value holds.
    """

    trace_memory_mb: float = 0.0


@dataclass(frozen=True)
class ConfigureResult:
    trace_budget_bytes: int


@dataclass(frozen=True)
class ListedModel:
    """A model that can be loaded without a download. `size_bytes`: size on disk, 0 where unknown.

    `family`: transformers' model type, or the kind of an adapter. `base`: an adapter's base model. `support`: whether
    the family is known to be analysed exactly.
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
class LoadModelParams(ModelChoice):
    """Loads a model. A model that is already loaded makes room for it."""

    work_done_token: str = ""


@dataclass(frozen=True)
class UnloadModelParams:
    """`source` empty: every loaded model."""

    source: str = ""


@dataclass(frozen=True)
class UnloadModelResult:
    unloaded: list[str]
