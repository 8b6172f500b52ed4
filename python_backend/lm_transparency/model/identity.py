"""A text that identifies the files behind a model's name and changes whenever they do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import TransparencyError
from ..files.fingerprint import content
from ..watch import Watch
from . import embedded
from .adapters import read_adapter
from .sources import resolve


def model_fingerprint(source: str, base: str = "", *, say: Callable[[Path], str] = content) -> str:
    """The identity of the model `source` and of an adapter's base; empty where its files are not on this machine.

    `say`: `fingerprint.content`, or `fingerprint.state`, which is quicker and holds on this machine only.
    """
    if source in ("", embedded.NAME):
        return f"{embedded.NAME} {embedded.REVISION}"
    try:
        found = resolve(source, Watch())
        place = Path(found.location) if found.kind == "gguf" else found.folder
        own = "" if place is None else say(place)
        if found.kind != "adapter" or not own:
            return own
        below = model_fingerprint(read_adapter(found, base).base, say=say)
    except (TransparencyError, OSError):
        # the loading code reports it
        return ""
    return f"{own} on {below}" if below else ""
