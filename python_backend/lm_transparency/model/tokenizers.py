"""A model's tokenizer without its weights, from files on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..files import fingerprint
from ..files.json_files import object_or_none
from ..watch import Watch
from . import embedded
from .context import context_length
from .sources import Source, hub_folder
from .validation import validate
from .weights import ADAPTER


def tokenizer_folder(source: str) -> Path | None:
    """The folder of the tokenizer of `source`; None where it is not on this machine, or the model has none of its
    own.
    """
    if source in ("", embedded.NAME):
        return embedded.model_directory() if embedded.is_present() else None
    try:
        path = Path(source).expanduser()
        found = path if path.is_dir() else hub_folder(source)
    except (OSError, RuntimeError, ValueError):
        return None
    if found is None or not any((found / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        return None
    return found


def tokenizer_state(source: str) -> str:
    """A text that changes when the files beside the tokenizer of `source` change; empty where it is not here."""
    folder = tokenizer_folder(source)
    if folder is None:
        return ""
    return embedded.REVISION if folder == embedded.model_directory() else fingerprint.state(folder)


def load_tokenizer(folder: Path) -> tuple[Any, int]:
    """The tokenizer in `folder` and the number of tokens that its model reads (0: unknown). None of its own code is
    run.

    Raises whatever transformers raises for a folder that it cannot read.
    """
    from transformers import AutoTokenizer

    validate(Source("folder", str(folder), folder.name), Watch())
    tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    return tokenizer, _n_context(folder)


def _n_context(folder: Path) -> int:
    if (folder / ADAPTER).is_file():
        return 0
    try:
        config = object_or_none(folder / "config.json") or {}
        # the text part of a larger model has a configuration of its own
        return context_length(config) or context_length(config.get("text_config") or {})
    except (ValueError, AttributeError, TypeError, OverflowError):
        return 0
