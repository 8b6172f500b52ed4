"""The embedded model, or a tiny one, in common formats: adapters, GGUF, shards, other dtypes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer


def save_adapter(base: Path, folder: Path, *, seed: int = 0, **changes: Any) -> Path:
    """An adapter of `base` with random weights that change its output. `changes`: fields of its LoraConfig."""
    import peft

    torch.manual_seed(seed)
    kind = changes.pop("config", peft.LoraConfig)
    targets = {"target_modules": ["q_proj", "o_proj", "down_proj"], **changes}
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if kind is peft.LoraConfig:
        targets = {"r": 4, "lora_alpha": 8, **targets}
    wrapped = peft.get_peft_model(model, kind(task_type="CAUSAL_LM", **targets))
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if parameter.requires_grad:
                size = parameter.shape[-1] ** -0.5
                # what scales starts at 1, what is added at 0
                base_value = 1.0 if "ia3" in name or "magnitude" in name else 0.0
                noise = torch.randn_like(parameter) * (0.1 if base_value else 0.7 * size)
                parameter.copy_(parameter * (1 + noise) if base_value else noise)
    wrapped.save_pretrained(folder)
    return folder


def save_as(base: Path, folder: Path, dtype: torch.dtype, *, n_layers: int | None = None, **options: Any) -> Path:
    """A copy of `base` in another dtype, or of its first `n_layers`. `options`: arguments of save_pretrained."""
    config = AutoConfig.from_pretrained(base)
    if n_layers is not None:
        config.num_hidden_layers = n_layers
    AutoModelForCausalLM.from_pretrained(base, config=config, dtype=dtype).save_pretrained(folder, **options)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


def save_gguf(base: Path, file: Path, kind: str) -> Path:
    """A Llama as a GGUF file of `kind` (Q8_0, Q4_0 …), by gguf's own quantiser; norms stay float32."""
    config = AutoConfig.from_pretrained(base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    kind_of = gguf.GGMLQuantizationType[kind]
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer, tokenizer, config.vocab_size)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        array = tensor.numpy()
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
        for part, n in heads.items():
            if part in name:
                # llama.cpp rotates neighbouring pairs where transformers rotates halves
                array = array.reshape(n, 2, -1, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)
        own = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert own is not None, name
        whole_blocks = array.ndim == 2 and array.shape[-1] % gguf.GGML_QUANT_SIZES[kind_of][0] == 0
        if whole_blocks:
            writer.add_tensor(own, gguf.quants.quantize(np.ascontiguousarray(array), kind_of), raw_dtype=kind_of)
        else:
            writer.add_tensor(own, np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Any, n_vocab: int) -> None:
    vocabulary = {i: token for token, i in tokenizer.get_vocab().items()}
    special = set(tokenizer.all_special_ids)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([vocabulary.get(i, f"[unused{i}]") for i in range(n_vocab)])
    writer.add_token_types([3 if i in special else 1 for i in range(n_vocab)])
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
