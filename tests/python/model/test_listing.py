"""The models that `lm-transparency models` finds on this machine, and its description of each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lm_transparency.model.listing import listed, support_of
from weights import save_gguf


def test_folders_are_looked_through(
    no_hub: Path, tiny_llama_folder: Path, tiny_gpt2_folder: Path, tmp_path: Path, embedded_folder: Path
) -> None:
    root = tmp_path / "models"
    shutil.copytree(tiny_llama_folder, root / "deep" / "er" / "llama")
    shutil.copytree(tiny_gpt2_folder, root / "gpt2")
    shutil.copytree(tiny_gpt2_folder, root / ".hidden")
    (root / "adapter").mkdir()
    (root / "adapter" / "adapter_model.safetensors").write_bytes(b"x" * 10)
    (root / "adapter" / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": "a/b"})
    )
    (root / "pickled").mkdir()
    (root / "pickled" / "config.json").write_text("{}")
    (root / "pickled" / "pytorch_model.bin").write_bytes(b"x")
    (root / "broken.gguf").write_bytes(b"GGUF")
    (root / "notes.txt").write_text("no model")
    unknown = shutil.copytree(tiny_gpt2_folder, root / "unknown")
    (unknown / "config.json").write_text('{"model_type": "zorglub"}')
    found = {m.name: m for m in listed([root])}
    assert sorted(found) == ["adapter", "broken", "gpt2", "llama", "smollm2-135m-instruct", "unknown"]
    assert (found["llama"].kind, found["llama"].family, found["llama"].support) == ("folder", "llama", "exact")
    assert found["llama"].source == str(root / "deep" / "er" / "llama")
    assert (found["adapter"].kind, found["adapter"].family, found["adapter"].base) == ("adapter", "LORA", "a/b")
    assert (found["broken"].kind, found["broken"].family, found["broken"].support) == ("gguf", "", "unknown")
    assert (found["unknown"].family, found["unknown"].support) == ("zorglub", "unknown")
    assert found["gpt2"].size_bytes == (tiny_gpt2_folder / "model.safetensors").stat().st_size
    assert found["smollm2-135m-instruct"].support == "exact"


def test_the_family_of_a_gguf_file_is_read_from_its_head(
    tiny_llama_folder: Path, embedded_folder: Path, tmp_path: Path
) -> None:
    save_gguf(tiny_llama_folder, tmp_path / "tiny.gguf", "F32")
    (model,) = [m for m in listed([tmp_path]) if m.kind == "gguf"]
    assert (model.name, model.family, model.support) == ("tiny", "llama", "exact")


@pytest.mark.parametrize(
    ("family", "support"), [("llama", "exact"), ("mamba", "refused"), ("no-such-family", "unknown")]
)
def test_what_is_known_of_a_family(family: str, support: str) -> None:
    assert support_of(family) == support
