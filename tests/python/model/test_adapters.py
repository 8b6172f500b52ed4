"""LoRA and similar adapters: routes of base and adapter together, no weight rewritten, and refusals with a reason."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lm_transparency import LoadedModel, TransparencyError, analyze, load_model
from lm_transparency.lens.projection import Lens
from weights import save_adapter

peft = pytest.importorskip("peft", reason="peft is not installed: pip install 'lm-transparency[peft]'")

PROMPT = "When Mary and John went to the store"

KINDS: dict[str, Callable[[], dict[str, Any]]] = {
    "lora": lambda: {},
    "lora of every part": lambda: {"target_modules": "all-linear"},
    "lora with a bias": lambda: {"lora_bias": True},
    "rslora": lambda: {"use_rslora": True},
    "dora": lambda: {"use_dora": True},
    "adalora": lambda: {"config": peft.AdaLoraConfig, "total_step": 10, "target_modules": ["o_proj", "down_proj"]},
    "ia3": lambda: {"config": peft.IA3Config, "feedforward_modules": ["down_proj"]},
    "loha": lambda: {"config": peft.LoHaConfig, "r": 3},
    "lokr": lambda: {"config": peft.LoKrConfig, "r": 3},
    "oft": lambda: {"config": peft.OFTConfig, "oft_block_size": 4, "r": 0},
    "vera": lambda: {"config": peft.VeraConfig, "r": 8},
    "norms": lambda: {"config": peft.LNTuningConfig, "target_modules": ["input_layernorm", "norm"]},
    "whole unembedding": lambda: {"modules_to_save": ["lm_head"]},
}


def adapter_of(base: Path, folder: Path, kind: str = "lora") -> Path:
    return save_adapter(base, folder, **KINDS[kind]())


@pytest.mark.parametrize("kind", KINDS)
def test_routes_of_an_adapted_model_are_exact(kind: str, tiny_llama_folder: Path, tmp_path: Path) -> None:
    folder = adapter_of(tiny_llama_folder, tmp_path / "adapter", kind)
    base, adapted = load_model(str(tiny_llama_folder)), load_model(str(folder))
    run = analyze(adapted, PROMPT)
    assert run.proof.max_relative_error <= 1e-5, run.proof.sentence()
    # the same as peft's own model on the untouched base, and not the same as the base
    wanted = peft.PeftModel.from_pretrained(load_model(str(tiny_llama_folder)).model, folder).eval()
    ids = run.trace.token_ids[None]
    with torch.no_grad():
        assert torch.allclose(wanted(input_ids=ids).logits[0], run.trace.logits, atol=1e-5)
        assert not torch.allclose(base.model(input_ids=ids).logits[0], run.trace.logits, atol=1e-2)
    assert torch.allclose(Lens(adapted.anatomy).logits(run.trace.layers[-1].post), run.trace.logits, atol=1e-4)
    assert adapted.name == "adapter on tiny-llama"


def test_a_lora_is_base_plus_scaling_times_b_a(tiny_llama_folder: Path, tmp_path: Path) -> None:
    folder = adapter_of(tiny_llama_folder, tmp_path / "adapter")
    base, adapted = load_model(str(tiny_llama_folder)), load_model(str(folder))
    projection: Any = adapted.anatomy.blocks[2].output_projection
    a, b = projection.lora_A["default"].weight, projection.lora_B["default"].weight
    w_o, before = (m.anatomy.blocks[2].w_o(m.anatomy.n_heads).flatten(0, 1) for m in (adapted, base))
    assert torch.allclose(w_o - before, 2.0 * (b @ a).T, atol=1e-6)
    # those weights are the base's own
    assert torch.equal(projection.base_layer.weight.T, before)
    assert not projection.merged


def test_the_neurons_of_an_adapted_model_sum_to_what_the_block_writes(tiny_llama_folder: Path, tmp_path: Path) -> None:
    from lm_transparency.routes.neurons import activations

    adapted = load_model(str(adapter_of(tiny_llama_folder, tmp_path / "adapter", "dora")))
    run = analyze(adapted, PROMPT)
    block = adapted.anatomy.blocks[1]
    bias = block.b_out()
    assert bias is not None
    written = activations(run.trace, 1) @ block.w_out() + bias
    assert torch.allclose(written, run.trace.layers[1].ffn, atol=1e-4)


def test_an_adapter_of_gpt2_whose_layers_are_transposed(tiny_gpt2_folder: Path, tmp_path: Path) -> None:
    folder = save_adapter(tiny_gpt2_folder, tmp_path / "adapter", target_modules=["c_proj"], fan_in_fan_out=True)
    assert analyze(load_model(str(folder)), PROMPT).proof.max_relative_error <= 1e-5


def change(folder: Path, **changes: Any) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def refused(source: Path, kind: str, words: str, **options: Any) -> None:
    with pytest.raises(TransparencyError, match=words) as caught:
        load_model(str(source), **options)
    assert caught.value.kind == kind


@pytest.fixture
def adapter(tiny_llama_folder: Path, tmp_path: Path) -> Path:
    return adapter_of(tiny_llama_folder, tmp_path / "adapter")


def test_the_base_is_found_beside_the_adapter_or_named(adapter: Path, tiny_llama_folder: Path) -> None:
    shutil.copytree(tiny_llama_folder, adapter.parent / "the-base")
    change(adapter, base_model_name_or_path="../the-base")
    assert load_model(str(adapter)).name == "adapter on the-base"
    change(adapter, base_model_name_or_path="somebody/else")
    refused(adapter, "modelNotFound", "base model of the adapter adapter.*--base")
    assert load_model(str(adapter), base=str(tiny_llama_folder)).name == "adapter on tiny-llama"


def test_a_base_of_what_is_no_adapter_is_refused(tiny_llama_folder: Path) -> None:
    refused(tiny_llama_folder, "invalidParams", "is not an adapter", base="gpt2")


def test_an_adapter_from_the_hub_cache(adapter: Path, no_hub: Path) -> None:
    snapshot = no_hub / "models--someone--adapter" / "snapshots" / "0123abcd"
    shutil.copytree(adapter, snapshot)
    (no_hub / "models--someone--adapter" / "refs").mkdir()
    (no_hub / "models--someone--adapter" / "refs" / "v1.0").write_text("0123abcd")
    assert load_model("someone/adapter@v1.0").name == "someone/adapter@v1.0 on tiny-llama"
    refused(Path("someone/adapter@v2.0"), "modelNotFound", "downloads are off")


def test_pickled_adapters_are_refused_and_never_opened(adapter: Path) -> None:
    trap = adapter / "trap"

    class Payload:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return Path.touch, (trap,)

    (adapter / "adapter_model.safetensors").unlink()
    torch.save(Payload(), adapter / "adapter_model.bin")
    refused(adapter, "modelUnusable", "pickled weights are refused")
    assert not trap.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"peft_type": "PREFIX_TUNING"}, "a PREFIX_TUNING adapter does more than change weights"),
        ({"peft_type": "XLORA"}, "does more than change weights"),
        ({"task_type": "SEQ_CLS"}, "made for the task SEQ_CLS"),
        ({"alora_invocation_tokens": [1, 2]}, "from a token of the prompt on"),
        ({"megatron_config": {"a": 1}, "megatron_core": "os"}, "made for Megatron"),
    ],
)
def test_adapters_that_do_more_than_change_weights_are_refused(
    adapter: Path, changes: dict[str, Any], words: str
) -> None:
    change(adapter, **changes)
    refused(adapter, "modelUnsupported", words)


def test_an_adapter_of_another_model_does_not_fit(adapter: Path, tiny_gpt2_folder: Path, tmp_path: Path) -> None:
    refused(adapter, "modelUnusable", "does not fit its base", base=str(tiny_gpt2_folder))
    refused(adapter, "modelUnusable", "does not fit its base", base="smollm2-135m-instruct")


def test_an_adapter_whose_weights_are_incomplete_is_refused(adapter: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = adapter / "adapter_model.safetensors"
    weights = load_file(file)
    gone = next(name for name in sorted(weights) if "layers.3." in name)
    save_file({name: w for name, w in weights.items() if name != gone}, file)
    refused(adapter, "modelUnusable", "missing adapter keys")


def test_an_adapter_of_a_deeper_model_is_refused(adapter: Path, tiny_tokenizer: Any, tmp_path: Path) -> None:
    from tiny_models import save_llama

    shallow = save_llama(tmp_path / "shallow", tiny_tokenizer, num_hidden_layers=4)
    refused(adapter, "modelUnusable", "the base has no place for base_model.model.model.layers.4", base=str(shallow))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is nested too deeply"),
        ("[]", "does not hold a JSON object"),
        ("{}", "names no peft_type"),
        ('{"peft_type": []}', "names no peft_type"),
    ],
)
def test_a_broken_adapter_config_is_refused(adapter: Path, content: str, reason: str) -> None:
    (adapter / "adapter_config.json").write_text(content)
    refused(adapter, "modelUnusable", rf"adapter_config\.json {reason}")


def test_an_adapter_that_names_no_base_is_refused(adapter: Path) -> None:
    change(adapter, base_model_name_or_path=None)
    refused(adapter, "modelUnusable", "does not name its base model.*--base")


def test_an_adapter_on_an_adapter_is_refused(adapter: Path, tmp_path: Path) -> None:
    second = shutil.copytree(adapter, tmp_path / "second")
    change(second, base_model_name_or_path=str(adapter))
    refused(second, "modelUnsupported", "is an adapter too")


def test_without_peft_the_command_that_installs_it_is_named(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    refused(adapter, "dependencyMissing", r"pip install 'lm-transparency\[peft\]'")


def test_the_adapters_own_tokenizer_counts(adapter: Path, tiny_llama: LoadedModel, tiny_tokenizer: Any) -> None:
    assert load_model(str(adapter)).tokenizer.all_special_tokens == tiny_llama.tokenizer.all_special_tokens
    tiny_tokenizer.save_pretrained(adapter)
    file = adapter / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token": "<s>"}))
    assert load_model(str(adapter)).tokenizer.eos_token == "<s>"
