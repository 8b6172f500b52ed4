"""`inspect --format json` is format 1: documents from an earlier version, compared field by field and in order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from run_command import run_text

from families import build
from tiny_models import save_mistral, train_tokenizer

KEPT: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "runs" / "inspect.format-1.json").read_text("utf-8")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models and the prompt of the documents."""
    made, tokenizer = tmp_path_factory.mktemp("kept"), train_tokenizer()
    save_mistral(made / "window", tokenizer)
    experts = build("qwen2_moe", {"vocab_size": len(tokenizer) + 8, "mlp_only_layers": [0]})
    experts.save_pretrained(made / "experts")
    tokenizer.save_pretrained(made / "experts")
    (made / "one.prompt").write_text("When Mary and John went to the store")
    return made


def same(found: Any, kept: Any) -> bool:
    """Equal, including key order and types, except for the last digits of numbers."""
    if isinstance(kept, dict):
        return list(found) == list(kept) and all(same(found[key], kept[key]) for key in kept)
    if isinstance(kept, list):
        return len(found) == len(kept) and all(map(same, found, kept))
    if isinstance(kept, float):
        return isinstance(found, float) and found == pytest.approx(kept, rel=1e-3, abs=1e-5)
    return type(found) is type(kept) and found == kept


@pytest.mark.parametrize("name", KEPT)
def test_the_document_is_what_an_earlier_version_wrote(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = KEPT[name]
    about = (str(folder / "one.prompt"), "--model", str(folder / kept["model"]), "--top-k", "2", "--format", "json")
    text = run_text(["inspect", *kept["arguments"], *about], capsys)
    assert same(json.loads(text), kept["document"])
    # one field per line, as before
    assert text.startswith('{\n "format": 1,\n')
