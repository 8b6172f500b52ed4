"""From a source to a loaded model: device, precision, and what is refused for safety. Weights are never rewritten."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from ..ambient import loads
from ..errors import STOPS, TransparencyError, check_choice, is_out_of_memory
from ..watch import Watch
from . import embedded, trust
from .adapters import Adapter, attach, read_adapter
from .anatomy import Anatomy, dissect
from .configuration import check_config, choose_implementation
from .construction import Held, building
from .headers import Tensor
from .identity import model_fingerprint
from .linear import device_of
from .memory import check_fits, needed_bytes, weight_headers
from .options import AUTO_MAP, Loading, ModelChoice, Quantization
from .readout import auto_class
from .refusals import read_tokenizer, unreadable
from .sources import Source, pinned, resolve
from .token_ids import embedding_rows
from .validation import validate
from .vocabulary import vocabulary_text

if TYPE_CHECKING:
    from typing_extensions import Unpack

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be recorded. `source`: the name that the user gave.

    `model` holds an adapter's layers beside the base's weights; `anatomy` reads the combined effect.
    """

    source: str
    name: str
    model: PreTrainedModel
    tokenizer: Any
    anatomy: Anatomy
    #: `model_fingerprint` of the files that it was loaded from
    files: str = ""

    @property
    def architecture(self) -> str:
        return type(self.model).__name__

    @property
    def device(self) -> str:
        """The device that it computes on; several are listed in order, with `disk` where weights are kept there."""
        places = getattr(self.model, "hf_device_map", None) or {"": self.input_device}
        return ", ".join(dict.fromkeys(f"cuda:{p}" if isinstance(p, int) else str(p) for p in places.values()))

    @property
    def input_device(self) -> torch.device:
        """The device that takes token ids."""
        return device_of(self.model.get_input_embeddings())

    @property
    def n_rows(self) -> int:
        """Rows of the embedding: token ids are below this."""
        return embedding_rows(self.model)

    @property
    def dtype(self) -> str:
        """The precision of the residual stream, followed by the quantisation of the weights, if any."""
        own = str(self.model.dtype).removeprefix("torch.")
        quantised = getattr(self.model.config, "quantization_config", None)
        if quantised is None:
            return own
        method = getattr(quantised, "quant_method", "quantised")
        bits = " 4bit" if getattr(quantised, "load_in_4bit", False) else ""
        return f"{own}, {getattr(method, 'value', method)}{bits}"

    def output_text(self, index: int) -> str:
        """The text of one output: a token of the vocabulary, or a label's name."""
        labels = self.anatomy.readout.labels
        return labels[index] if labels else vocabulary_text(self.tokenizer, index)

    @cached_property
    def n_params(self) -> int:
        return int(self.model.num_parameters())

    @cached_property
    def memory_bytes(self) -> int:
        tensors = [*self.model.parameters(), *self.model.buffers()]
        return sum(t.numel() * t.element_size() for t in tensors)


@dataclass(frozen=True)
class _Plan:
    """How a source is to be read. `headers`: those of its weights, as far as they are here. `place` None: over all
    devices. `run_code`: the user has named this very model.
    """

    found: Source
    headers: list[Tensor]
    place: torch.device | None
    precision: torch.dtype | str
    quantization: Quantization
    local_only: bool
    run_code: bool

    @property
    def common(self) -> dict[str, Any]:
        """The arguments for every `from_pretrained` of this source."""
        given: dict[str, Any] = {"trust_remote_code": self.run_code, "local_files_only": self.local_only}
        if self.found.kind == "gguf":
            given["gguf_file"] = Path(self.found.location).name
        if self.found.revision:
            given["revision"] = self.found.revision
        return given

    @property
    def location(self) -> str:
        return os.path.dirname(self.found.location) if self.found.kind == "gguf" else self.found.location


@loads
def load_model(source: str = "", *, watch: Watch | None = None, **options: Unpack[Loading]) -> LoadedModel:
    """Load the embedded default (empty), a GGUF file, a local folder, an adapter or a hub id, in evaluation mode.

    `source`: a hub id may end in `@revision`; an adapter brings its base model, or takes `base` instead. `dtype` auto:
    float32 on the CPU, on a GPU the precision the model was published in. `device` auto: the first CUDA device, else
    the CPU; auto-map: all of them and the disk. `trust_remote_code`: the exact names of models whose own code may run;
    no other model's code does. `anyway`: load even if memory will not suffice. Only safetensors and GGUF are read.
    Raises `TransparencyError` (`modelNotFound`, `modelUnusable`, `modelUnsupported`, `dependencyMissing`, `tooLarge`,
    `outOfMemory`) and `Cancelled`.
    """
    choice = ModelChoice(source=source, **options)
    # taken before the files are read: a file written meanwhile makes another model; a download is complete only after
    files = model_fingerprint(source, choice.base)
    name, model, tokenizer = load_whole(choice, watch=watch)
    return LoadedModel(source, name, model, tokenizer, dissect(model), files or model_fingerprint(source, choice.base))


@loads
def load_whole(choice: ModelChoice, *, watch: Watch | None = None) -> tuple[str, PreTrainedModel, Any]:
    """(name, model, tokenizer) as `load_model` loads them, also for a model that cannot be decomposed."""
    watch = watch or Watch()
    check_choice("quantization", choice.quantization, get_args(Quantization))
    place = None if choice.device == AUTO_MAP else choose_device(choice.device)
    precision = _choose_precision(choice.dtype, place)
    base, allow_download = choice.base, choice.allow_download
    found = resolve(choice.source, watch, allow_download=allow_download)
    adapter = None
    if found.kind == "adapter":
        adapter = read_adapter(found, base)
        found = _resolve_base(adapter, watch, allow_download)
    elif base:
        raise TransparencyError("invalidParams", f"{found.name} is not an adapter, so it has no base.", "Leave it out.")
    name = found.name if adapter is None else f"{adapter.name} on {found.name}"
    try:
        found, local_only = pinned(found, watch, allow_download)
        watch.step(f"reading weights of {name}")
        run_code = trust.may_run_code(found, choice.trust_remote_code, local_only=local_only)
        validate(found, watch, configuration=not run_code)
        headers = weight_headers(found)
        plan = _Plan(found, headers, place, precision, choice.quantization, local_only, run_code)
        with _reading(found), building(found.name, Held.by(headers), watch):
            model, tokenizer = _read(plan, watch, choice.anyway)
        watch.check()
        if adapter is not None:
            model = attach(model, adapter, watch)
            tokenizer = _tokenizer_of(adapter, tokenizer, watch)
        if place is not None and not _is_quantised(model):
            model = model.to(place)  # pyright: ignore[reportArgumentType]
    except (TransparencyError, *STOPS):
        raise
    except BaseException as error:
        if is_out_of_memory(error):
            raise TransparencyError(
                "outOfMemory",
                f"{name} does not fit into the memory of {place or 'this machine'}.",
                "Choose a smaller dtype, a quantisation, a smaller model, or the device auto-map.",
            ) from error
        # damaged files raise anything in parsers: SafetensorError, struct.error, a panic that is not an Exception …
        raise unreadable(found, error) from error
    model.eval()
    return name, model, tokenizer


def _resolve_base(adapter: Adapter, watch: Watch, allow_download: bool) -> Source:
    try:
        found = resolve(adapter.base, watch, allow_download=allow_download)
    except TransparencyError as error:
        raise TransparencyError(
            error.kind,
            f"The base model of the adapter {adapter.name} is not available: {error.message}",
            "Name the base model: --base at the command line, or base_model_name_or_path in adapter_config.json.",
        ) from error
    if found.kind == "adapter":
        raise TransparencyError(
            "modelUnsupported", f"The base of the adapter {adapter.name} is an adapter too.", "Merge that one first."
        )
    return found


def _tokenizer_of(adapter: Adapter, base: Any, watch: Watch) -> Any:
    """The adapter's own tokenizer, which may have more tokens; else its base's."""
    if not (adapter.folder / "tokenizer_config.json").is_file():
        return base
    own = Source("folder", str(adapter.folder), adapter.name)
    validate(own, watch)
    return read_tokenizer(own, own.location, trust_remote_code=False, local_files_only=True)


def choose_device(device: str) -> torch.device:
    """Raise `TransparencyError("invalidParams")` for a device that does not exist."""
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
            "Use auto, cpu, auto-map, or cuda:0 where a CUDA device and build of torch are present.",
        ) from error
    return place


def _choose_precision(dtype: str, place: torch.device | None) -> torch.dtype | str:
    if dtype == "auto":
        on_cpu = not torch.cuda.is_available() if place is None else place.type == "cpu"
        return torch.float32 if on_cpu else "auto"
    if dtype not in _DTYPES:
        raise TransparencyError("invalidParams", f"There is no dtype {dtype!r}.", f"Use auto, {', '.join(_DTYPES)}.")
    return _DTYPES[dtype]


def _reading(found: Source) -> AbstractContextManager[None]:
    """The context of `_read`: the package `gguf` is imported only where it is needed."""
    if found.kind != "gguf":
        return nullcontext()
    from .gguf_file import read_once

    return read_once()


def _read(plan: _Plan, watch: Watch, anyway: bool) -> tuple[PreTrainedModel, Any]:
    found, common, location = plan.found, plan.common, plan.location
    # before the weights: an unknown architecture is named before gigabytes are read
    config = None if found.kind == "gguf" else _configuration(plan)
    bits = {"auto": None, "4bit": 4, "8bit": 8}.get(plan.quantization)
    published = getattr(config, "quantization_config", None) is not None
    if not anyway and plan.place is not None:
        precision = str(plan.precision).removeprefix("torch.") if bits is None else plan.quantization
        needed = needed_bytes(plan.headers, plan.precision, bits, config)
        check_fits(found.name, needed, "its own precision" if precision == "auto" else precision, plan.place)
    watch.check()
    if bits is not None or published:
        # the proof measures the effect of its kernels, so a warning for every layer is not needed
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module="bitsandbytes")
    how: dict[str, Any] = {} if found.kind == "gguf" else {"use_safetensors": True}
    # an adapter was looked for before; by itself transformers asks the hub for one, also where no download is allowed
    how["adapter_kwargs"] = {"local_files_only": True}
    if bits is not None:
        if published or found.kind == "gguf":
            raise TransparencyError(
                "invalidParams", f"{found.name} is quantised as it was published.", "Leave the quantisation at auto."
            )
        how["quantization_config"] = _bitsandbytes(bits, plan.precision)
    if plan.place is None:
        how |= {"device_map": "auto", "offload_folder": str(embedded.cache_directory() / "offload")}
    elif bits is not None or published:
        # a quantised layer is made on its final device
        how["device_map"] = {"": plan.place}
    auto = AutoModelForCausalLM if config is None else auto_class(config)
    if config is not None:
        how["config"] = config
    loaded: Any = auto.from_pretrained(location, dtype=plan.precision, output_loading_info=True, **how, **common)
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
    tokenizer = read_tokenizer(found, location, **common)
    if found.kind == "gguf":
        from .gguf_file import clear_quantisation_marks

        clear_quantisation_marks(model)
    return model, tokenizer


def _configuration(plan: _Plan) -> Any:
    where = {"local_files_only": plan.local_only, "revision": plan.found.revision or None}
    given, _ = PreTrainedConfig.get_config_dict(plan.location, **where)
    check_config(plan.found.name, given)
    config: Any = AutoConfig.from_pretrained(plan.location, **plan.common)
    choose_implementation(config)
    return config


def _is_quantised(model: PreTrainedModel) -> bool:
    return getattr(model, "hf_quantizer", None) is not None


def _bitsandbytes(bits: int, precision: torch.dtype | str) -> Any:
    from transformers import BitsAndBytesConfig

    compute = precision if isinstance(precision, torch.dtype) else torch.bfloat16
    # normal floats: the 4-bit format that QLoRA found to lose least
    return BitsAndBytesConfig(
        load_in_4bit=bits == 4, load_in_8bit=bits == 8, bnb_4bit_compute_dtype=compute, bnb_4bit_quant_type="nf4"
    )
