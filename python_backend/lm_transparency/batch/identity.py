"""The model files that records were computed from."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..files.fingerprint import text_fingerprint
from ..model.identity import model_fingerprint
from ..model.loading import LoadedModel
from ..model.options import ModelChoice
from .work import Choices


def identified(choices: Choices, model: LoadedModel | None = None) -> Choices:
    """`choices` with the fingerprint of the model's files, or of the files that `model` was loaded from.

    Unchanged where the files are not on this machine.
    """
    files = model_fingerprint(choices.model.source, choices.model.base) if model is None else model.files
    return replace(choices, model_files=text_fingerprint(files, _precision(choices.model)) if files else "")


def _precision(choice: ModelChoice) -> str:
    """The device that `auto` means where it computes: a GPU gives other numbers."""
    if choice.dtype != "auto":
        return choice.dtype
    on_cpu = choice.device == "cpu" or (choice.device.startswith("auto") and not torch.cuda.is_available())
    return "float32" if on_cpu else "auto"
