"""A model in the Hugging Face cache is loaded from there while the hub is unreachable."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants

from lm_transparency.model import loading


def cached(hub: Path, folder: Path) -> Path:
    """Put `folder` into the cache as the download of org/name."""
    repository = hub / "models--org--name"
    snapshot = repository / "snapshots" / "0123abcd"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0123abcd")
    snapshot.parent.mkdir()
    snapshot.symlink_to(folder, target_is_directory=True)
    return snapshot


class _Read(Exception):
    """Ends a load when it starts to read files."""


@pytest.mark.parametrize(
    ("allowed", "reachable", "local_only"), [(True, True, False), (True, False, True), (False, False, True)]
)
def test_a_cached_model_is_looked_for_on_the_hub_only_while_that_answers(
    allowed: bool,
    reachable: bool,
    local_only: bool,
    tiny_llama_folder: Path,
    no_hub: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    snapshot = cached(no_hub, tiny_llama_folder)

    def info(*_args: Any, **_options: Any) -> None:
        if not reachable:
            raise OSError("Name or service not known")

    seen: list[bool] = []

    def read(plan: Any, *_args: Any) -> Any:
        seen.append(plan.common["local_files_only"])
        raise _Read

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", info)
    # with an unreachable hub the cached files are used, too
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_args, **_options: str(snapshot))
    monkeypatch.setattr(loading, "_read", read)
    with pytest.raises(Exception, match=r"org/name"):
        loading.load_model("org/name", allow_download=allowed, device="cpu")
    assert seen == [local_only]


@pytest.mark.parametrize("allowed", [True, False])
def test_no_file_of_a_cached_model_is_asked_of_a_hub_that_cannot_be_reached(
    allowed: bool, tiny_llama_folder: Path, no_hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(no_hub, tiny_llama_folder)
    asked: list[str] = []

    def ask(host: str, *_args: Any, **_options: Any) -> Any:
        asked.append(host)
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(no_hub))
    monkeypatch.setattr(socket, "getaddrinfo", ask)
    assert loading.load_model("org/name", allow_download=allowed, device="cpu").name == "org/name"
    # reachability is checked where it matters, and not once per file
    assert len(asked) <= (2 if allowed else 0)
