"""A model in the Hugging Face cache is loaded from there while the hub cannot be reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from lm_transparency.model import loading


class _Read(Exception):
    """Ends a load at the point where files are read."""


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
    repository = no_hub / "models--org--name"
    snapshot = repository / "snapshots" / "0123abcd"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0123abcd")
    snapshot.parent.mkdir()
    snapshot.symlink_to(tiny_llama_folder, target_is_directory=True)

    def fetch(*_args: Any, **_options: Any) -> str:
        if not reachable:
            raise OSError("Name or service not known")
        return str(snapshot)

    seen: list[bool] = []

    def read(plan: Any, *_args: Any) -> Any:
        seen.append(plan.common["local_files_only"])
        raise _Read

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    monkeypatch.setattr(loading, "_read", read)
    with pytest.raises(Exception, match=r"org/name"):
        loading.load_model("org/name", allow_download=allowed, device="cpu")
    assert seen == [local_only]
