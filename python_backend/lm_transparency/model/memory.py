"""The memory that a model will take, estimated before it is loaded, and the memory that is free."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from ..errors import TransparencyError
from .headers import Tensor, gguf_header, numbers_in, safetensors_header
from .sources import Source
from .weights import SAVE_AGAIN, weight_files

#: What one short analysis and loading itself take besides the weights: a share of them, and bytes.
_SHARE, _BYTES = 1.1, 200_000_000

#: Bytes per element by safetensors' names. Floats are converted while they are read, other types stay unchanged.
_FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_OTHERS = {"I16": 2, "U16": 2, "I32": 4, "U32": 4, "I64": 8, "U64": 8}


_UNLIMITED = 1 << 62

if sys.platform != "win32":
    import resource


@dataclass(frozen=True)
class _Tensor:
    n_elements: int
    n_dimensions: int
    itemsize: int
    is_float: bool = True


class TooLarge(TransparencyError):
    """A model that will not fit. Sizes in bytes."""

    def __init__(self, name: str, precision: str, place: str, needed: int, free: int) -> None:
        super().__init__(
            "tooLarge",
            f"{name} needs about {gigabytes(needed)} in {precision}; {gigabytes(free)} are free on {place}.",
            "Choose a smaller dtype or model, or load it anyway (command line: --anyway).",
        )
        self.needed_bytes = needed
        self.free_bytes = free


def gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB"


def weight_headers(found: Source) -> list[Tensor]:
    """The tensors that the weight files of `found` describe: an empty list for a hub id that is not in the cache, and
    where there are no weights to read.

    Raises `TransparencyError("modelUnusable")` for files whose headers do not fit them, or that hold nothing.
    """
    if found.kind == "gguf":
        tensors = gguf_header(Path(found.location))
    else:
        files = [] if found.folder is None else [file for file in weight_files(found.folder) if file.is_file()]
        if not files:
            return []
        tensors = [tensor for file in files for tensor in safetensors_header(file)]
    if not numbers_in(tensors):
        # a model of any size could be made of nothing
        raise TransparencyError("modelUnusable", f"The files of {found.name} hold no weights.", SAVE_AGAIN)
    return tensors


def needed_bytes(headers: Sequence[Tensor], dtype: torch.dtype | str, bits: int | None, config: Any) -> int:
    """Bytes that a model takes in memory as `dtype` ("auto": as published), quantised to `bits` if that is not None.

    From the headers of its files (`weight_headers`), or where there are none from its configuration. 0 where unknown.
    """
    tensors = map(_described, headers) if headers else _in_config(config)
    weights = sum(_size(tensor, dtype, bits) for tensor in tensors)
    return round(weights * _SHARE + _BYTES) if weights else 0


def free_bytes(place: torch.device) -> int:
    """Free bytes on `place`; on the CPU no more than the limit of the container this runs in."""
    if place.type == "cuda":
        free, _ = torch.cuda.mem_get_info(place)
        return free + torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)
    if place.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return min(psutil.virtual_memory().available, _left_in_container(), _left_under_limit())


def give_back() -> None:
    """Return freed memory to the system, which the allocator would keep for reuse."""
    if sys.platform == "linux":
        # glibc only
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def free_buffers() -> None:
    """Release the memory that the CPU's matrix products keep for the next one of their thread."""
    with suppress(OSError, AttributeError, RuntimeError):
        library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
        ctypes.CDLL(str(library)).mkl_serv_free_buffers()


def check_fits(name: str, needed: int, precision: str, place: torch.device) -> None:
    """Raise `TooLarge` where it does not fit."""
    free = free_bytes(place)
    if needed > free:
        raise TooLarge(name, precision, str(place), needed, free)


def _size(tensor: _Tensor, dtype: torch.dtype | str, bits: int | None) -> float:
    itemsize: float = tensor.itemsize
    if tensor.is_float and bits is not None and tensor.n_dimensions == 2:
        # and the scales of its blocks
        itemsize = bits / 8 * 1.05
    elif tensor.is_float and isinstance(dtype, torch.dtype):
        itemsize = dtype.itemsize
    return tensor.n_elements * itemsize


def _described(tensor: Tensor) -> _Tensor:
    if not tensor.kind:
        # GGUF: read as floats, whatever the type in the file
        return _Tensor(tensor.n_elements, len(tensor.shape), 4)
    itemsize = _FLOATS.get(tensor.kind, _OTHERS.get(tensor.kind, 1))
    return _Tensor(tensor.n_elements, len(tensor.shape), itemsize, tensor.kind in _FLOATS)


def _in_config(config: Any) -> Iterable[_Tensor]:
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except Exception:
        # loading reports what cannot be built from its configuration
        return
    dtype = getattr(config, "dtype", None)
    for parameter in model.parameters():
        yield _Tensor(parameter.numel(), parameter.dim(), dtype.itemsize if isinstance(dtype, torch.dtype) else 4)


def _left_under_limit() -> int:
    """The bytes that this process may still allocate where its address space is limited (`ulimit -v`)."""
    if sys.platform == "win32":
        return _UNLIMITED
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return _UNLIMITED
    return max(0, limit - psutil.Process().memory_info().vms)


def _left_in_container() -> int:
    """The bytes that this process's control group may still allocate, by Linux's files (version 2, then 1)."""
    root = Path("/sys/fs/cgroup")
    versions = (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    )
    for limit, used in versions:
        try:
            stat = (root / limit).with_name("memory.stat").read_text()
            # the page cache of files is given back on demand
            cached = next((int(line.split()[1]) for line in stat.splitlines() if line.startswith("inactive_file ")), 0)
            return max(0, int((root / limit).read_text()) - int((root / used).read_text()) + cached)
        except (OSError, ValueError):
            # no such file, or "max"
            continue
    return _UNLIMITED
