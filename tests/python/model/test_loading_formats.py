"""Revisions, shards, quantised and offloaded weights: the same routes, whatever the storage."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch

from lm_transparency import LoadedModel, TransparencyError, analyze, inspect_ffn, inspect_lens, inspect_node, load_model
from lm_transparency.model.anatomy import dissect
from lm_transparency.model.sources import resolve
from lm_transparency.watch import Watch
from weights import save_as, save_gguf

PROMPT = "When Mary and John went to the store"


def same_routes(a: Any, b: Any) -> None:
    """The two analyses hold identical numbers."""
    assert torch.equal(a.trace.logits, b.trace.logits)
    for name in ("edge_layer", "edge_query", "edge_key", "edge_weight", "head_weight", "attention_residual", "ffn"):
        assert np.array_equal(getattr(a.contributions, name), getattr(b.contributions, name)), name
    assert a.proof == b.proof


def near(a: Any, b: Any) -> None:
    assert [token.id for token in a] == [token.id for token in b]
    assert np.allclose([token.logit for token in a], [token.logit for token in b], atol=1e-4)


def into_cache(cache: Path, repo: str, folder: Path, commit: str, ref: str) -> None:
    place = cache / f"models--{repo.replace('/', '--')}"
    shutil.copytree(folder, place / "snapshots" / commit)
    (place / "refs" / ref).parent.mkdir(parents=True, exist_ok=True)
    (place / "refs" / ref).write_text(commit)


def test_a_revision_is_the_one_that_is_loaded(
    no_hub: Path, tiny_llama_folder: Path, tiny_gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants as constants

    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.setattr(constants, name, str(no_hub), raising=False)
    into_cache(no_hub, "someone/model", tiny_llama_folder, "1" * 40, "main")
    into_cache(no_hub, "someone/model", tiny_gpt2_folder, "2" * 40, "feature/other")
    found = [resolve(f"someone/model{at}", Watch()) for at in ("", "@feature/other", f"@{'2' * 40}")]
    assert [f.revision for f in found] == ["", "feature/other", "2" * 40]
    assert [f.folder and f.folder.name for f in found] == ["1" * 40, "2" * 40, "2" * 40]
    for at, wanted in (("", "Llama"), ("@feature/other", "GPT2"), (f"@{'2' * 40}", "GPT2")):
        model = load_model(f"someone/model{at}")
        assert model.architecture.startswith(wanted)
        assert model.name == f"someone/model{at}"


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize(
    "name", ["a/b@", "a/b@../../x", "a/b@..", "a/b@-x", "a/b@x y", "a/b@x;y", "a/b@/x", "a/b@é", "@main", "a/b@x@y"]
)
def test_a_revision_has_only_characters_that_are_harmless(name: str) -> None:
    with pytest.raises(TransparencyError, match="There is no model at"):
        resolve(name, Watch(), allow_download=True)


def test_shards_are_the_same_model(tiny_llama: LoadedModel, tiny_llama_folder: Path, tmp_path: Path) -> None:
    folder = save_as(tiny_llama_folder, tmp_path / "shards", torch.float32, max_shard_size="100KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 3
    same_routes(analyze(load_model(str(folder)), PROMPT), analyze(tiny_llama, PROMPT))
    gone = sorted(folder.glob("model-*.safetensors"))[1]
    gone.unlink()
    with pytest.raises(TransparencyError, match=rf"1 of the \d+ files of weights.*{gone.name}"):
        load_model(str(folder))


@pytest.mark.parametrize("index", ["", "{}", "[]", '{"weight_map": 3}'])
def test_a_broken_index_is_refused(tiny_llama_folder: Path, tmp_path: Path, index: str) -> None:
    folder = save_as(tiny_llama_folder, tmp_path / "shards", torch.float32, max_shard_size="100KB")
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(TransparencyError, match="is not an index of weights"):
        load_model(str(folder))


@pytest.mark.parametrize("kind", ["Q8_0", "F32"])
def test_a_gguf_is_the_model_that_it_was_made_from(
    embedded_folder: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a file with all layers would only be larger
    first = save_as(embedded_folder, tmp_path / "first", torch.float32, n_layers=3)
    file = save_gguf(first, tmp_path / f"model-{kind}.gguf", kind)
    read, begin = list[Path](), gguf.GGUFReader.__init__
    monkeypatch.setattr(gguf.GGUFReader, "__init__", lambda *words: (read.append(Path(words[1])), begin(*words))[1])
    model = load_model(str(file))
    # it takes seconds, and transformers asks for it three times
    assert read == [file]
    assert gguf.GGUFReader.__module__.startswith("gguf")
    run, original = analyze(model, PROMPT), analyze(load_model(str(first)), PROMPT)
    assert run.proof.holds and run.proof.tolerance == 1e-4
    assert [t.id for t in run.tokens] == [t.id for t in original.tokens]
    off = float((run.trace.logits - original.trace.logits).abs().max())
    assert off < (1e-3 if kind == "F32" else 2.0)
    assert (off == 0) == (kind == "F32") or off > 1e-2


def offloaded(folder: Path, kind: str, tmp_path: Path) -> LoadedModel:
    """Each block stays on the CPU or the disk until it runs, as when the GPU is too small for the model."""
    import accelerate

    loaded = load_model(str(folder), dtype="float32", device="cpu")
    if kind == "disk":
        accelerate.disk_offload(loaded.model, str(tmp_path / "offload"), execution_device=torch.device("cpu"))
    elif kind == "cpu":
        accelerate.cpu_offload(loaded.model, execution_device=torch.device("cpu"))
    else:
        names = [
            name for name, module in loaded.model.named_modules() if module in {b.module for b in loaded.anatomy.blocks}
        ]
        rest = {"model.embed_tokens": "cpu", "model.norm": "disk", "model.rotary_emb": "cpu", "lm_head": "disk"}
        if "transformer.h.0" in names:
            rest = {
                "transformer.wte": "cpu",
                "transformer.wpe": "disk",
                "transformer.drop": "cpu",
                "transformer.ln_f": "cpu",
                "lm_head": "cpu",
            }
        places = {**{name: "disk" if i % 2 else "cpu" for i, name in enumerate(names)}, **rest}
        accelerate.dispatch_model(
            loaded.model, places, main_device="cpu", offload_dir=str(tmp_path / "offload"), force_hooks=True
        )
    return replace(loaded, anatomy=dissect(loaded.model))


@pytest.mark.parametrize("kind", ["cpu", "disk", "mixed"])
@pytest.mark.parametrize("family", ["tiny_llama", "tiny_gpt2"])
def test_offloaded_models_have_the_very_same_routes(
    request: pytest.FixtureRequest, family: str, kind: str, tmp_path: Path
) -> None:
    plain: LoadedModel = request.getfixturevalue(family)
    model = offloaded(request.getfixturevalue(f"{family}_folder"), kind, tmp_path)
    assert "meta" in {p.device.type for p in model.model.parameters()}
    run, wanted = analyze(model, PROMPT), analyze(plain, PROMPT)
    same_routes(run, wanted)
    assert run.notices == wanted.notices
    for node in ("A2_3", "I4_3", "M1_2"):
        # the lens multiplies in another order while the unembedding is offloaded
        near(inspect_node(run, node).update.promoted, inspect_node(wanted, node).update.promoted)
    assert inspect_ffn(run, layer=2, position=3) == inspect_ffn(wanted, layer=2, position=3)
    assert np.array_equal(inspect_lens(run, token=5).token_rank, inspect_lens(wanted, token=5).token_rank)  # type: ignore[arg-type]


def test_a_norm_after_an_offloaded_sublayer_is_read_where_it_runs(tmp_path: Path) -> None:
    """Gemma 2's sublayers end in norms, which are probed when the model is taken apart."""
    import accelerate

    from families import IDS, build
    from lm_transparency.routes.contributions import contributions
    from lm_transparency.trace.recording import record

    wanted = contributions(record(model := build("gemma2", {}), dissect(model), IDS, Watch()))
    accelerate.disk_offload(model, str(tmp_path), execution_device=torch.device("cpu"))
    found = contributions(record(model, dissect(model), IDS, Watch()))
    assert found[1] == wanted[1] and found[1].holds
    assert np.array_equal(found[0].edge_weight, wanted[0].edge_weight)


def test_auto_map_spreads_over_what_there_is(tiny_llama: LoadedModel, tiny_llama_folder: Path) -> None:
    model = load_model(str(tiny_llama_folder), device="auto-map", dtype="float32")
    assert model.device == ("cuda:0" if torch.cuda.is_available() else "cpu")
    assert np.allclose(
        analyze(model, PROMPT).contributions.ffn, analyze(tiny_llama, PROMPT).contributions.ffn, atol=1e-5
    )


def test_auto_map_with_an_adapter(tiny_llama_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    from weights import save_adapter

    folder = save_adapter(tiny_llama_folder, tmp_path / "adapter")
    same_routes(*(analyze(load_model(str(folder), device=d, dtype="float32"), PROMPT) for d in ("auto-map", "cpu")))


@pytest.fixture(scope="module")
def bitsandbytes() -> None:
    pytest.importorskip(
        "bitsandbytes", reason="bitsandbytes is not installed: pip install 'lm-transparency[bitsandbytes]'"
    )


@pytest.mark.usefixtures("bitsandbytes")
@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_a_model_quantised_while_it_is_read_passes_its_own_proof(embedded_folder: Path, bits: Any) -> None:
    """bitsandbytes' CPU kernels round their input, so the tolerance is that of bfloat16."""
    model = load_model(str(embedded_folder), quantization=bits, device="cpu")
    assert model.memory_bytes < 0.6 * 4 * 134_515_008
    assert model.dtype.startswith("float32, bitsandbytes")
    run = analyze(model, PROMPT)
    print(bits, run.proof.max_relative_error, run.proof.tolerance)
    assert run.proof.holds
    block = model.anatomy.blocks[3]
    x = torch.randn(5, 576)
    with torch.no_grad():
        made = block.output_projection(x)
    w_o = block.w_o(model.anatomy.n_heads).flatten(0, 1)
    assert float((x @ w_o - made).norm() / made.norm()) < 2e-2
    assert inspect_ffn(run, layer=2, position=3).neurons_total > 0


@pytest.mark.usefixtures("bitsandbytes")
def test_a_model_published_in_4_bits_loads_as_it_is(embedded_folder: Path, tmp_path: Path) -> None:
    first = load_model(str(embedded_folder), quantization="4bit", device="cpu")
    first.model.save_pretrained(tmp_path / "nf4")
    first.tokenizer.save_pretrained(tmp_path / "nf4")
    again = load_model(str(tmp_path / "nf4"), device="cpu")
    same_routes(analyze(again, PROMPT), analyze(first, PROMPT))
    with pytest.raises(TransparencyError, match="quantised as it was published"):
        load_model(str(tmp_path / "nf4"), quantization="8bit")


@pytest.mark.usefixtures("bitsandbytes")
def test_a_lora_on_a_quantised_base(tiny_llama_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    from weights import save_adapter

    folder = save_adapter(tiny_llama_folder, tmp_path / "adapter")
    model = load_model(str(folder), quantization="8bit", device="cpu")
    assert analyze(model, PROMPT).proof.holds


@pytest.mark.parametrize(
    ("method", "package"),
    [
        ("gptq", "pip install (optimum|gptqmodel)"),
        ("awq", "pip install gptqmodel"),
        ("hqq", "pip install"),
        ("quanto", "pip install optimum-quanto"),
    ],
)
def test_a_quantisation_whose_library_is_missing_names_it(
    tiny_llama_folder: Path, tmp_path: Path, method: str, package: str
) -> None:
    folder = shutil.copytree(tiny_llama_folder, tmp_path / "quantised")
    config = json.loads((folder / "config.json").read_text())
    quantisation = {"quant_method": method, "bits": 4, "weights": "int8", "quant_config": {}}
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": quantisation}))
    with pytest.raises(TransparencyError, match=package) as caught:
        load_model(str(folder))
    assert caught.value.kind == "dependencyMissing"
