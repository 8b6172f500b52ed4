"""What a model's name stands for: the embedded default, a GGUF file, a local folder, or a hub id."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import TransparencyError
from ..watch import Watch
from . import embedded

Kind = Literal["embedded", "gguf", "folder", "hub"]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


@dataclass(frozen=True)
class Source:
    """`location`: a folder, a GGUF file, or a hub id. `name`: what a person calls it."""

    kind: Kind
    location: str
    name: str


@dataclass(frozen=True)
class Listed:
    """A model that can be loaded without a download."""

    source: str
    name: str
    kind: Literal["embedded", "cached"]
    size_bytes: int


def resolve(source: str, watch: Watch, *, allow_download: bool = False) -> Source:
    """What `source` stands for; makes the embedded model where that is asked for and not there yet.

    Raises `TransparencyError`: `modelNotFound` for a name that is nothing here, `modelUnusable` for a folder without
    weights or with pickled weights only (unpickling can run code).
    """
    if source in ("", embedded.NAME):
        return Source("embedded", str(embedded.ensure(watch)), embedded.NAME)
    path = Path(source)
    try:
        path = path.expanduser()
        is_file, is_folder = path.is_file(), path.is_dir()
    except (OSError, RuntimeError, ValueError):
        # too long for a file name, a NUL, or the home of somebody unknown
        is_file = is_folder = False
    if is_file:
        if path.suffix.lower() == ".gguf":
            return Source("gguf", str(path.resolve()), path.stem)
        _refuse_file(path)
    if is_folder:
        _check_folder(path)
        return Source("folder", str(path.resolve()), path.resolve().name)
    if not _HUB_ID.fullmatch(source):
        raise TransparencyError(
            "modelNotFound",
            f"There is no model at {source!r}.",
            "Give a folder with config.json and safetensors, a .gguf file, or a hub id such as openai-community/gpt2.",
        )
    if not allow_download and not _is_cached(source):
        raise TransparencyError(
            "modelNotFound",
            f"The model {source!r} is neither a local path nor in the Hugging Face cache, and downloads are off.",
            "Check the spelling, or allow downloads (CLI: --download; VS Code: lmTransparency.models.allowDownload).",
        )
    return Source("hub", source, source)


def listed() -> list[Listed]:
    """The embedded model, then what the Hugging Face cache holds with safetensors."""
    size = sum(f.stat().st_size for f in embedded.model_directory().glob("*")) if embedded.is_present() else 0
    found = [Listed(embedded.NAME, embedded.NAME, "embedded", size)]
    for repo, folder in sorted(_cached_repositories().items()):
        weights = {p.resolve() for p in folder.glob("snapshots/*/*.safetensors")}
        if weights:
            found.append(Listed(repo, repo, "cached", sum(p.stat().st_size for p in weights)))
    return found


def hub_cache() -> Path:
    """The Hugging Face cache, by its own environment variables."""
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"])
    home = os.environ.get("HF_HOME") or str(Path.home() / ".cache" / "huggingface")
    return Path(home) / "hub"


def _cached_repositories() -> dict[str, Path]:
    return {d.name[len("models--") :].replace("--", "/"): d for d in hub_cache().glob("models--*") if d.is_dir()}


def _is_cached(repo: str) -> bool:
    folder = _cached_repositories().get(repo)
    return folder is not None and any(folder.glob("snapshots/*/config.json"))


def _check_folder(path: Path) -> None:
    files = [f.name for f in path.iterdir() if f.is_file()]
    if "config.json" not in files:
        raise TransparencyError(
            "modelUnusable",
            f"The folder {path} has no config.json, so it is no transformers model.",
            "Choose the folder that save_pretrained wrote, or a .gguf file.",
        )
    if any(f.endswith(".safetensors") for f in files):
        return
    pickled = sorted(f for f in files if f.endswith(_PICKLED))
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


def _refuse_file(path: Path) -> None:
    if path.suffix.lower() in _PICKLED:
        raise TransparencyError(
            "modelUnusable",
            f"{path} is pickled; unpickling can run code, so it is refused.",
            "Use safetensors or GGUF weights.",
        )
    raise TransparencyError(
        "modelUnusable", f"{path} is no model file that can be read.", "Give its folder, or a .gguf file."
    )
