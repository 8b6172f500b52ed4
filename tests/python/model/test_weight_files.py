"""C2: only safetensors inside the model's own folder are read, whatever an index names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile_models import change_config

from lm_transparency import TransparencyError, load_model
from lm_transparency.model.weights import INDEX, weight_files
from weights import save_as


class Payload:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trap: Path) -> None:
        self._trap = trap

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._trap,)


@pytest.fixture
def shards(tiny_llama_folder: Path, tmp_path: Path) -> Path:
    return save_as(tiny_llama_folder, tmp_path / "shards", torch.float32, max_shard_size="300KB")


def rename_in_index(folder: Path, new: str) -> str:
    """Make the index name `new` in place of its last shard, and return that shard's name."""
    index = json.loads((folder / INDEX).read_text())
    old = max(index["weight_map"].values())
    index["weight_map"] = {key: new if name == old else name for key, name in index["weight_map"].items()}
    (folder / INDEX).write_text(json.dumps(index))
    return old


def refused(folder: Path, words: str) -> None:
    with pytest.raises(TransparencyError, match=words) as caught:
        load_model(str(folder))
    assert caught.value.kind == "modelUnusable"
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["pytorch_model.bin", "x.pt", "x.safetensors.bin", "x.SAFETENSORS.pkl", "x", ""])
def test_an_index_that_names_what_is_no_safetensors_is_refused(shards: Path, name: str) -> None:
    trap = shards.parent / "trap"
    old = rename_in_index(shards, name)
    if name:
        torch.save(Payload(trap), shards / name)
        (shards / old).unlink()
    refused(shards, "is not a safetensors file; unpickling can run code")
    assert not trap.exists()


def test_an_index_that_names_files_elsewhere_is_refused(shards: Path, tmp_path: Path) -> None:
    old = rename_in_index(shards, "../elsewhere.safetensors")
    shutil.copy(shards / old, tmp_path / "elsewhere.safetensors")
    refused(shards, "outside of the model's folder")
    rename_in_index(shards, old)
    rename_in_index(shards, str(tmp_path / "elsewhere.safetensors"))
    refused(shards, "outside of the model's folder")


def test_a_shard_that_is_a_link_out_of_the_folder_is_refused(shards: Path, tmp_path: Path) -> None:
    last = max(shards.glob("model-*.safetensors"))
    shutil.move(last, tmp_path / "elsewhere.safetensors")
    last.symlink_to(tmp_path / "elsewhere.safetensors")
    refused(shards, "outside of the model's folder")
    last.unlink()
    # a link to a file inside the folder is allowed
    shutil.move(tmp_path / "elsewhere.safetensors", shards / "kept.safetensors")
    last.symlink_to("kept.safetensors")
    assert load_model(str(shards)).n_params


def test_a_cache_of_the_hub_links_to_its_blobs(shards: Path, no_hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(no_hub))
    place = no_hub / "models--org--name"
    snapshot = place / "snapshots" / ("1" * 40)
    for folder in (snapshot, place / "blobs", place / "refs"):
        folder.mkdir(parents=True)
    (place / "refs" / "main").write_text("1" * 40)
    for n, file in enumerate(shards.iterdir()):
        shutil.move(file, place / "blobs" / str(n))
        (snapshot / file.name).symlink_to(f"../../blobs/{n}")
    assert load_model("org/name").n_params
    assert load_model(str(snapshot)).n_params
    # a link out of the repository's folder is not one that the cache makes
    last = max(snapshot.glob("model-*.safetensors"))
    shutil.move(last.resolve(), no_hub / "elsewhere")
    last.unlink()
    last.symlink_to(no_hub / "elsewhere")
    for source in ("org/name", str(snapshot)):
        with pytest.raises(TransparencyError, match="outside of the model's folder"):
            load_model(source)


@pytest.mark.parametrize("name", ["adapter_model.bin", "pytorch_model.bin", "../x.safetensors"])
def test_a_configuration_does_not_choose_the_weights(copy: Path, name: str) -> None:
    trap = copy.parent / "trap"
    change_config(copy, transformers_weights=name)
    torch.save(Payload(trap), copy / name)
    assert load_model(str(copy)).n_params
    assert not trap.exists()


@pytest.mark.parametrize(
    "index", ["[]", '{"weight_map": ["a.bin"]}', "[" * 100_000, '{"weight_map": {"a": ' + "9" * 5000 + "}}"]
)
def test_a_strange_index_is_refused(shards: Path, index: str) -> None:
    (shards / INDEX).write_text(index)
    with pytest.raises(TransparencyError, match=r"not an index of weights|is not a safetensors file"):
        weight_files(shards)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_pointer_of_git_lfs_is_called_one(copy: Path, name: str) -> None:
    (copy / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123\n")
    refused(copy, rf"{name} is a Git LFS pointer.*git lfs pull")


def test_a_gguf_file_that_is_a_pointer_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123\n")
    refused(tmp_path / "x.gguf", "is a Git LFS pointer")
