"""Tiny random models of every decoder family that transformers knows."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from longer import MORE
from tiny_models import perturb

IDS = torch.tensor([3, 17, 5, 17, 9, 40, 3, 8, 5, 100])

#: Every causal family, from transformers' own registry: a new release adds itself.
CAUSAL = tuple(sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES))

#: Every fourth is tried by `make test`, all by `make test-more` and `make models`.
WHOLE = MORE or bool(os.environ.get("WRITE_MODELS"))
TRIED = CAUSAL if WHOLE else CAUSAL[::4]

#: Sizes under every name that a configuration may have for them.
SIZES: dict[str, Any] = {
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input"), 160),
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "emb_dim", "word_embed_proj_dim", "conv_dim"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("intermediate_size", "ffn_hidden_size", "ffn_dim", "n_inner", "decoder_ffn_dim"), 48),
    **dict.fromkeys(("encoder_layers", "num_encoder_layers", "num_decoder_layers"), 2),
    **dict.fromkeys(("encoder_attention_heads", "num_encoder_attention_heads", "num_decoder_attention_heads"), 4),
    **dict.fromkeys(("encoder_ffn_dim", "moe_shared_expert_intermediate_size", "expert_ffn_hidden_size"), 48),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len"), 64),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size", "kv_lora_rank", "q_lora_rank"), 16),
    **dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim", "head_dim"), 8),
    **dict.fromkeys(("num_key_value_heads", "num_experts_per_tok"), 2),
    **dict.fromkeys(("mamba_n_heads",), 4),
    **dict.fromkeys(("mamba_d_head", "mamba_headdim"), 16),
    **dict.fromkeys(("n_group", "topk_group"), 1),
    **dict.fromkeys(("linear_num_heads",), 4),
    **dict.fromkeys(("linear_head_dim", "pronunciation_embed_dim", "shape_embed_dim"), 8),
    "rotary_dim": 4,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "is_decoder": True,
}

#: An encoder of pictures or sounds, which a text does not reach.
_TINY_ENCODER = {
    **dict.fromkeys(("hidden_size", "ext_pw_out_channel", "depthwise_separable_out_channel", "nemo_conv_channels"), 32),
    **dict.fromkeys(("num_hidden_layers", "num_blocks"), 2),
    **{"intermediate_size": 48, "num_attention_heads": 4, "image_size": 32, "crop_size": 32, "patch_size": 16},
}

#: What some families need beside their sizes to be built at all, or to be built with plain attention in every layer.
NEEDS: dict[str, dict[str, Any]] = {
    **{
        family: {"num_key_value_heads": 4}
        for family in (
            *("axk1", "axk2", "deepseek_v2", "deepseek_v3", "deepseek_v32"),
            *("glm4_moe_lite", "glm_moe_dsa", "minicpm3", "youtu", "longcat_flash", "dots3_note", "dots3_note_text"),
        )
    },
    # half of the layers with attention, half with what the family puts in its place
    **{
        family: {"layer_types": ["linear_attention", "full_attention"]}
        for family in (
            *("qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text", "olmo_hybrid"),
            *("granitemoehybrid", "minimax"),
        )
    },
    "kimi_linear": {
        "layer_types": ["linear_attention", "full_attention"],
        "num_key_value_heads": 4,
        "num_experts_per_token": 2,
    },
    "bailing_hybrid": {"layer_types": ["linear_attention", "full_attention"], "num_key_value_heads": 4},
    **{family: {"layer_types": ["conv", "full_attention"]} for family in ("lfm2", "lfm2_moe", "lfm3")},
    "bamba": {"attn_layer_indices": [1]},
    "zamba2": {"layers_block_type": ["linear_attention", "hybrid"], "mamba_ngroups": 1, "n_mamba_heads": 4},
    "zaya": {"num_experts_per_tok": 1},
    "xmod": {"default_language": "en_XX"},
    **{
        family: {"num_kv_shared_layers": 0, "layer_types": ["sliding_attention", "full_attention"]}
        for family in ("gemma3n", "gemma3n_text")
    },
    "falcon_h1": {"mamba_d_ssm": 64},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
    "dots1": {"n_shared_experts": 1},
    "git": {"vision_config": _TINY_ENCODER},
    "phi4_multimodal": {"vision_config": _TINY_ENCODER, "audio_config": _TINY_ENCODER},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
}


@contextmanager
def unwarned() -> Generator[None]:
    """Without what transformers says while it builds families from nothing."""
    transformers.logging.set_verbosity_error()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def build(model_type: str, changes: dict[str, Any]) -> Any:
    """A tiny model of the family with seeded weights; `NEEDS` unless `changes` say otherwise."""
    blank = AutoConfig.for_model(model_type).get_text_config(decoder=True)
    aliases = dict(type(blank).attribute_map)
    names = {*blank.to_dict(), *aliases}
    sizes = {name: size for name, size in SIZES.items() if name in names and aliases.get(name) not in names}
    torch.manual_seed(0)
    config = type(blank)(**{**sizes, **NEEDS.get(model_type, {}), **changes})
    config._attn_implementation = "sdpa"
    try:
        model = AutoModelForCausalLM.from_config(config)
    except ValueError:
        # a family without SDPA
        config._attn_implementation = "eager"
        model = AutoModelForCausalLM.from_config(config)
    perturb(model.float())
    for name, buffer in model.named_buffers():
        # a trained number that is no parameter
        if name.endswith("layer_scalar"):
            buffer.fill_(0.7)
    return model
