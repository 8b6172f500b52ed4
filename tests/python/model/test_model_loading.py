"""The models that are loaded, and the messages on those that are not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lm_transparency import Cancelled, LoadedModel, TransparencyError, Watch, load_model
from lm_transparency.errors import Kind
from lm_transparency.model import embedded as embedded_model
from lm_transparency.model.listing import listed
from lm_transparency.model.loading import choose_device
from tiny_models import save_gpt2, save_llama

EXIT = {"modelNotFound": 3, "modelUnusable": 3, "modelUnsupported": 4, "invalidParams": 2}


def refused(source: object, kind: Kind, words: str, **options: Any) -> None:
    with pytest.raises(TransparencyError, match=words) as caught:
        load_model(str(source), **options)
    assert caught.value.kind == kind
    assert caught.value.exit_code == EXIT[kind]
    # one line, ending like a sentence
    assert "\n" not in str(caught.value)


@pytest.fixture
def broken(tmp_path: Path, tiny_llama_folder: Path) -> Path:
    """A copy of the tiny Llama, to be broken."""
    return shutil.copytree(tiny_llama_folder, tmp_path / "broken")


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize("name", ["nobody/nothing-like-this", "gpt2", "a" * 5000])
def test_a_hub_id_that_is_not_cached_is_not_found(name: str) -> None:
    refused(name, "modelNotFound", "downloads are off")


@pytest.mark.parametrize(
    "name", ["./nowhere", "/no/such/folder", "~/no-such-model", "C:\\models\\x", "a/b/c", "two words"]
)
def test_a_path_that_is_not_there_is_not_found(name: str) -> None:
    refused(name, "modelNotFound", "There is no model at")


@pytest.mark.parametrize("name", ["\0", "a\nb", " ", "two words", "/" + "a" * 5000, "~nobody-of-that-name/model", "-x"])
def test_a_name_that_is_none_is_not_found(name: str) -> None:
    refused(name, "modelNotFound", "There is no model at")


def test_a_folder_without_config_is_no_model(tmp_path: Path) -> None:
    refused(tmp_path, "modelUnusable", r"has no config\.json")


def test_a_folder_without_weights_is_refused(broken: Path) -> None:
    (broken / "model.safetensors").unlink()
    refused(broken, "modelUnusable", "no weights")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "consolidated.00.pth"])
def test_a_folder_with_pickled_weights_only_is_refused(broken: Path, name: str) -> None:
    (broken / "model.safetensors").rename(broken / name)
    refused(broken, "modelUnusable", "pickled weights only.*unpickling can run code")


def test_pickled_weights_are_never_opened(broken: Path) -> None:
    """The pickle would leave a file behind; it has every name that transformers looks for."""
    trap = broken / "trap"

    class Payload:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return Path.touch, (trap,)

    for name in ("pytorch_model.bin", "model.bin"):
        torch.save(Payload(), broken / name)
    load_model(str(broken))
    (broken / "model.safetensors").rename(broken / "other.safetensors")
    refused(broken, "modelUnusable", "no safetensors weights; pickled ones are refused")
    assert not trap.exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt"])
def test_a_pickled_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04")
    refused(tmp_path / name, "modelUnusable", "pickled; unpickling can run code")


@pytest.mark.parametrize("name", ["model.txt", "model.safetensors", "model"])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("hello")
    refused(tmp_path / name, "modelUnusable", "not a readable model file")


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\x03\0\0\0xxxx", b"no gguf at all" * 10])
def test_a_broken_gguf_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.gguf").write_bytes(content)
    refused(tmp_path / "model.gguf", "modelUnusable", "could not be read")


@pytest.mark.parametrize("content", [b"", b"garbage" * 10, b"\xff" * 64])
def test_broken_safetensors_are_refused(broken: Path, content: bytes) -> None:
    (broken / "model.safetensors").write_bytes(content)
    refused(broken, "modelUnusable", "could not be read")


def test_safetensors_cut_short_are_refused(broken: Path) -> None:
    file = broken / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    refused(broken, "modelUnusable", "could not be read")


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("name", ["model.layers.3.mlp.down_proj.weight", "lm_head.weight", "model.norm.weight"])
def test_a_missing_weight_is_refused_and_not_made_up(broken: Path, name: str) -> None:
    """transformers puts random numbers there and only warns."""
    change_weights(broken, lambda weights: weights.pop(name))
    refused(broken, "modelUnusable", f"incomplete: {name} is missing.*save the model again")


def test_the_weights_of_something_else_are_refused(broken: Path, tiny_gpt2_folder: Path) -> None:
    shutil.copy(tiny_gpt2_folder / "model.safetensors", broken / "model.safetensors")
    refused(broken, "modelUnusable", "incomplete: lm_head.weight is missing, and .* more")


def test_weights_of_another_shape_are_refused(broken: Path) -> None:
    change_weights(broken, lambda weights: weights.update({"lm_head.weight": torch.zeros(3, 48)}))
    refused(broken, "modelUnusable", "other shapes than")


def test_a_missing_shard_is_named(broken: Path) -> None:
    (broken / "model.safetensors").rename(broken / "model-00001-of-00002.safetensors")
    index = {"metadata": {}, "weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors"}}
    (broken / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(broken, "modelUnusable", "model-00002-of-00002")


def change_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_hidden_layers": 6.5}, "'num_hidden_layers' expected int, got float"),
        ({"num_attention_heads": 7}, "is not a multiple of the number of attention heads"),
        ({"layer_types": ["nobody"]}, "`layer_types` entries must be in"),
    ],
)
def test_a_configuration_that_contradicts_itself_is_explained(
    broken: Path, changes: dict[str, Any], words: str
) -> None:
    change_config(broken, **changes)
    with pytest.raises(TransparencyError, match=words) as caught:
        load_model(str(broken))
    assert caught.value.kind == "modelUnusable" and ":." not in caught.value.message


def test_a_config_that_is_no_json_is_refused(broken: Path) -> None:
    (broken / "config.json").write_text("{")
    refused(broken, "modelUnusable", "not a valid JSON")


def test_a_config_without_a_model_type_is_refused(broken: Path) -> None:
    (broken / "config.json").write_text("{}")
    refused(broken, "modelUnusable", "Unrecognized model")


def test_an_unknown_architecture_is_refused(broken: Path) -> None:
    change_config(broken, model_type="zorglub")
    refused(broken, "modelUnsupported", "neither a causal language model nor a classifier")


@pytest.mark.parametrize("model_type", ["t5", "vit", "clip"])
def test_what_is_no_causal_language_model_is_refused(broken: Path, model_type: str) -> None:
    (broken / "config.json").write_text(json.dumps({"model_type": model_type}))
    refused(broken, "modelUnsupported", "neither a causal language model nor a classifier")


def test_a_model_with_code_of_its_own_is_refused_and_its_code_not_run(broken: Path) -> None:
    (broken / "modeling_x.py").write_text(f"import pathlib\npathlib.Path({str(broken / 'trap')!r}).touch()\n")
    auto_map = {"AutoConfig": "modeling_x.Config", "AutoModelForCausalLM": "modeling_x.Model"}
    change_config(broken, model_type="my-model", auto_map=auto_map)
    refused(broken, "modelUnusable", r"needs to run its own code.*lmTransparency\.models\.trustRemoteCode")
    assert not (broken / "trap").exists()


def test_a_folder_without_a_tokenizer_is_refused(broken: Path) -> None:
    for file in broken.glob("token*"):
        file.unlink()
    refused(broken, "modelUnusable", "has no tokenizer in its folder")


@pytest.mark.parametrize("device", ["cuda:77", "mps:9", "banana", "", "meta", "xla", "cuda:-1"])
def test_a_device_that_is_not_there_is_refused(tiny_llama_folder: Path, device: str) -> None:
    refused(tiny_llama_folder, "invalidParams", "There is no device", device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_cuda_auto_is_the_cpu_and_cuda_is_refused() -> None:
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(TransparencyError, match="There is no device 'cuda'"):
        choose_device("cuda")


def test_the_device_is_checked_before_anything_is_read() -> None:
    refused("/no/such/folder", "invalidParams", "There is no device", device="banana")


@pytest.mark.parametrize(
    ("dtype", "loaded"), [("auto", "float32"), ("float32", "float32"), ("bfloat16", "bfloat16"), ("float16", "float16")]
)
def test_the_dtype_is_the_one_asked_for(tiny_gpt2_folder: Path, dtype: Any, loaded: str) -> None:
    model = load_model(str(tiny_gpt2_folder), dtype=dtype, device="cpu")
    assert model.dtype == loaded
    assert {p.dtype for p in model.model.parameters()} == {getattr(torch, loaded)}


def test_a_dtype_that_is_none_is_refused(tiny_gpt2_folder: Path) -> None:
    refused(tiny_gpt2_folder, "invalidParams", "There is no dtype 'float64'", dtype="float64")


def test_a_loaded_model_knows_its_parts(tiny_llama: LoadedModel, tiny_gpt2: LoadedModel, embedded: LoadedModel) -> None:
    def facts(model: LoadedModel) -> tuple[Any, ...]:
        a = model.anatomy
        return a.n_layers, a.n_heads, a.n_kv_heads, a.d_model, a.d_ffn, a.n_context, model.architecture, model.name

    assert facts(tiny_llama) == (6, 6, 2, 48, 80, 256, "LlamaForCausalLM", "tiny-llama")
    assert facts(tiny_gpt2) == (5, 5, 5, 40, 160, 128, "GPT2LMHeadModel", "tiny-gpt2")
    assert facts(embedded) == (30, 9, 3, 576, 1536, 8192, "LlamaForCausalLM", "smollm2-135m-instruct")
    assert embedded.n_params == 134_515_008
    assert embedded.memory_bytes >= 4 * embedded.n_params
    assert not any(model.model.training for model in (tiny_llama, tiny_gpt2, embedded))


def test_the_output_projection_by_head_maps_values_as_the_layer_does(tiny: LoadedModel) -> None:
    """W_O of a GPT-2 is stored transposed."""
    block, heads = tiny.anatomy.blocks[1], tiny.anatomy.n_heads
    w_o = block.w_o(heads)
    values = torch.randn(heads, w_o.shape[1])
    with torch.no_grad():
        wanted = block.output_projection(values.reshape(1, -1))[0]
    bias = block.b_o()
    assert bias is not None
    assert torch.allclose(torch.einsum("hd,hdm->m", values, w_o) + bias, wanted, atol=1e-5)


def test_tied_and_untied_unembeddings_are_found(tmp_path: Path, tiny_tokenizer: Any, tiny_gpt2: LoadedModel) -> None:
    tied = load_model(str(save_llama(tmp_path / "tied", tiny_tokenizer, tie_word_embeddings=True)))
    assert tied.anatomy.unembedding.weight is tied.model.get_input_embeddings().weight
    assert tiny_gpt2.anatomy.unembedding.weight is tiny_gpt2.model.get_input_embeddings().weight


@pytest.mark.parametrize("changes", [{"scale_attn_by_inverse_layer_idx": True}, {"reorder_and_upcast_attn": True}])
def test_gpt2_variants_of_attention_pass_the_proof(
    tmp_path: Path, tiny_tokenizer: Any, changes: dict[str, Any]
) -> None:
    from lm_transparency import analyze

    model = load_model(str(save_gpt2(tmp_path / "variant", tiny_tokenizer, **changes)))
    run = analyze(model, "When Mary and John went to the store")
    assert run.proof.max_relative_error <= 1e-5
    with torch.no_grad():
        wanted = model.model(run.trace.token_ids[None]).logits[0]
    assert torch.allclose(run.trace.logits, wanted, atol=1e-4)


def test_a_gpt2_with_cross_attention_is_refused(tmp_path: Path, tiny_tokenizer: Any) -> None:
    folder = save_gpt2(tmp_path / "crossed", tiny_tokenizer, add_cross_attention=True)
    refused(folder, "modelUnsupported", "an additional (crossattention|ln_cross_attn)")


def test_loading_stops_when_cancelled(tiny_llama_folder: Path) -> None:
    watch = Watch()
    watch.cancel()
    with pytest.raises(Cancelled):
        load_model(str(tiny_llama_folder), watch=watch)


def test_loading_reports_what_it_does(tiny_llama_folder: Path) -> None:
    stages: list[str] = []
    load_model(str(tiny_llama_folder), watch=Watch(lambda stage, _done, _total: stages.append(stage)))
    assert "reading weights of tiny-llama" in stages


def test_the_embedded_model_goes_by_its_name_too(embedded: LoadedModel) -> None:
    assert embedded_model.is_present()
    assert embedded.source == ""
    assert embedded.name == embedded_model.NAME


def test_listed_models_can_be_loaded_without_a_download(
    embedded: LoadedModel, no_hub: Path, tiny_llama_folder: Path
) -> None:
    snapshot = no_hub / "models--someone--tiny" / "snapshots" / "0123"
    shutil.copytree(tiny_llama_folder, snapshot)
    (no_hub / "models--someone--pickled" / "snapshots" / "0123").mkdir(parents=True)
    (no_hub / "models--someone--pickled" / "snapshots" / "0123" / "pytorch_model.bin").touch()
    found = listed()
    assert [(m.source, m.kind) for m in found] == [(embedded.name, "embedded"), ("someone/tiny", "cached")]
    assert all(m.size_bytes > 0 for m in found)
