"""Many families of decoders, tiny and random: analysed right, or refused with a reason; never analysed wrongly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from lm_transparency import Lens, TransparencyError, Watch
from lm_transparency.model.anatomy import dissect
from lm_transparency.routes.contributions import contributions
from lm_transparency.trace.recording import record
from tiny_models import perturb

IDS = torch.tensor([3, 17, 5, 17, 9, 40, 3, 8, 5, 100])

#: Sizes under every name that a configuration may have for them.
SIZES: dict[str, Any] = {
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input"), 160),
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "word_embed_proj_dim", "conv_dim"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("intermediate_size", "ffn_hidden_size", "ffn_dim", "n_inner", "decoder_ffn_dim"), 48),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len"), 64),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size", "kv_lora_rank", "q_lora_rank"), 16),
    **dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim", "head_dim"), 8),
    **dict.fromkeys(("num_key_value_heads", "num_experts_per_tok"), 2),
    **dict.fromkeys(("n_group", "topk_group"), 1),
    "rotary_dim": 4,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "is_decoder": True,
}

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
    ("deepseek_v3", {"first_k_dense_replace": 2, "num_key_value_heads": 4}),
]

#: Must be refused before anything is computed.
REFUSED: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ("gemma2", "gemma3_text", "gpt_neox", "gptj", "codegen", "phi", "opt", "bloom", "falcon")),
    *((name, {}) for name in ("mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "phimoe", "granitemoe", "gpt_oss")),
    *((name, {}) for name in ("olmo2", "olmo3", "cohere", "cohere2", "glm4", "exaone4", "apertus", "nanochat")),
    *((name, {}) for name in ("starcoder2", "persimmon", "mpt", "xglm", "biogpt", "openai-gpt", "bert", "roberta")),
    *((name, {}) for name in ("mamba", "rwkv", "jamba", "lfm2", "recurrent_gemma", "llama4_text", "minicpm3")),
    ("deepseek_v3", {"first_k_dense_replace": 1}),
    ("falcon", {"new_decoder_architecture": True}),
    ("stablelm", {"use_parallel_residual": True}),
    ("granite", {"residual_multiplier": 0.22}),
    ("granite", {"logits_scaling": 8.0}),
    ("cohere", {"logit_scale": 1.0}),
    ("gpt2", {"add_cross_attention": True}),
]

#: Look like Llama from the outside, yet something lies between the heads and W_O: the proof, or the recording, objects.
CAUGHT: list[tuple[str, dict[str, Any]]] = [("bitnet", {}), ("diffllama", {}), ("doge", {})]


def named(cases: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    return [pytest.param(*case, id=" ".join([case[0], *case[1]])) for case in cases]


def build(model_type: str, changes: dict[str, Any]) -> Any:
    """A tiny model of the family with seeded weights."""
    blank = AutoConfig.for_model(model_type).get_text_config(decoder=True)
    aliases = dict(type(blank).attribute_map)
    names = {*blank.to_dict(), *aliases}
    sizes = {name: size for name, size in SIZES.items() if name in names and aliases.get(name) not in names}
    torch.manual_seed(0)
    config = type(blank)(**{**sizes, **changes})
    config._attn_implementation = "sdpa"
    try:
        model = AutoModelForCausalLM.from_config(config)
    except ValueError:
        # a family without SDPA
        config._attn_implementation = "eager"
        model = AutoModelForCausalLM.from_config(config)
    return perturb(model.float())


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
    # what is said about the model is what runs
    attention = trace.layers[0].attention
    assert (attention.query.shape[0], attention.key.shape[0]) == (anatomy.n_heads, anatomy.n_kv_heads)
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
        lambda _module, args, kwargs: (args, {**kwargs, "softcap": 30.0}), with_kwargs=True
    )
    try:
        with pytest.raises(TransparencyError, match="takes softcap into account") as caught:
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
