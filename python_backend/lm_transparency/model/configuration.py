"""Keys of a model's configuration that must not choose the code that runs or the files that are read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..errors import TransparencyError

#: `_attn_implementation`, `experts_implementation`, `use_kernels`, `kernel_config` …
_NAMES_CODE = re.compile(r"implementation|kernel", re.IGNORECASE)
#: How transformers names code on the hub: organization/repository, with or without a revision and a function.
_ON_THE_HUB = re.compile(r"[/\\:@]")


def check_config(name: str, config: dict[str, Any]) -> None:
    """Raise `TransparencyError("modelUnusable")` for a configuration that names code on the hub to run the model
    with.

    Code that comes with a model is named by `auto_map` and handled elsewhere (`trust`).
    """
    for key, value in _named_code(config):
        if any(_ON_THE_HUB.search(text) for text in _texts(value)):
            shown = next(text for text in _texts(value) if _ON_THE_HUB.search(text))
            raise TransparencyError(
                "modelUnusable",
                f"The config.json of {name} names code to be fetched and run ({key}: {shown[:100]!r}).",
                "Remove that key from config.json; what the model computes does not depend on it.",
            )


def choose_implementation(config: Any) -> None:
    """Let transformers choose from its own code what a model runs with, and which files hold its weights."""
    config._attn_implementation = None
    config._experts_implementation = None
    if getattr(config, "transformers_weights", None) is not None:
        config.transformers_weights = None


def _named_code(value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if isinstance(key, str) and _NAMES_CODE.search(key):
            yield key, inner
        elif depth < _DEPTH:
            yield from _named_code(inner, depth + 1)


#: A configuration nested deeper than this belongs to no model.
_DEPTH = 50


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth < _DEPTH:
        items: Any = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for inner in items:
            yield from _texts(inner, depth + 1)
