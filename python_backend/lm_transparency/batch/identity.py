"""Which model files records are of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ..errors import TransparencyError
from ..files.fingerprint import content, text_fingerprint
from ..model import embedded
from ..model.adapters import read_adapter
from ..model.sources import Source, resolve
from ..watch import Watch
from .work import Choices


def identified(choices: Choices) -> Choices:
    """`choices` with the fingerprint of the model's files; unchanged where those are not on this machine."""
    files = _fingerprint(choices.model, choices.base)
    return replace(choices, model_files=text_fingerprint(files, _precision(choices)) if files else "")


def _fingerprint(source: str, base: str) -> str:
    if source in ("", embedded.NAME):
        return f"{embedded.NAME} {embedded.REVISION}"
    try:
        found = resolve(source, Watch())
        if found.kind != "adapter":
            return _files(found)
        adapter = read_adapter(found, base)
        below = _fingerprint(adapter.base, "")
    except (TransparencyError, OSError):
        # told of by who loads it
        return ""
    return f"{_files(found)} on {below}" if below else ""


def _files(found: Source) -> str:
    place = found.location if found.kind == "gguf" else found.folder
    return "" if place is None else content(Path(place))


def _precision(choices: Choices) -> str:
    """What `auto` is where it computes: its numbers are others on a GPU."""
    if choices.dtype != "auto":
        return choices.dtype
    on_cpu = choices.device == "cpu" or (choices.device.startswith("auto") and not torch.cuda.is_available())
    return "float32" if on_cpu else "auto"
