"""The files that hold a model's weights: safetensors only, inside the model's own folder."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import TransparencyError
from ..files.json_files import object_or_none

ADAPTER = "adapter_config.json"
INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")

#: A pointer has three short lines.
_POINTER_BYTES = 1024

SAVE_AGAIN = "Download or save the model again."


def check_folder(path: Path) -> None:
    """Raise `TransparencyError("modelUnusable")` for a folder whose weights are missing, pickled or elsewhere.

    Missing in whole or in part; unpickling can run code.
    """
    found = [f for f in path.iterdir() if f.is_file()]
    refuse_pointers(found)
    files = [f.name for f in found]
    if "config.json" not in files:
        raise TransparencyError(
            "modelUnusable",
            f"The folder {path} has no config.json, so it is not a transformers model.",
            "Choose the folder that save_pretrained wrote, or a .gguf file.",
        )
    if any(f.endswith(".safetensors") for f in files):
        missing = [shard for shard in weight_files(path) if not shard.is_file()]
        if missing:
            _refuse_missing(path, missing)
        return
    pickled = sorted(f for f in files if f.endswith(PICKLED))
    if pickled:
        raise TransparencyError(
            "modelUnusable",
            f"The folder {path} holds pickled weights only ({pickled[0]}); unpickling can run code.",
            "Convert them once with model.save_pretrained(folder), which writes safetensors.",
        )
    raise TransparencyError(
        "modelUnusable",
        f"The folder {path} has a config.json but no weights.",
        "Put its .safetensors files beside config.json.",
    )


def refuse_pointers(files: Iterable[Path]) -> None:
    """Raise `TransparencyError("modelUnusable")` for the pointers that Git LFS leaves in place of files."""
    for file in files:
        with suppress(OSError):
            if file.stat().st_size < _POINTER_BYTES and file.read_bytes().startswith(b"version https://git-lfs"):
                raise TransparencyError(
                    "modelUnusable",
                    f"{file} is a Git LFS pointer to a file that was not fetched.",
                    "Fetch it: run `git lfs install` and `git lfs pull` in that folder, or download the model again.",
                )


def weight_files(folder: Path) -> list[Path]:
    """The files that transformers reads the weights in `folder` from, sorted by name.

    Includes files that an index names and that are missing; empty where there are neither weights nor an index. Raises
    `TransparencyError("modelUnusable")` for an invalid index, or one that names anything but safetensors inside the
    folder.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        return []
    names: Any = (object_or_none(folder / INDEX) or {}).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise TransparencyError("modelUnusable", f"{folder / INDEX} is not an index of weights.", SAVE_AGAIN)
    shards = sorted({str(name) for name in names.values()})
    for shard in shards:
        _check_shard(folder, shard)
    return [folder / shard for shard in shards]


def _check_shard(folder: Path, name: str) -> None:
    if not name.endswith(".safetensors"):
        raise TransparencyError(
            "modelUnusable",
            f"{folder / INDEX} names {name!r}, which is not a safetensors file; unpickling can run code.",
            "Convert the weights once with model.save_pretrained(folder), which writes safetensors.",
        )
    try:
        resolved = (folder / name).resolve()
    except (OSError, RuntimeError, ValueError):
        resolved = None
    named_inside = not Path(name).is_absolute() and ".." not in Path(name).parts
    if resolved is None or not named_inside or not any(resolved.is_relative_to(place) for place in _places(folder)):
        raise TransparencyError(
            "modelUnusable",
            f"{folder / INDEX} names {name!r}, which lies outside of the model's folder.",
            "Copy the weights into the folder, or download the model again.",
        )


def _places(folder: Path) -> list[Path]:
    """The folders that may hold a model's files: its own, and in the hub's cache, which links to blobs, its
    repository's.
    """
    snapshots = folder.resolve().parent
    in_cache = snapshots.name == "snapshots" and snapshots.parent.name.startswith("models--")
    return [folder.resolve(), snapshots.parent] if in_cache else [folder.resolve()]


def _refuse_missing(path: Path, missing: list[Path]) -> None:
    n_all = len(weight_files(path))
    raise TransparencyError(
        "modelUnusable",
        f"{len(missing)} of the {n_all} files of weights in {path} are missing: {missing[0].name}"
        + (" …" if len(missing) > 1 else "."),
        SAVE_AGAIN,
    )
