"""From a source to a loaded model: device, precision, and what is refused for safety. Weights are never rewritten."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from ..errors import Cancelled, TransparencyError
from ..watch import Watch
from .anatomy import Anatomy, dissect
from .options import Dtype
from .readout import auto_class
from .sources import Source, resolve
from .tokens import vocabulary_text

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be recorded. `source` is what the person asked for."""

    source: str
    name: str
    model: PreTrainedModel
    tokenizer: Any
    anatomy: Anatomy

    @property
    def architecture(self) -> str:
        return type(self.model).__name__

    @property
    def device(self) -> str:
        return str(self.model.device)

    @property
    def dtype(self) -> str:
        return str(self.model.dtype).removeprefix("torch.")

    def output_text(self, index: int) -> str:
        """How one output reads: a token of the vocabulary, or a label's name."""
        labels = self.anatomy.readout.labels
        return labels[index] if labels else vocabulary_text(self.tokenizer, index)

    @property
    def n_params(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    @property
    def memory_bytes(self) -> int:
        tensors = [*self.model.parameters(), *self.model.buffers()]
        return sum(t.numel() * t.element_size() for t in tensors)


def load_model(
    source: str = "",
    *,
    dtype: Dtype = "auto",
    device: str = "auto",
    allow_download: bool = False,
    watch: Watch | None = None,
) -> LoadedModel:
    """Load the embedded default (empty), a GGUF file, a local folder or a hub id, in evaluation mode.

    `dtype` auto: float32 on the CPU, on a GPU the precision the model was published in. `device` auto: the first CUDA
    device, else the CPU. Only safetensors and GGUF are read, and never code that comes with a model.
    Raises `TransparencyError` (`modelNotFound`, `modelUnusable`, `modelUnsupported`, `outOfMemory`) and `Cancelled`.
    """
    watch = watch or Watch()
    place = choose_device(device)
    found = resolve(source, watch, allow_download=allow_download)
    watch.step(f"loading {found.name}")
    precision = _choose_precision(dtype, place)
    try:
        model, tokenizer = _read(found, precision, allow_download)
        watch.check()
        model = model.to(place)  # pyright: ignore[reportArgumentType]
    except torch.OutOfMemoryError as error:
        raise TransparencyError(
            "outOfMemory",
            f"{found.name} does not fit into the memory of {place}.",
            "Choose a smaller dtype or the CPU.",
        ) from error
    except (TransparencyError, Cancelled):
        raise
    except Exception as error:
        # a damaged file makes the parsers of safetensors and GGUF raise anything: SafetensorError, struct.error …
        raise _unreadable(found, error) from error
    model.eval()
    return LoadedModel(source, found.name, model, tokenizer, dissect(model))


def choose_device(device: str) -> torch.device:
    """Raises `TransparencyError("invalidParams")` for a device that is not there."""
    if device == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
        # a tensor on `meta` has a shape and no numbers
        torch.zeros(1, device=place).item()
    except (RuntimeError, AssertionError) as error:
        raise TransparencyError(
            "invalidParams",
            f"There is no device {device!r} on this machine.",
            "Use auto, cpu, or cuda:0 where a CUDA device and build of torch are present.",
        ) from error
    return place


def _choose_precision(dtype: str, place: torch.device) -> torch.dtype | str:
    if dtype == "auto":
        return torch.float32 if place.type == "cpu" else "auto"
    if dtype not in _DTYPES:
        raise TransparencyError(
            "invalidParams", f"There is no dtype {dtype!r} here.", f"Use auto, {', '.join(_DTYPES)}."
        )
    return _DTYPES[dtype]


def clear_quantisation_marks(model: PreTrainedModel) -> None:
    """transformers keeps calling a dequantised GGUF model quantised, and then refuses to save or cast it."""
    for mark in ("hf_quantizer", "is_quantized", "quantization_method", "dequantize"):
        model.__dict__.pop(mark, None)
    for mark in ("quantization_config", "_is_quantized"):
        if hasattr(model.config, mark):
            delattr(model.config, mark)


def _read(found: Source, precision: torch.dtype | str, allow_download: bool) -> tuple[PreTrainedModel, Any]:
    common: dict[str, Any] = {"trust_remote_code": False, "local_files_only": not allow_download}
    location = found.location
    if found.kind == "gguf":
        common["gguf_file"] = Path(location).name
        location = os.path.dirname(location)
        auto = AutoModelForCausalLM
    else:
        # AutoConfig first: it names an unknown architecture before gigabytes are read
        auto = auto_class(AutoConfig.from_pretrained(location, **common))
    weights = {} if found.kind == "gguf" else {"use_safetensors": True}
    loaded: Any = auto.from_pretrained(location, dtype=precision, output_loading_info=True, **weights, **common)
    model, report = loaded
    if report["missing_keys"]:
        # transformers fills them with random numbers and only warns
        missing = sorted(report["missing_keys"])
        raise TransparencyError(
            "modelUnusable",
            f"The weights of {found.name} are incomplete: {missing[0]} is missing"
            + (f", and {len(missing) - 1} more." if len(missing) > 1 else "."),
            "Download or save the model again.",
        )
    tokenizer = AutoTokenizer.from_pretrained(location, **common)
    if found.kind == "gguf":
        clear_quantisation_marks(model)
    return model, tokenizer


def _unreadable(found: Source, error: Exception) -> TransparencyError:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "trust_remote_code" in str(error) or "custom code" in str(error):
        return TransparencyError(
            "modelUnusable",
            f"{found.name} needs code of its own to be run.",
            "Code that comes with a model is never run.",
        )
    if "Unrecognized configuration class" in str(error) or "does not recognize this architecture" in str(error):
        return TransparencyError(
            "modelUnsupported",
            f"{found.name} is no causal language model that transformers knows, and no classifier.",
            first[:200],
        )
    if "ignore_mismatched_sizes" in str(error):
        return TransparencyError(
            "modelUnusable",
            f"The weights of {found.name} have other shapes than its config.json says.",
            "Download or save the model again.",
        )
    if "no file named model.safetensors" in str(error) or "a file named model.safetensors" in str(error):
        return TransparencyError(
            "modelUnusable",
            f"{found.name} has no safetensors weights; pickled ones are refused, since unpickling can run code.",
            "Convert them once with model.save_pretrained(folder).",
        )
    return TransparencyError("modelUnusable", f"{found.name} could not be read: {first[:300]}", "")
