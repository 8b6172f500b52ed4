"""Models that can be loaded without a download: the embedded one, the Hugging Face cache, and named folders."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast

from ..files.json_files import object_or_none
from . import embedded
from .sources import cached_repositories, snapshot
from .weights import ADAPTER

Kind = Literal["embedded", "cached", "folder", "gguf", "adapter"]
#: The state of a family: analysed exactly; refused with a reason; its proof fails, and every analysis says so; never
#: tried.
Support = Literal["exact", "refused", "caught", "unknown"]

#: Folders below a named one that are searched.
_DEPTH = 4


@dataclass(frozen=True)
class Listed:
    """A model on this machine. `family`: transformers' model type, or an adapter's kind; `base`: an adapter's."""

    source: str
    name: str
    kind: Kind
    size_bytes: int
    family: str = ""
    support: Support = "unknown"
    base: str = ""


def listed(folders: Iterable[Path] = ()) -> list[Listed]:
    """The embedded model, then the Hugging Face cache, then the models in `folders`, each sorted by name."""
    size = _bytes(embedded.model_directory().glob("*")) if embedded.is_present() else 0
    found = [Listed(embedded.NAME, embedded.NAME, "embedded", size, "llama", support_of("llama"))]
    for repo in sorted(cached_repositories()):
        folder = snapshot(repo)
        model = None if folder is None else _in_folder(folder, repo, repo, "cached")
        found += [] if model is None else [model]
    for root in folders:
        found += _under(root.expanduser().resolve(), _DEPTH)
    return found


def support_of(family: str) -> Support:
    """The state of a family of models, from the last run of the conformance test."""
    return _known().get(family, "unknown")


@lru_cache(maxsize=1)
def _known() -> dict[str, Support]:
    return cast("dict[str, Support]", object_or_none(Path(__file__).with_name("known.json")) or {})


def _under(folder: Path, depth: int) -> Iterator[Listed]:
    if depth == 0 or not os.access(folder, os.R_OK | os.X_OK) or not folder.is_dir():
        return
    model = _in_folder(folder, str(folder), folder.name, "folder")
    if model is not None:
        yield model
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() == ".gguf" and path.is_file():
            family = _gguf_family(path)
            yield Listed(str(path), path.stem, "gguf", path.stat().st_size, family, support_of(family))
        elif path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            yield from _under(path, depth - 1)


def _in_folder(folder: Path, source: str, name: str, kind: Kind) -> Listed | None:
    """The model or adapter in `folder`; None without safetensors."""
    size = _bytes(folder.glob("*.safetensors"))
    if not size:
        return None
    adapter = object_or_none(folder / ADAPTER)
    if adapter is not None:
        base = str(adapter.get("base_model_name_or_path") or "")
        return Listed(source, name, "adapter", size, str(adapter.get("peft_type") or ""), base=base)
    config = object_or_none(folder / "config.json")
    if config is None:
        return None
    family = str(config.get("model_type") or "")
    return Listed(source, name, kind, size, family, support_of(family))


def _bytes(files: Iterable[Path]) -> int:
    return sum(f.stat().st_size for f in {f.resolve() for f in files} if f.is_file())


def _gguf_family(path: Path) -> str:
    """`general.architecture`, which by the format's convention comes first; empty where it does not."""
    with path.open("rb") as file:
        head = file.read(512)
    try:
        magic, _version, _tensors, _entries, length = struct.unpack_from("<4sIQQQ", head)
        key, rest = head[32 : 32 + length], head[32 + length :]
        kind, size = struct.unpack_from("<IQ", rest)
        text = rest[12 : 12 + size].decode("utf-8")
    except (struct.error, UnicodeDecodeError):
        return ""
    # 8 is the type of a string
    return text if (magic, key, kind) == (b"GGUF", b"general.architecture", 8) else ""
