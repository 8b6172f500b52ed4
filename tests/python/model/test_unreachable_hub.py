"""A hub that cannot be reached: found out once, in time, and said; a cached model is loaded all the same."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants

from lm_transparency.errors import Cancelled, TransparencyError
from lm_transparency.model import hub, loading
from lm_transparency.watch import Watch

try:
    import httpx2 as httpx
except ImportError:
    import httpx


def cached(hub: Path, folder: Path) -> Path:
    """Put `folder` into the cache as the download of org/name."""
    repository = hub / "models--org--name"
    snapshot = repository / "snapshots" / "0123abcd"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0123abcd")
    snapshot.parent.mkdir()
    snapshot.symlink_to(folder, target_is_directory=True)
    return snapshot


def without_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No host has an address. Returns the hosts that are asked for, as they are asked."""
    asked: list[str] = []

    def ask(host: str, *_args: Any, **_options: Any) -> Any:
        asked.append(host)
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(socket, "getaddrinfo", ask)
    return asked


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
    asked = without_network(no_hub, monkeypatch)
    assert loading.load_model("org/name", allow_download=allowed, device="cpu").name == "org/name"
    # reachability is checked where it matters, and not once per file
    assert len(asked) <= (2 if allowed else 0)


@pytest.mark.parametrize("name", ["gpt3", "org/name", "org/name@v1"])
def test_a_model_of_an_unreachable_hub_is_asked_for_once_and_the_network_is_named(
    name: str, no_hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = without_network(no_hub, monkeypatch)
    stages: list[str] = []
    watch = Watch(lambda stage, _done, _total: stages.append(stage))
    with pytest.raises(TransparencyError) as refused:
        loading.load_model(name, allow_download=True, device="cpu", watch=watch)
    assert refused.value.kind == "modelNotFound"
    assert str(refused.value) == (
        f"The Hugging Face hub cannot be reached, and the model {name!r} is not in the cache. "
        "Check the network and HF_ENDPOINT, or give the folder of a model."
    )
    assert stages == [f"looking for {name} on the Hugging Face hub"]
    assert len(asked) == 1


def test_a_hub_that_does_not_answer_is_given_up_after_a_time(no_hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = threading.Event()
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_args, **_options: silent.wait(60))
    monkeypatch.setattr(hub, "LOOK_S", 0.05)
    with pytest.raises(TransparencyError, match="cannot be reached"):
        loading.load_model("org/name", allow_download=True, device="cpu")
    silent.set()


@pytest.mark.parametrize("is_cached", [True, False])
def test_waiting_for_the_hub_can_be_cancelled(
    is_cached: bool, tiny_llama_folder: Path, no_hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_cached:
        cached(no_hub, tiny_llama_folder)
    watch, silent = Watch(), threading.Event()

    def info(*_args: Any, **_options: Any) -> None:
        watch.cancel()
        silent.wait(60)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", info)
    with pytest.raises(Cancelled):
        loading.load_model("org/name", allow_download=True, device="cpu", watch=watch)
    silent.set()


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("RepoNotFound", 404, "has no model 'org/name@v1', or it is private. Check the spelling"),
        ("RevisionNotFound", 404, "has no revision 'v1' of 'org/name'. Give a branch"),
        ("GatedRepo", 403, "must first grant access to it. Ask for access"),
    ],
)
def test_what_the_hub_refuses_is_said(code: str, status: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Session:
        def get(self, url: str, **_options: Any) -> httpx.Response:
            request = httpx.Request("GET", url)
            return httpx.Response(status, headers={"X-Error-Code": code}, request=request)

    monkeypatch.setattr("huggingface_hub.hf_api.get_session", Session)
    with pytest.raises(TransparencyError, match=said) as refused:
        loading.load_model("org/name@v1", allow_download=True, device="cpu")
    assert refused.value.kind == "modelNotFound"


@pytest.mark.usefixtures("no_hub")
def test_a_connection_lost_after_the_look_is_no_fault_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_args: Any, **_options: Any) -> None:
        try:
            raise httpx.ConnectError("Connection reset by peer")
        except httpx.ConnectError as error:
            raise OSError("We couldn't connect to 'https://huggingface.co'") from error

    files = frozenset({"config.json"})
    monkeypatch.setattr("lm_transparency.model.sources.look", lambda *_args: hub.Answer(is_reached=True, files=files))
    monkeypatch.setattr("lm_transparency.model.sources._fetch_small_files", lambda _found: None)
    monkeypatch.setattr("lm_transparency.model.trust.may_run_code", lambda *_args, **_options: False)
    monkeypatch.setattr(loading, "_read", lose)
    with pytest.raises(TransparencyError, match="cannot be reached"):
        loading.load_model("org/name", allow_download=True, device="cpu")
