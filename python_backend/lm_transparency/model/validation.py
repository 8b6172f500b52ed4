"""Checks before a foreign model is read: a child process tries its files, once for each state that they are in."""

from __future__ import annotations

import importlib.metadata
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import TransparencyError
from ..files import fingerprint
from ..files.json_files import object_or_none
from ..files.writing import write_atomically
from ..isolation import Limits, run_isolated
from ..watch import Watch
from . import embedded
from .sources import Source

logger = logging.getLogger(__name__)

_TASKS = "lm_transparency.model.probe"
#: An ordinary model takes a few seconds of a slow machine, most of it for imports, and 100 MB; one with the largest
#: tokenizer that there is, 800 MB.
_LIMITS = Limits(seconds=15, memory_bytes=1_200_000_000)
_REMEDY = "It looks damaged or hostile: use another copy of it, from a source that you trust."
#: How many states of models are remembered as sound.
_KEPT = 500
#: Bytes of the small files that transformers reads whole, in this process and several times: those of the largest
#: models have a tenth of that.
_MOST_BYTES = {
    "config.json": 4 << 20,
    **dict.fromkeys(
        (
            "adapter_config.json",
            "added_tokens.json",
            "chat_template.jinja",
            "chat_template.json",
            "generation_config.json",
            "special_tokens_map.json",
            "tokenizer_config.json",
        ),
        16 << 20,
    ),
}


def validate(found: Source, watch: Watch, *, configuration: bool = True) -> None:
    """Raise `TransparencyError("modelUnusable")` for a model's files that do not end, fill memory or crash the
    process.

    Raises `Cancelled` at once. `configuration`: False where the model's own code is to read it.
    """
    folder = found.folder
    if folder is None or folder == embedded.model_directory():
        return
    location = Path(found.location) if found.kind == "gguf" else folder
    key = f"{location} {configuration} {fingerprint.state(location)}"
    if key in _sound():
        return
    watch.step(f"checking {found.name}")
    _check_sizes(found.name, folder)
    if found.kind == "gguf":
        _run("probe_gguf", {"file": str(location)}, found.name, watch)
    else:
        asked = {"folder": str(folder), "configuration": configuration}
        if _run("probe", asked, found.name, watch):
            _run("probe", {**asked, "torch": True}, found.name, watch, fresh=True)
    _remember(key)


def _check_sizes(name: str, folder: Path) -> None:
    for file_name, most in _MOST_BYTES.items():
        with suppress(OSError):
            size = (folder / file_name).stat().st_size
            if size > most:
                said = f"The {file_name} of {name} has {size:,} bytes; up to {most:,} are read."
                raise TransparencyError("modelUnusable", said, _REMEDY)


def validate_patterns(patterns: Sequence[str], names: Sequence[str], name: str, watch: Watch) -> None:
    """`validate` for regular expressions that are to be matched against `names`."""
    if patterns:
        _run("probe_patterns", {"patterns": list(patterns), "names": list(names)}, name, watch)


def _run(task: str, arguments: Mapping[str, object], name: str, watch: Watch, *, fresh: bool = False) -> object:
    return run_isolated(
        f"{_TASKS}:{task}", arguments, about=name, watch=watch, limits=_LIMITS, remedy=_REMEDY, fresh=fresh
    )


_known: dict[Path, list[str]] = {}


def _file() -> Path:
    return embedded.cache_directory() / "checked.json"


def _version() -> str:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version("transformers")
    return ""


def _sound() -> list[str]:
    file = _file()
    if file not in _known:
        kept = object_or_none(file) or {}
        states = kept.get("states")
        fits = kept.get("transformers") == _version() and isinstance(states, list)
        _known[file] = [str(state) for state in states] if fits and isinstance(states, list) else []
    return _known[file]


def _remember(key: str) -> None:
    states = _sound()
    states.append(key)
    del states[:-_KEPT]
    text = json.dumps({"transformers": _version(), "states": states})
    try:
        write_atomically(_file(), lambda file: file.write(text.encode("ascii")))
    except (OSError, TransparencyError) as error:
        # a cache that cannot be written to costs one more check next time
        logger.info("The results of checks cannot be stored: %s", error)
