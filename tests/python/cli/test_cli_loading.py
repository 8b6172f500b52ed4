"""Model formats at the command line: each is analysed, and its difference from the original is reported."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import pre_tokenizers

from lm_transparency.cli import main
from lm_transparency.model import memory
from tiny_models import save_llama
from weights import save_adapter, save_as, save_gguf

IOI = "When Mary and John went to the store, John gave a drink to"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Any) -> Path:
    """A Llama that GGUF has a place for: rows of whole blocks of Q4_0, no biases, words cut as by GPT-2."""
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    sizes = {"hidden_size": 96, "intermediate_size": 128, "attention_bias": False, "mlp_bias": False}
    return save_llama(tmp_path_factory.mktemp("original") / "tiny-original", tokenizer, **sizes)


@pytest.fixture(scope="module")
def copies(original: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A LoRA on a tiny model, a GGUF quantisation of it, and copies in two precisions."""
    pytest.importorskip("peft")
    place = tmp_path_factory.mktemp("copies")
    return {
        "lora": save_adapter(original, place / "a-lora", r=2, lora_alpha=1),
        "gguf": save_gguf(original, place / "model.Q4_0.gguf", "Q4_0"),
        "bfloat16": save_as(original, place / "in-bfloat16", torch.bfloat16),
        "float32": save_as(original, place / "in-float32", torch.float32),
    }


def told(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    assert main(arguments) == code
    out = capsys.readouterr()
    return out.out if code == 0 else out.err


@pytest.mark.parametrize("kind", ["lora", "gguf", "bfloat16", "float32"])
def test_each_copy_is_analyzed(
    copies: dict[str, Path], original: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    dtype = "bfloat16" if kind == "bfloat16" else "auto"
    run = json.loads(
        told(["analyze", "--text", IOI, "--model", str(copies[kind]), "--dtype", dtype, "--format", "json"], capsys)
    )
    assert run["proof"]["max_relative_error"] <= (2e-2 if kind == "bfloat16" else 1e-5)
    assert run["model"]["dtype"] == ("bfloat16" if kind == "bfloat16" else "float32")
    assert run["edges"]
    if kind == "lora":
        assert run["model"]["name"].startswith("a-lora on tiny-original")
    if kind == "float32":
        alone = json.loads(told(["analyze", "--text", IOI, "--model", str(original), "--format", "json"], capsys))
        assert run["predictions"] == alone["predictions"]


def test_doctor_shows_what_sets_the_copies_apart(
    copies: dict[str, Path], original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found: dict[str, dict] = {}
    for kind, path in copies.items():
        dtype = ["--against-dtype", "bfloat16"] if kind == "bfloat16" else []
        arguments = ["doctor", str(original), "--against", str(path), *dtype, "--format", "json"]
        document = json.loads(told(arguments, capsys))
        assert document["sound"] and document["against"]["sound"]
        found[kind] = document["against"]
    print("\ncopy       proof    tolerance  logits   KL        top    edges kept/gone/new")
    for kind, d in found.items():
        edges = f"{d['edges_kept']}/{d['edges_gone']}/{d['edges_new']}"
        print(
            f"{kind:9}  {d['proof']:.1e}  {d['tolerance']:.0e}      {d['logits']:<7.2g}  {d['kl']:.2e}  "
            f"{100 * d['top_agrees']:3.0f} %  {edges}"
        )
    same = found["float32"]
    assert (same["logits"], same["kl"], same["top_agrees"], same["edges_gone"], same["edges_new"]) == (0, 0, 1, 0, 0)
    assert same["tolerance"] == found["gguf"]["tolerance"] == found["lora"]["tolerance"] == 1e-4
    assert found["bfloat16"]["tolerance"] == 2e-2
    for kind in ("lora", "gguf", "bfloat16"):
        assert found[kind]["logits"] > 0.1 and found[kind]["kl"] > 1e-4
        # rounding to 16 bits moves no edge of so small a model
        assert kind == "bfloat16" or found[kind]["edges_gone"] + found[kind]["edges_new"] > 0
    # rounding to 16 bits changes less than rounding to 4
    assert found["bfloat16"]["kl"] < found["gguf"]["kl"]


def test_doctor_says_it_in_words(copies: dict[str, Path], original: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(["doctor", str(original), "--against", str(copies["float32"])], capsys)
    assert "The routes of this model can be trusted." in said
    assert "Against in-float32, float32:" in said
    assert "KL divergence 0.00e+00" in said
    assert "the same at 100 % of the positions" in said
    assert "edges the same, 0 gone, 0 new" in said
    assert "named twice" in told(["doctor", "a", "--model", "b"], capsys, code=2)


def test_models_lists_folders_with_their_families(
    copies: dict[str, Path], no_hub: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = told(["models", str(copies["lora"].parent)], capsys).splitlines()
    rows = {line.split()[0]: line for line in said}
    assert said[0].split() == ["model", "kind", "size", "family", "routes"]
    assert rows["smollm2-135m-instruct"].split()[-2:] == ["llama", "exact"]
    assert "gguf" in rows[str(copies["gguf"])] and rows[str(copies["gguf"])].endswith("exact")
    assert "LORA" in rows[str(copies["lora"])] and "as its base, " in rows[str(copies["lora"])]
    found = json.loads(told(["models", str(copies["lora"].parent), "--format", "json"], capsys))
    assert {m["kind"] for m in found} == {"embedded", "folder", "adapter", "gguf"}


def test_a_model_that_will_not_fit_is_refused_unless_forced(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda _place: 100_000_000)
    said = told(["analyze", "--text", "Hi there"], capsys, code=4)
    assert "needs about 0.8 GB in float32; 0.1 GB are free on cpu" in said and "--anyway" in said
    assert "Hi there" not in said
    assert told(["analyze", "--text", "Hi there", "--anyway"], capsys)
