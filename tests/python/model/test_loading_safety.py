"""Checks before loading: memory that will not suffice, and code that comes with a model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from lm_transparency import LoadedModel, Session, TransparencyError, analyze, load_model
from lm_transparency.model import memory
from lm_transparency.model.sources import Source, resolve
from lm_transparency.watch import Watch
from weights import save_as

CPU = torch.device("cpu")
PROMPT = "When Mary and John went to the store"


def needed(found: Source, dtype: Any, bits: int | None, config: Any) -> int:
    return memory.needed_bytes(memory.weight_headers(found), dtype, bits, config)


@pytest.mark.parametrize(("dtype", "bits"), [(torch.float32, None), (torch.bfloat16, None), ("auto", None)])
def test_the_estimate_is_a_little_above_what_the_weights_take(
    embedded: LoadedModel, embedded_folder: Path, dtype: Any, bits: None
) -> None:
    told = needed(resolve(str(embedded_folder), Watch()), dtype, bits, None)
    taken = embedded.n_params * (dtype.itemsize if isinstance(dtype, torch.dtype) else 4)
    assert taken < told < 1.2 * taken + 300e6


def test_headers_shards_and_the_configuration_alone_tell_the_same(
    tiny_llama: LoadedModel, tiny_llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = save_as(tiny_llama_folder, tmp_path / "shards", torch.float32, max_shard_size="100KB")
    monkeypatch.setattr(memory, "_BYTES", 0)
    monkeypatch.setattr(memory, "_SHARE", 1)
    taken = 4 * tiny_llama.n_params
    found = [resolve(str(folder), Watch()) for folder in (tiny_llama_folder, shards)]
    assert [needed(f, torch.float32, None, None) for f in found] == [taken, taken]
    (tmp_path / "empty").mkdir()
    nowhere = type(found[0])("folder", str(tmp_path / "empty"), "x")
    assert needed(nowhere, torch.float32, None, tiny_llama.model.config) == taken
    assert needed(nowhere, torch.bfloat16, None, tiny_llama.model.config) == taken / 2
    assert needed(nowhere, torch.float32, 8, tiny_llama.model.config) < 0.4 * taken


def test_free_memory_is_no_more_than_there_is() -> None:
    assert 0 < memory.free_bytes(CPU) <= psutil.virtual_memory().total


def test_a_model_that_will_not_fit_is_refused_with_the_numbers_unless_forced(
    embedded_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda _place: 500_000_000)
    with pytest.raises(
        memory.TooLarge, match=r"needs about 0\.8 GB in float32; 0\.5 GB are free on cpu.*--anyway"
    ) as caught:
        load_model(str(embedded_folder), device="cpu")
    assert (caught.value.kind, caught.value.exit_code, caught.value.free_bytes) == ("tooLarge", 4, 500_000_000)
    assert load_model(str(embedded_folder), device="cpu", dtype="bfloat16").dtype == "bfloat16"
    assert load_model(str(embedded_folder), device="cpu", anyway=True).dtype == "float32"


def test_the_model_before_makes_room(
    tiny_llama_folder: Path, tiny_gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session()
    held = session.load(str(tiny_llama_folder), device="cpu").memory_bytes
    need = needed(resolve(str(tiny_gpt2_folder), Watch()), torch.float32, None, None)
    short = need - held // 2
    monkeypatch.setattr(memory, "free_bytes", lambda _p: short + (0 if session.loaded else held))
    session.load(str(tiny_gpt2_folder), device="cpu")
    assert [m.name for m in session.loaded] == ["tiny-gpt2"]
    # a model that would not fit even then leaves the loaded one in place
    monkeypatch.setattr(memory, "free_bytes", lambda _place: 0)
    with pytest.raises(memory.TooLarge):
        session.load(str(tiny_llama_folder), device="cpu")
    assert [m.name for m in session.loaded] == ["tiny-gpt2"]


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts mappings on Linux only")
def test_a_real_lack_of_memory_while_loading_is_called_so(embedded_folder: Path) -> None:
    program = """
import resource, sys
import torch, transformers
from lm_transparency.model import loading
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData")) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + 250_000_000,) * 2)
from lm_transparency import TransparencyError
try:
    loading.load_model(sys.argv[1], device="cpu", dtype="float32", anyway=True)
except TransparencyError as error:
    print(error.kind, error)
"""
    done = subprocess.run([sys.executable, "-c", program, str(embedded_folder)], capture_output=True, text=True)
    assert done.stdout.startswith("outOfMemory "), done.stdout + done.stderr[-2000:]
    assert "does not fit into the memory of cpu" in done.stdout


CODE = """
import pathlib
from transformers import LlamaConfig, LlamaForCausalLM
pathlib.Path(__file__).with_name("ran").touch()
pathlib.Path({trap!r}).touch()


class DoubledConfig(LlamaConfig):
    model_type = "doubled"


class DoubledForCausalLM(LlamaForCausalLM):
    config_class = DoubledConfig

    def __init__(self, config):
        super().__init__(config)
        self.doubled = True
"""


@pytest.fixture
def with_code(tiny_llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Llama with a class of its own, whose code leaves a file `trap` beside the folder when it runs."""
    import transformers.dynamic_module_utils as dynamic

    monkeypatch.setattr(dynamic, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = save_as(tiny_llama_folder, tmp_path / "doubled", torch.float32)
    (folder / "modeling_doubled.py").write_text(CODE.format(trap=str(tmp_path / "trap")))
    changes = {
        "model_type": "doubled",
        "auto_map": {
            "AutoConfig": "modeling_doubled.DoubledConfig",
            "AutoModelForCausalLM": "modeling_doubled.DoubledForCausalLM",
        },
    }
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder


def refused_code(folder: Path, words: str, **options: Any) -> None:
    with pytest.raises(TransparencyError, match=words) as caught:
        load_model(str(folder), **options)
    assert "lmTransparency.models.trustRemoteCode" in str(caught.value)
    assert "--trust-remote-code" in str(caught.value)
    assert not (folder.parent / "trap").exists()


@pytest.mark.parametrize("named", [[], ["*"], ["doubled"], ["org/doubled"], [""], ["/"]])
def test_code_of_a_model_that_is_not_named_is_not_run(with_code: Path, named: list[str]) -> None:
    refused_code(with_code, "needs to run its own code", trust_remote_code=named)
    refused_code(with_code, "needs to run its own code", trust_remote_code=[*named, str(with_code.parent)])


def test_code_of_a_model_that_is_named_is_run(with_code: Path, tiny_llama: LoadedModel) -> None:
    model = load_model(str(with_code), trust_remote_code=[str(with_code)])
    assert model.architecture == "DoubledForCausalLM"
    assert (with_code.parent / "trap").exists()
    run, plain = (analyze(m, PROMPT) for m in (model, tiny_llama))
    assert run.proof.holds
    assert torch.equal(run.trace.logits, plain.trace.logits)


def test_the_environment_names_models_too(with_code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LM_TRANSPARENCY_TRUST_REMOTE_CODE", f"org/other:{with_code}")
    assert load_model(str(with_code)).architecture == "DoubledForCausalLM"


def test_a_named_model_does_not_bring_the_code_of_another_repository(with_code: Path) -> None:
    file = with_code / "config.json"
    file.write_text(file.read_text().replace('"modeling_doubled.', '"evil/code--modeling_doubled.'))
    refused_code(with_code, "code from another repository, evil/code", trust_remote_code=[str(with_code)])


def test_an_adapter_gives_its_base_no_leave_to_run_code(
    with_code: Path, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    from weights import save_adapter

    folder = save_adapter(tiny_llama_folder, tmp_path / "adapter")
    refused_code(folder, "needs to run its own code", base=str(with_code), trust_remote_code=[str(folder)])
    assert load_model(str(folder), base=str(with_code), trust_remote_code=[str(with_code)]).name == "adapter on doubled"
