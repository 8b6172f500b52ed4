"""Which model files records are of."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..files.fingerprint import text_fingerprint
from ..model.identity import model_fingerprint
from ..model.loading import LoadedModel
from .work import Choices


def identified(choices: Choices, model: LoadedModel | None = None) -> Choices:
    """`choices` with the fingerprint of the model's files: of `model` those that it was loaded from.

    Unchanged where the files are not on this machine.
    """
    files = model_fingerprint(choices.model, choices.base) if model is None else model.files
    return replace(choices, model_files=text_fingerprint(files, _precision(choices)) if files else "")


def _precision(choices: Choices) -> str:
    """What `auto` is where it computes: its numbers are others on a GPU."""
    if choices.dtype != "auto":
        return choices.dtype
    on_cpu = choices.device == "cpu" or (choices.device.startswith("auto") and not torch.cuda.is_available())
    return "float32" if on_cpu else "auto"
