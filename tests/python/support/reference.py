"""The definitions of docs/method.md#contribution in float64, slow and plain: the reference for every fast path.

Nothing here imports the product. A run is watched on the transformers model itself (eager attention, its own
`output_attentions` and `output_hidden_states`, and plain hooks on the projections), not through our recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Run:
    """What one forward pass computed, by layer, float64. `mid` and `post` are the sums of what was added."""

    pre: list[Array]  # [T, d]
    attention: list[Array]  # [H, T, T]
    values: list[Array]  # [H, T, d_head], repeated for grouped queries
    w_o: list[Array]  # [H, d_head, d]
    b_o: list[Array]  # [d]
    activation: list[Array]  # [T, neurons]: what meets the output weights of the feed-forward block
    w_out: list[Array]  # [neurons, d]
    b_out: list[Array]  # [d]
    ffn: list[Array]  # [T, d]
    post: list[Array]  # [T, d]
    logits: Array  # [T, V]

    @property
    def n_layers(self) -> int:
        return len(self.pre)

    def contributions(self, layer: int) -> Shares:
        """Computed once."""
        return _shares_once(self, layer)


@dataclass(frozen=True)
class Shares:
    """One layer's contributions, by (query, key, head), and for residual, bias and feed-forward block."""

    attention: Array  # [T, T, H]
    attention_residual: Array  # [T]
    attention_bias: Array  # [T]
    ffn: Array  # [T]
    ffn_residual: Array  # [T]


def proximity(part: Array, whole: Array) -> Array:
    """max(0, ‖y‖₁ − ‖y − x‖₁), of one part or of many."""
    return np.maximum(0.0, np.abs(whole).sum() - np.abs(whole - part).sum(axis=-1))


def shares(run: Run, layer: int) -> Shares:
    """Contributions of a pre-norm, sequential layer: two rows of parts per position, each summing to 1."""
    pre, ffn, post = run.pre[layer], run.ffn[layer], run.post[layer]
    alpha, values, w_o, b_o = run.attention[layer], run.values[layer], run.w_o[layer], run.b_o[layer]
    n_heads, n_tokens, _ = alpha.shape
    attention = np.zeros((n_tokens, n_tokens, n_heads))
    residual, bias, ffn_share, ffn_residual = (np.zeros(n_tokens) for _ in range(4))
    moved = [values[h] @ w_o[h] for h in range(n_heads)]
    for t in range(n_tokens):
        parts = [alpha[h, t, : t + 1, None] * moved[h][: t + 1] for h in range(n_heads)]
        mid = pre[t] + b_o + sum(part.sum(axis=0) for part in parts)
        for h in range(n_heads):
            attention[t, : t + 1, h] = proximity(parts[h], mid)
        residual[t] = proximity(pre[t], mid)
        bias[t] = proximity(b_o, mid)
        # parts that cancel may leave none that carries towards the whole
        row = attention[t].sum() + residual[t] + bias[t] or 1.0
        attention[t] /= row
        residual[t] /= row
        bias[t] /= row
        near_ffn, near_mid = proximity(ffn[t], post[t]), proximity(mid, post[t])
        row = near_ffn + near_mid or 1.0
        ffn_share[t] = near_ffn / row
        ffn_residual[t] = near_mid / row
    return Shares(attention, residual, bias, ffn_share, ffn_residual)


@cache
def _shares_once(run: Run, layer: int) -> Shares:
    return shares(run, layer)


def mid_of(run: Run, layer: int) -> Array:
    """The residual after attention, as the sum of what was added."""
    moved = (run.attention[layer] @ run.values[layer]) @ run.w_o[layer]
    return run.pre[layer] + run.b_o[layer] + moved.sum(axis=0)


def neuron_shares(run: Run, layer: int, t: int) -> tuple[Array, float, float]:
    """Contributions of every neuron, of the residual and of the output bias to the residual after the layer."""
    post = run.post[layer][t]
    near = proximity(run.activation[layer][t][:, None] * run.w_out[layer], post)
    residual = float(proximity(mid_of(run, layer)[t], post))
    bias = float(proximity(run.b_out[layer], post))
    total = near.sum() + residual + bias or 1.0
    return near / total, residual / total, bias / total


def head_tag(attention: Array, tag: str, n_random: int) -> float:
    """One head's mean attention [T, T] on random tokens given twice, query by query (`routes.tags`)."""
    n_tokens = len(attention)
    of_query = {
        "previous": lambda t: t - 1 if t >= 2 else None,
        "first": lambda t: 0 if t >= 1 else None,
        "duplicate": lambda t: t - n_random if t >= n_tokens - n_random else None,
        "induction": lambda t: t - n_random + 1 if t >= n_tokens - n_random else None,
        "self": lambda t: t if t >= 1 else None,
    }[tag]
    looks = [attention[t, key] for t in range(n_tokens) if (key := of_query(t)) is not None]
    return float(np.mean(looks))


def lens_logits(model: Any, states: Array, *, normalize: bool = True) -> Array:
    """The model's own final norm and unembedding, with weights and arithmetic of float64."""
    trunk = getattr(model, "transformer", None) or model.model
    norm = trunk.ln_f if hasattr(trunk, "ln_f") else trunk.norm
    if normalize and hasattr(norm, "variance_epsilon"):
        scale = np.sqrt((states**2).mean(axis=-1, keepdims=True) + norm.variance_epsilon)
        states = states / scale * _numpy(norm.weight)
    elif normalize:
        centred = states - states.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + norm.eps)
        states = centred / scale * _numpy(norm.weight) + _numpy(norm.bias)
    return states @ _weight(model.lm_head).T.astype(np.float64)


def plain_model(folder: Path | str, dtype: torch.dtype = torch.float32) -> Any:
    """The model as transformers alone loads it, with eager attention."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()


def watch_llama(model: Any, ids: list[int]) -> Run:
    """A Llama-like model (eager) on `ids`."""
    heads, kv_heads = model.config.num_attention_heads, model.config.num_key_value_heads
    layers = model.model.layers
    seen: dict[str, Array] = {}
    with (
        _keeping(seen, {f"v{i}": b.self_attn.v_proj for i, b in enumerate(layers)}),
        _keeping(seen, {f"ffn{i}": b.mlp for i, b in enumerate(layers)}),
        _keeping(seen, {f"post{i}": b for i, b in enumerate(layers)}),
        _keeping_input(seen, {f"act{i}": b.mlp.down_proj for i, b in enumerate(layers)}),
    ):
        out = _forward(model, ids)
    w_out = [_weight(block.mlp.down_proj).T for block in layers]
    b_out = [_bias(block.mlp.down_proj, weight.shape[1]) for block, weight in zip(layers, w_out, strict=True)]
    n_tokens = len(ids)
    values, w_o, b_o = [], [], []
    for i, block in enumerate(layers):
        grouped = seen[f"v{i}"].reshape(n_tokens, kv_heads, -1).transpose(1, 0, 2)
        values.append(np.stack([grouped[h * kv_heads // heads] for h in range(heads)]))
        weight = _numpy(block.self_attn.o_proj.weight)  # d_model × (head, d_head)
        w_o.append(np.stack([part.T for part in np.split(weight, heads, axis=1)]))
        b_o.append(_bias(block.self_attn.o_proj, weight.shape[0]))
    return _run(out, seen, values, w_o, b_o, w_out, b_out)


def watch_gpt2(model: Any, ids: list[int]) -> Run:
    """A GPT-2-like model (eager) on `ids`."""
    heads = model.config.n_head
    layers = model.transformer.h
    seen: dict[str, Array] = {}
    with (
        _keeping(seen, {f"qkv{i}": b.attn.c_attn for i, b in enumerate(layers)}),
        _keeping(seen, {f"ffn{i}": b.mlp for i, b in enumerate(layers)}),
        _keeping(seen, {f"post{i}": b for i, b in enumerate(layers)}),
        _keeping_input(seen, {f"act{i}": b.mlp.c_proj for i, b in enumerate(layers)}),
    ):
        out = _forward(model, ids)
    w_out = [_weight(block.mlp.c_proj) for block in layers]
    b_out = [_numpy(block.mlp.c_proj.bias) for block in layers]
    values, w_o, b_o = [], [], []
    for i, block in enumerate(layers):
        value = np.split(seen[f"qkv{i}"], 3, axis=1)[2]
        values.append(np.stack(np.split(value, heads, axis=1)))
        w_o.append(np.stack(np.split(_numpy(block.attn.c_proj.weight), heads, axis=0)))
        b_o.append(_numpy(block.attn.c_proj.bias))
    return _run(out, seen, values, w_o, b_o, w_out, b_out)


def watch_any(model: Any, ids: list[int]) -> Run:
    return (watch_gpt2 if hasattr(model, "transformer") else watch_llama)(model, ids)


def _run(out: Any, seen: dict[str, Array], *weights: list[Array]) -> Run:
    values, w_o, b_o, w_out, b_out = weights
    n_layers = len(values)
    return Run(
        pre=[_numpy(out.hidden_states[i][0]) for i in range(n_layers)],
        attention=[_numpy(out.attentions[i][0]) for i in range(n_layers)],
        values=values,
        w_o=w_o,
        b_o=b_o,
        activation=[seen[f"act{i}"] for i in range(n_layers)],
        w_out=w_out,
        b_out=b_out,
        ffn=[seen[f"ffn{i}"] for i in range(n_layers)],
        post=[seen[f"post{i}"] for i in range(n_layers)],
        logits=_numpy(out.logits[0]),
    )


def _forward(model: Any, ids: list[int]) -> Any:
    assert model.config._attn_implementation == "eager"
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids]), use_cache=False, output_attentions=True, output_hidden_states=True)


@contextmanager
def _keeping(seen: dict[str, Array], modules: dict[str, Any]) -> Iterator[None]:
    def keep(name: str) -> Callable[..., None]:
        def hook(_module: Any, _args: Any, output: Any) -> None:
            seen[name] = _numpy((output[0] if isinstance(output, tuple) else output)[0])

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _keeping_input(seen: dict[str, Array], modules: dict[str, Any]) -> Iterator[None]:
    def keep(name: str) -> Callable[..., None]:
        def hook(_module: Any, args: Any) -> None:
            seen[name] = _numpy(args[0][0])

        return hook

    handles = [module.register_forward_pre_hook(keep(name)) for name, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _weight(projection: Any) -> Array:
    """Avoids a copy where numpy has the dtype: weights are large, and float32 times float64 gives float64."""
    weight = projection.weight.detach()
    return (weight.float() if weight.dtype is torch.bfloat16 else weight).numpy()


def _bias(projection: Any, width: int) -> Array:
    return np.zeros(width) if projection.bias is None else _numpy(projection.bias)


def _numpy(tensor: torch.Tensor) -> Array:
    return tensor.detach().double().numpy()
