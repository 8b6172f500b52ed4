"""B14: a model whose tokenizer is missing, incomplete or broken is refused with a remedy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lm_transparency import TransparencyError, load_model


def refused(folder: Path, words: str) -> None:
    with pytest.raises(TransparencyError, match=words) as caught:
        load_model(str(folder))
    assert caught.value.kind == "modelUnusable"
    assert "tokenizer.json" in caught.value.remedy


def without_tokenizer(folder: Path) -> Path:
    for file in folder.glob("token*"):
        file.unlink()
    return folder


def test_a_missing_tokenizer_is_named(copy: Path) -> None:
    refused(without_tokenizer(copy), r"copy has no tokenizer in its folder\. Copy tokenizer\.json")


def test_an_empty_tokenizer_is_not_made_up(tmp_path: Path, tiny_gpt2_folder: Path) -> None:
    """For a GPT-2, transformers makes up one with a single token."""
    folder = shutil.copytree(tiny_gpt2_folder, tmp_path / "gpt2")
    refused(without_tokenizer(folder), "gpt2 has no tokenizer in its folder")


@pytest.mark.parametrize("name", ["tokenizer.model", "spiece.model"])
def test_a_lone_sentencepiece_model_is_named(copy: Path, name: str) -> None:
    without_tokenizer(copy)
    (copy / name).write_bytes(b"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02")
    refused(copy, f"has its tokenizer as {name} alone.*sentencepiece and protobuf")


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", "3", '{"model": {"type": "BPE"}}', "\ud800" * 3])
def test_a_broken_tokenizer_is_named(copy: Path, content: str) -> None:
    (copy / "tokenizer.json").write_text(content, "utf-8", "surrogatepass")
    refused(copy, "The tokenizer of copy cannot be read: ")
