"""Many families of decoders, tiny and random: analysed correctly, or refused with a reason; never analysed wrongly."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from families import IDS, build
from lm_transparency import Lens, TransparencyError, Watch
from lm_transparency.model.anatomy import dissect
from lm_transparency.routes.contributions import contributions
from lm_transparency.trace.recording import record

#: (model type, changes): must be analysed exactly.
ANALYSED: list[tuple[str, dict[str, Any]]] = [
    ("llama", {}),
    ("llama", {"attention_bias": True, "mlp_bias": True}),
    ("llama", {"num_key_value_heads": 1}),
    ("mistral", {"sliding_window": 4}),
    ("ministral", {}),
    ("qwen2", {}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 0}),
    ("qwen3", {}),
    ("phi3", {}),
    ("gemma", {}),
    ("granite", {"embedding_multiplier": 3.0, "attention_multiplier": 0.5}),
    ("stablelm", {}),
    ("stablelm", {"use_qkv_bias": True, "qk_layernorm": True}),
    ("smollm3", {}),
    ("olmo", {"clip_qkv": 0.5}),
    ("glm", {}),
    ("helium", {}),
    ("nemotron", {}),
    ("arcee", {}),
    ("ernie4_5", {}),
    ("seed_oss", {}),
    ("hunyuan_v1_dense", {}),
    ("gpt2", {}),
    ("gpt2", {"scale_attn_weights": False}),
    ("gpt_bigcode", {"multi_query": True, "num_key_value_heads": 1}),
    ("gpt_bigcode", {"multi_query": False, "num_key_value_heads": 4}),
    # values of a width of their own
    ("deepseek_v3", {"first_k_dense_replace": 2}),
    ("deepseek_v3", {"first_k_dense_replace": 1}),
    # norms behind the sublayers, soft caps, multipliers
    ("gemma2", {"attn_logit_softcapping": 3.0, "final_logit_softcapping": 2.0}),
    ("gemma3_text", {"sliding_window": 4}),
    ("olmo2", {}),
    ("glm4", {}),
    ("granite", {"residual_multiplier": 0.22, "logits_scaling": 8.0}),
    ("cohere", {"logit_scale": 0.3}),
    ("hyperclovax", {"use_post_norm": True, "residual_multiplier": 0.4}),
    # one step for attention and feed-forward, or two
    ("gpt_neox", {"use_parallel_residual": True}),
    ("gpt_neox", {"use_parallel_residual": False}),
    ("stablelm", {"use_parallel_residual": True}),
    ("phi", {}),
    ("minicpm3", {}),
    # experts, sinks
    ("mixtral", {}),
    ("qwen3_moe", {}),
    ("olmoe", {}),
    ("gpt_oss", {"sliding_window": 4}),
    # attention code of their own
    ("gptj", {}),
    ("bloom", {}),
    ("falcon", {}),
    ("falcon", {"parallel_attn": False}),
    ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}),
    ("falcon", {"alibi": True}),
    ("mpt", {}),
    ("opt", {}),
    ("xglm", {}),
    # a gate, or a norm, between the heads and W_O
    ("qwen3_next", {"layer_types": ["full_attention"] * 2}),
    ("bitnet", {}),
    ("laguna", {"gating": "per-head"}),
    ("laguna", {"gating": "per-element"}),
    ("afmoe", {}),
    # a residual that is not the state itself; an addition in each layer
    ("doge", {}),
    ("gemma4_text", {}),
    # keys that an indexer chooses
    ("deepseek_v32", {"index_topk": 4}),
]

#: Must be refused before anything is computed.
REFUSED: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ("openai-gpt", "bert", "roberta", "mamba", "rwkv", "zaya", "deepseek_v4")),
    ("qwen3_next", {"layer_types": ["linear_attention"] * 2}),
    ("gpt2", {"add_cross_attention": True}),
]

#: Look like others from the outside, yet something lies between the heads and W_O, or the norm is elsewhere: the proof,
#: or the recording, objects.
CAUGHT: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ("diffllama", "beam")),
    ("opt", {"do_layer_norm_before": False}),
]


def named(cases: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    return [pytest.param(*case, id=" ".join([case[0], *case[1]])) for case in cases]


@pytest.mark.parametrize(("model_type", "changes"), named(ANALYSED))
def test_a_family_is_analysed_exactly(model_type: str, changes: dict[str, Any]) -> None:
    model = build(model_type, changes)
    anatomy = dissect(model)
    with torch.no_grad():
        wanted = model(input_ids=IDS[None], use_cache=False).logits[0]
    trace = record(model, anatomy, IDS, Watch())
    kept, proof = contributions(trace)
    assert proof.max_relative_error <= 1e-5
    assert float((trace.logits - wanted).abs().max()) <= 1e-4
    assert float((Lens(anatomy).logits(trace.layers[-1].post) - wanted).abs().max()) <= 1e-4
    assert kept.attention_residual == pytest.approx(kept.attention_residual.clip(0, 1))
    # the reported facts match the model that runs
    attention = trace.layers[0].attention
    assert attention.query.shape[0] == anatomy.n_heads
    # some repeat the key-value heads before they attend
    assert attention.key.shape[0] in (anatomy.n_kv_heads, anatomy.n_heads)
    assert trace.layers[0].pre.shape == (len(IDS), anatomy.d_model)
    assert wanted.shape[-1] == anatomy.n_vocab


@pytest.mark.parametrize(("model_type", "changes"), named(REFUSED))
def test_a_family_that_cannot_be_decomposed_yet_is_refused_with_the_reason(
    model_type: str, changes: dict[str, Any]
) -> None:
    model = build(model_type, changes)
    with pytest.raises(TransparencyError, match="cannot be decomposed exactly: it") as caught:
        dissect(model)
    assert caught.value.kind == "modelUnsupported"
    assert caught.value.exit_code == 4
    assert caught.value.message.startswith(type(model).__name__)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("model_type", "changes"), named(CAUGHT))
def test_a_family_that_only_looks_right_is_not_analysed_in_silence(model_type: str, changes: dict[str, Any]) -> None:
    model = build(model_type, changes)
    refused: list[str] = []
    held = False
    try:
        held = contributions(record(model, dissect(model), IDS, Watch()))[1].holds
    except TransparencyError as error:
        refused.append(error.kind)
    assert refused in ([], ["modelUnsupported"])
    assert not held


def test_sliding_windows_leave_nothing_outside_of_them() -> None:
    model = build("mistral", {"sliding_window": 4})
    trace = record(model, dissect(model), IDS, Watch())
    alpha = trace.layers[1].attention.probabilities().numpy()
    query, key = np.indices(alpha.shape[1:])
    assert not alpha[:, query - key >= 4].any()
    assert (alpha[:, (query - key < 4) & (key <= query)] > 0).all()


def test_an_attention_that_takes_something_unknown_into_account_is_refused(tiny_llama: Any) -> None:
    attention = tiny_llama.anatomy.blocks[0].attention
    handle = attention.register_forward_pre_hook(
        lambda _module, args, kwargs: (args, {**kwargs, "gates": 30.0}), with_kwargs=True
    )
    try:
        with pytest.raises(TransparencyError, match="depends on gates") as caught:
            record(tiny_llama.model, tiny_llama.anatomy, IDS, Watch())
        assert caught.value.kind == "modelUnsupported"
    finally:
        handle.remove()


def test_an_attention_outside_of_the_interface_is_refused(tiny_llama: Any) -> None:
    attention = tiny_llama.anatomy.blocks[1].attention
    own = attention.forward
    attention.forward = lambda hidden_states, **_: (torch.zeros_like(hidden_states), None)
    try:
        with pytest.raises(TransparencyError, match="layer 1 does not go through") as caught:
            record(tiny_llama.model, tiny_llama.anatomy, IDS, Watch())
        assert caught.value.kind == "modelUnsupported"
    finally:
        attention.forward = own


@pytest.mark.parametrize(
    ("model_type", "wrong"),
    [
        ("phi", {"parallel": False}),
        ("gpt_neox", {"parallel": False}),
        ("gemma2", {"attention_norm_after": "post_feedforward_layernorm"}),
        ("gemma2", {"ffn_norm_after": ""}),
        ("olmo2", {"ffn_norm_after": "post_attention_layernorm"}),
        ("glm4", {"ffn_norm": "input_layernorm"}),
    ],
)
def test_a_wrong_fact_fails_the_proof(model_type: str, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(model_type, {})
    changed = dataclasses.replace(dissect(model).facts, **wrong)
    # every child is accounted for: structure alone does not object
    children = frozenset(name for name, _ in model.get_decoder().layers[0].named_children())
    used = {changed.attention, changed.ffn, changed.ffn_norm, changed.attention_norm_after, changed.ffn_norm_after}
    changed = dataclasses.replace(changed, norms=children - used)
    monkeypatch.setattr("lm_transparency.model.anatomy.BLOCKS", (changed,))
    proof = contributions(record(model, dissect(model), IDS, Watch()))[1]
    assert not proof.holds
    assert "cannot be trusted" in proof.sentence()
