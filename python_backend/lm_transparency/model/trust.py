"""Permission to run code that comes with a model: only for a model that the user has named, by its exact name."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig
from transformers.models.auto.tokenization_auto import get_tokenizer_config

from ..errors import TransparencyError
from .sources import Source

SETTING = "lmTransparency.models.trustRemoteCode"
#: More names, separated like paths in PATH.
VARIABLE = "LM_TRANSPARENCY_TRUST_REMOTE_CODE"
REMEDY = (
    f"If you trust its code, add its exact name to the setting {SETTING} of this machine "
    "(command line: --trust-remote-code NAME)."
)


def may_run_code(found: Source, named: Collection[str], *, local_only: bool) -> bool:
    """Whether `found` is one of the models `named`, here or in the environment.

    A hub model has its exact name, a folder its absolute path (links followed): a folder never counts as a hub model,
    whatever its name. Raises `TransparencyError("modelUnusable")` where the model's code is in another repository that
    is not named.
    """
    named = {*named, *filter(None, os.environ.get(VARIABLE, "").split(os.pathsep))}
    if not any(_names(name, found) for name in named):
        return False
    for other in _other_repositories(found, local_only):
        if other not in named:
            raise TransparencyError(
                "modelUnusable", f"{found.name} would run code from another repository, {other}.", REMEDY
            )
        if not Path(other).is_absolute() and Path(other).exists():
            # transformers would take the folder for the repository
            raise TransparencyError(
                "modelUnusable",
                f"{found.name} would run code from {other}, and there is a folder of that name where this was started.",
                "Start from another folder, or rename that one.",
            )
    return True


def _names(name: str, found: Source) -> bool:
    if found.kind == "hub":
        return name == found.name
    if found.kind != "folder":
        return False
    try:
        path = Path(name).expanduser()
        return path.is_absolute() and path.exists() and path.resolve() == Path(found.location)
    except (OSError, RuntimeError, ValueError):
        return False


def _other_repositories(found: Source, local_only: bool) -> set[str]:
    """Repositories that `auto_map` points to (`org/name--module.Class`), found without running anything."""
    options: dict[str, Any] = {"local_files_only": local_only, "revision": found.revision or None}
    config, _ = PreTrainedConfig.get_config_dict(found.location, **options)
    maps = [config.get("auto_map"), get_tokenizer_config(found.location, **options).get("auto_map")]
    return {text.partition("--")[0] for text in _texts(maps) if "--" in text}


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [text for item in items for text in _texts(item)]
