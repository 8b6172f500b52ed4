"""B14: a model whose tokenizer is missing, incomplete or broken is refused with a remedy."""

from __future__ import annotations

import json
import shutil
import sys
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


@pytest.mark.parametrize(
    ("name", "package"), [("BertJapanese", "fugashi"), ("CpmAnt", "rjieba"), ("XLM", "sacremoses")]
)
@pytest.mark.parametrize("beside", ["vocab.txt", "tokenizer.json"])
def test_a_missing_package_is_named(
    copy: Path, name: str, package: str, beside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as it is where the package is not installed
    monkeypatch.setitem(sys.modules, package, None)
    kept = (copy / "tokenizer.json").read_bytes()
    without_tokenizer(copy)
    config = {"tokenizer_class": f"{name}Tokenizer", "word_tokenizer_type": "mecab"}
    (copy / "tokenizer_config.json").write_text(json.dumps(config))
    for file in ("vocab.txt", "vocab.json"):
        (copy / file).write_text("[UNK]\n[CLS]\n[SEP]\n[PAD]\n[MASK]\n" if file == "vocab.txt" else '{"<unk>": 0}')
    (copy / "merges.txt").write_text("#version: 0.2\n")
    if beside == "tokenizer.json":
        (copy / beside).write_bytes(kept)
    with pytest.raises(TransparencyError, match=f"needs the Python package {package}, which is not inst") as caught:
        load_model(str(copy))
    assert caught.value.kind == "dependencyMissing"
    assert f"pip install {package}" in caught.value.remedy


def test_a_vocabulary_in_tiktoken_s_format_needs_another_package(copy: Path) -> None:
    without_tokenizer(copy)
    (copy / "tokenizer.model").write_bytes(b"IQ== 0\nIg== 1\n")
    refused(copy, "has its tokenizer as tokenizer.model alone.*the Python package tiktoken and")


def test_parts_of_a_tokenizer_are_not_called_nothing(copy: Path) -> None:
    without_tokenizer(copy)
    (copy / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}')
    (copy / "vocab.json").write_text('{"a": 0}')
    refused(copy, r"has vocab\.json, but no tokenizer could be made from it")
