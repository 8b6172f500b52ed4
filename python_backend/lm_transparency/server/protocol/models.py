"""Health, models, and how a request fails."""

from __future__ import annotations

from typing import Literal

from attrs import define

from ...errors import Kind
from ...model.options import Dtype

HealthState = Literal["starting", "ready", "busy", "error"]
ModelKind = Literal["embedded", "cached", "folder"]
ErrorKind = Literal[Kind, "cancelled", "internal"]


@define(frozen=True)
class ErrorData:
    """`data` of every error reply: what went wrong, as a code, and what helps, as a sentence."""

    kind: ErrorKind
    remedy: str


@define(frozen=True)
class Device:
    """A place to compute: `cpu`, `cuda:0`, `mps`. Memory, and what of it is free, in bytes; 0 where nobody can tell."""

    id: str
    name: str
    memory_bytes: int
    free_bytes: int = 0


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


@define(frozen=True)
class ClientOptions:
    """`initializationOptions`: `client_id` stays over the reconnections of one window; a client that `pings` does so
    every `PING_S` seconds; after `idle_minutes` without work the model is let go (0: never)."""

    client_id: str = ""
    pings: bool = False
    idle_minutes: float = 30.0


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
