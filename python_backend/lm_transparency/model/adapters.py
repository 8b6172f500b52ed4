"""PEFT adapters (LoRA and related kinds): the base model of an adapter, and attaching it without changing a weight."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from ..errors import TransparencyError
from ..files.json_files import read_object
from ..watch import Watch
from .construction import Held, building
from .headers import safetensors_header
from .sources import Source
from .validation import validate_patterns
from .weights import ADAPTER

_WEIGHTS = "adapter_model.safetensors"

#: Kinds that change what linear layers, norms or embeddings do; `linear.weight_in_out` reads their matrices exactly.
EXACT = ("LORA", "ADALORA", "LOHA", "LOKR", "IA3", "OFT", "BOFT", "VERA", "LN_TUNING")


@dataclass(frozen=True)
class Adapter:
    """An adapter on this machine. `base`: its base model's name, as a user would give it."""

    folder: Path
    name: str
    base: str
    kind: str


def read_adapter(found: Source, base: str = "") -> Adapter:
    """The adapter in a folder; `base` replaces the base model that it names.

    Raises `TransparencyError`: `modelUnusable` for an adapter without readable safetensors or without a base, and
    `modelUnsupported` for a kind that does more than change weights.
    """
    folder = Path(found.location)
    remedy = "Save the adapter again with save_pretrained."
    config = read_object(folder / ADAPTER, kind="modelUnusable", remedy=remedy, strict=False)
    kind = config.get("peft_type")
    if not isinstance(kind, str):
        raise TransparencyError("modelUnusable", f"{folder / ADAPTER} names no peft_type.", remedy)
    _refuse(found.name, kind, config)
    if not (folder / _WEIGHTS).is_file():
        raise TransparencyError(
            "modelUnusable",
            f"The adapter {found.name} has no {_WEIGHTS}; pickled weights are refused, since unpickling can run code.",
            "Save it again with save_pretrained, which writes safetensors.",
        )
    return Adapter(folder, found.name, base or _base(found.name, folder, config), kind)


def attach(model: PreTrainedModel, adapter: Adapter, watch: Watch) -> PreTrainedModel:
    """`model` with the adapter beside its weights, in evaluation mode.

    Raises `TransparencyError`: `dependencyMissing` without peft, `modelUnusable` where adapter and base do not fit.
    """
    try:
        import peft
    except ImportError as error:
        raise TransparencyError(
            "dependencyMissing",
            f"{adapter.name} is an adapter, and the Python package peft is not installed.",
            f"Install it: {sys.executable} -m pip install 'lm-transparency[peft]'.",
        ) from error
    tensors = safetensors_header(adapter.folder / _WEIGHTS)
    _check_sizes(model, adapter, len(tensors), watch)
    held = Held.by(tensors)
    with warnings.catch_warnings(record=True) as said, building(adapter.name, held, watch):
        warnings.simplefilter("always")
        try:
            wrapped = peft.PeftModel.from_pretrained(model, str(adapter.folder), is_trainable=False)
        except (ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
            raise _no_fit(adapter, next(iter(str(error).strip().splitlines()), type(error).__name__)) from error
    # peft fills missing weights with neutral ones, and only warns
    missing = next((str(w.message) for w in said if "missing adapter keys" in str(w.message)), "")
    if missing:
        raise _no_fit(adapter, missing)
    left = _left_over(wrapped, adapter)
    if left:
        raise _no_fit(adapter, f"the base has no place for {left[0]}")
    base: Any = wrapped.get_base_model()
    return base.eval()


def _check_sizes(model: PreTrainedModel, adapter: Adapter, n_tensors: int, watch: Watch) -> None:
    """Raise `TransparencyError("modelUnusable")` for an adapter whose patterns do not terminate, or with more layers
    than weights.
    """
    config = read_object(adapter.folder / ADAPTER, kind="modelUnusable", strict=False)
    given = (config.get(key) for key in ("target_modules", "exclude_modules", "layers_pattern"))
    patterns = [value for value in given if isinstance(value, str)]
    for key in ("rank_pattern", "alpha_pattern"):
        patterns += [str(pattern) for pattern in config.get(key) or {}]
    validate_patterns(patterns, [name for name, _ in model.named_modules()], adapter.name, watch)
    replicated = config.get("layer_replication") or []
    try:
        n_layers = sum(max(0, end - start) for start, end in replicated)
    except (TypeError, ValueError):
        n_layers = n_tensors + 1
    if n_layers > n_tensors:
        raise TransparencyError(
            "modelUnusable",
            f"The adapter {adapter.name} asks for {n_layers:,} layers (layer_replication) and has {n_tensors} tensors.",
            "Save the adapter again with save_pretrained.",
        )


def _refuse(name: str, kind: str, config: dict[str, Any]) -> None:
    why = ""
    if kind not in EXACT:
        why = f"a {kind} adapter does more than change weights"
    elif config.get("task_type") not in (None, "CAUSAL_LM"):
        why = f"it was made for the task {config['task_type']}"
    elif config.get("alora_invocation_tokens"):
        why = "it changes the weights from a token of the prompt on (aLoRA)"
    elif config.get("megatron_config"):
        why = "it was made for Megatron"
    if why:
        raise TransparencyError(
            "modelUnsupported",
            f"The adapter {name} cannot be analyzed exactly: {why}.",
            f"Kinds that can: {', '.join(EXACT)}; or merge it into its base with peft, and load that folder.",
        )


def _base(name: str, folder: Path, config: dict[str, Any]) -> str:
    base = str(config.get("base_model_name_or_path") or "")
    if not base:
        raise TransparencyError(
            "modelUnusable",
            f"The adapter {name} does not name its base model.",
            f"Name it: base_model_name_or_path in its {ADAPTER}, or --base at the command line.",
        )
    if (folder / base).is_dir() or (folder / base).is_file():
        return str((folder / base).resolve())
    revision = config.get("revision")
    return f"{base}@{revision}" if revision and not Path(base).exists() else base


def _left_over(wrapped: Any, adapter: Adapter) -> list[str]:
    """Weights of the adapter that found no place: it was made for a larger model."""
    from peft import get_peft_model_state_dict
    from peft.mapping import PEFT_TYPE_TO_PREFIX_MAPPING
    from safetensors import safe_open

    prefix = f".{PEFT_TYPE_TO_PREFIX_MAPPING[wrapped.peft_type]}"
    taken = get_peft_model_state_dict(wrapped, save_embedding_layers=False).keys()
    with safe_open(adapter.folder / _WEIGHTS, framework="pt") as file:
        return sorted(key for key in file.keys() if prefix in key and key not in taken)  # noqa: SIM118


def _no_fit(adapter: Adapter, why: str) -> TransparencyError:
    return TransparencyError(
        "modelUnusable",
        f"The adapter {adapter.name} does not fit its base {adapter.base}: {why[:200].rstrip('.')}.",
        "Name the model that it was made from with --base.",
    )
