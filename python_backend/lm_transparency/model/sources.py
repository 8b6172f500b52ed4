"""The model behind a name: the embedded default, a GGUF file, a local folder, an adapter, or a hub id."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..errors import TransparencyError
from ..watch import Watch
from . import embedded
from .hub import look
from .weights import ADAPTER, PICKLED, check_folder, refuse_pointers, weight_files

Kind = Literal["embedded", "gguf", "folder", "hub", "adapter"]

logger = logging.getLogger(__name__)

#: organization/name, and after an @ a branch, tag or commit.
_PART = r"[A-Za-z0-9][\w.-]*"
_HUB_ID = re.compile(rf"(?P<repo>{_PART}(/{_PART})?)(@(?P<revision>{_PART}(/{_PART})*))?", re.ASCII)

#: The start of a repository's folder name in the Hugging Face cache; `--` stands for `/`.
_CACHED = "models--"
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Source:
    """`location`: a folder, a GGUF file, or a hub id with its `revision`. `name`: the name for display.

    An adapter's location is a folder, wherever the adapter came from. `is_reached`: the hub has just answered.
    """

    kind: Kind
    location: str
    name: str
    revision: str = ""
    is_reached: bool = False

    @property
    def folder(self) -> Path | None:
        """The place of its files on this machine; None for a hub id that was not downloaded."""
        if self.kind == "hub":
            return snapshot(self.location, self.revision)
        return Path(self.location).parent if self.kind == "gguf" else Path(self.location)


def resolve(source: str, watch: Watch, *, allow_download: bool = False) -> Source:
    """The model behind `source`; prepares the embedded model if that is requested and missing.

    Raises `Cancelled` and `TransparencyError`: `modelNotFound` for a name that matches nothing or for a hub that cannot
    be reached, `modelUnusable` for a folder whose
    weights are missing, in whole or in part, or pickled (unpickling can run code).
    """
    if source in ("", embedded.NAME):
        return Source("embedded", str(embedded.ensure(watch)), embedded.NAME)
    found = _found_here(source, allow_download)
    if found is not None:
        return found
    hub = _hub_id(source)
    repo, revision = hub["repo"], hub["revision"] or ""
    answer = look(repo, revision, watch)
    if answer.refusal is not None:
        raise answer.refusal
    folder = _fetch_adapter(repo, revision) if answer.files is None or ADAPTER in answer.files else None
    if folder is not None:
        return Source("adapter", str(folder), source)
    return Source("hub", repo, source, revision, is_reached=True)


def check_name(source: str, *, allow_download: bool = False) -> None:
    """Raise as `resolve` does where that is known at once, without the hub and without the embedded model."""
    if source not in ("", embedded.NAME):
        _found_here(source, allow_download)


def _found_here(source: str, allow_download: bool) -> Source | None:
    """The model on this machine; None for a hub id that may be downloaded."""
    path = Path(source)
    try:
        path = path.expanduser()
        is_file, is_folder = path.is_file(), path.is_dir()
    except (OSError, RuntimeError, ValueError):
        # too long for a file name, a NUL, or the home of an unknown user
        is_file = is_folder = False
    if is_file:
        if path.suffix.lower() == ".gguf":
            refuse_pointers([path])
            return Source("gguf", str(path.resolve()), path.stem)
        _refuse_file(path)
    if is_folder:
        path = path.resolve()
        if (path / ADAPTER).is_file():
            refuse_pointers(path.glob("*.safetensors"))
            return Source("adapter", str(path), path.name)
        check_folder(path)
        return Source("folder", str(path), path.name)
    hub = _hub_id(source)
    repo, revision = hub["repo"], hub["revision"] or ""
    here = snapshot(repo, revision)
    if here is not None:
        is_adapter = (here / ADAPTER).is_file()
        return Source("adapter", str(here), source) if is_adapter else Source("hub", repo, source, revision)
    if not allow_download:
        raise TransparencyError(
            "modelNotFound",
            f"The model {source!r} is neither a local path nor in the Hugging Face cache, and downloads are off.",
            "Check the spelling, or allow downloads (CLI: --download; VS Code: lmTransparency.models.allowDownload).",
        )
    return None


def _hub_id(source: str) -> re.Match[str]:
    hub = _HUB_ID.fullmatch(source)
    if hub is None or ".." in source:
        raise TransparencyError(
            "modelNotFound",
            f"There is no model at {source!r}.",
            "Give a folder with config.json and safetensors, a .gguf file, or a hub id such as openai-community/gpt2, "
            "with a revision after an @ where one is meant.",
        )
    return hub


def pinned(found: Source, watch: Watch, allow_download: bool) -> tuple[Source, bool]:
    """`found` with its small files fetched where that is allowed, at one commit: the files that are checked before
    loading are the ones loaded. And whether only files of this machine can be read: each further look at a hub that
    cannot be reached would be tried again for half a minute.

    Raises `Cancelled`, and `TransparencyError` as `weight_files` does.
    """
    if found.kind != "hub":
        return found, not allow_download
    is_local = not (allow_download and (found.is_reached or look(found.location, found.revision, watch).is_reached))
    if not is_local:
        _fetch_small_files(found)
    folder = snapshot(found.location, found.revision)
    if folder is None:
        # transformers says what is wrong
        return found, not allow_download
    weight_files(folder)
    return replace(found, revision=folder.name) if _COMMIT.fullmatch(folder.name) else found, is_local


def _fetch_small_files(found: Source) -> None:
    """Files that are in the cache are kept in any case."""
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.model", "*.txt", "*.jinja"]
    try:
        snapshot_download(found.location, revision=found.revision or None, allow_patterns=wanted)
    except Exception as error:
        # no such model, no permission, a lost connection: loading reports it
        logger.info("The files of %s could not be fetched: %s", found.name, error)


def hub_cache() -> Path:
    """The Hugging Face cache, by its own environment variables."""
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"])
    home = os.environ.get("HF_HOME") or os.path.expanduser("~/.cache/huggingface")
    return Path(home) / "hub"


def cached_repositories() -> dict[str, Path]:
    """Hub id → its folder in the Hugging Face cache."""
    return {d.name[len(_CACHED) :].replace("--", "/"): d for d in hub_cache().glob(f"{_CACHED}*") if d.is_dir()}


def snapshot(repo: str, revision: str = "") -> Path | None:
    """The folder of a hub id's files in the Hugging Face cache; None where it was not downloaded."""
    folder = hub_cache() / f"{_CACHED}{repo.replace('/', '--')}"
    if not os.path.isdir(folder):  # a name too long is no folder either
        return None
    ref = folder / "refs" / (revision or "main")
    commit = ref.read_text("utf-8").strip() if ref.is_file() else revision
    # a cache that was assembled by hand may have no refs
    candidates = [folder / "snapshots" / commit] if commit else sorted(folder.glob("snapshots/*"))
    return next((c for c in candidates if (c / "config.json").is_file() or (c / ADAPTER).is_file()), None)


def hub_folder(source: str) -> Path | None:
    """The folder of `org/name`, with or without `@revision`, in the Hugging Face cache; None where it is missing."""
    hub = _HUB_ID.fullmatch(source)
    return None if hub is None or ".." in source else snapshot(hub["repo"], hub["revision"] or "")


def revision_of(source: str) -> str:
    """The version of a model's files on this machine: a hub id's commit, or the start of the embedded model's
    checksum.

    Empty for a model without history (a folder, a GGUF file, a cache assembled by hand).
    """
    if source in ("", embedded.NAME):
        return embedded.REVISION
    hub = _HUB_ID.fullmatch(source)
    if hub is None or Path(source).exists():
        return ""
    folder = snapshot(hub["repo"], hub["revision"] or "")
    return "" if folder is None else folder.name


def _fetch_adapter(repo: str, revision: str) -> Path | None:
    """The folder of an adapter, fetched from the hub; None for anything that is not an adapter."""
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        hf_hub_download(repo, ADAPTER, revision=revision or None)
    except (EntryNotFoundError, LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError):
        # other problems are reported when the model itself is requested
        return None
    wanted = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
    return Path(snapshot_download(repo, revision=revision or None, allow_patterns=wanted))


def _refuse_file(path: Path) -> None:
    if path.suffix.lower() in PICKLED:
        raise TransparencyError(
            "modelUnusable",
            f"{path} is pickled; unpickling can run code, so it is refused.",
            "Use safetensors or GGUF weights.",
        )
    raise TransparencyError(
        "modelUnusable", f"{path} is not a readable model file.", "Give its folder, or a .gguf file."
    )
