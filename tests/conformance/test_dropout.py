"""Take one head out of the model's own attention: the residual stream loses exactly what we call that head's part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from families import IDS, build
from lm_transparency import Watch
from lm_transparency.model.anatomy import Anatomy, dissect
from lm_transparency.routes.heads import head_output
from lm_transparency.trace.recording import record
from lm_transparency.trace.trace import Trace

FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("llama", {}),
    ("gpt2", {}),
    # a norm behind the sublayer
    ("gemma2", {}),
    ("olmo2", {}),
    # one step for attention and feed-forward
    ("gpt_neox", {"use_parallel_residual": True}),
    ("gptj", {}),
    ("cohere", {}),
    # values of a width of their own, sinks, multipliers, experts
    ("deepseek_v3", {}),
    ("gpt_oss", {}),
    ("granite", {"residual_multiplier": 0.22}),
    ("mixtral", {}),
    # attention code of its own
    ("falcon", {}),
    ("bloom", {}),
    # a gate or a norm between the heads and W_O
    ("qwen3_next", {"layer_types": ["full_attention"] * 2}),
    ("laguna", {}),
    ("bitnet", {}),
    # a hybrid's attention layer; attention and a state space side by side
    ("jamba", {}),
    ("lfm2", {}),
    ("falcon_h1", {}),
    # what is carried past attention is not the state itself
    ("doge", {}),
]


@pytest.mark.parametrize(("family", "changes"), FAMILIES, ids=[family for family, _ in FAMILIES])
def test_without_a_head_the_stream_lacks_its_part(family: str, changes: dict[str, Any]) -> None:
    model = build(family, changes)
    anatomy = dissect(model)
    trace = record(model, anatomy, IDS, Watch())
    for layer, head, query in ((0, 1, 9), (1, 3, 5), (1, 0, 0)):
        if not anatomy.blocks[layer].has_attention:
            continue
        with_head = stream_after_attention(model, trace, layer, None)
        without = stream_after_attention(model, trace, layer, (head, query))
        lost = with_head - without
        part = head_output(trace, layer, head, query)
        assert float(part.norm()) > 1e-2, "a head that writes nothing proves nothing"
        assert float((lost[query] - part).norm() / part.norm()) <= 1e-4
        others = torch.arange(len(IDS)) != query
        assert float(lost[others].abs().max()) <= 1e-5


def stream_after_attention(model: Any, trace: Trace, layer: int, drop: tuple[int, int] | None) -> Tensor:
    """The residual after attention (after the whole block where it is one step), in a plain run of the model."""
    anatomy = trace.anatomy
    block = anatomy.blocks[layer]
    seen: list[Tensor] = []

    def keep_input(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
        seen.append(args[0].reshape(len(IDS), -1))

    def keep_output(_module: nn.Module, _args: Any, output: Any) -> None:
        seen.append((output[0] if isinstance(output, tuple) else output).reshape(len(IDS), -1))

    with ExitStack() as stack:
        where = block.module.register_forward_hook(keep_output) if anatomy.parallel else None
        where = where or block.ffn_norm.register_forward_pre_hook(keep_input)
        stack.callback(where.remove)
        stack.enter_context(frozen_norm(trace, layer))
        if drop is not None:
            stack.enter_context(without_head(anatomy, layer, *drop))
        with torch.no_grad():
            model(input_ids=IDS[None], use_cache=False)
    return seen[0]


@contextmanager
def without_head(anatomy: Anatomy, layer: int, head: int, query: int) -> Iterator[None]:
    """All of the head's attention at `query` set to 0: what it hands to W_O is 0 there."""

    def silence(_module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        handed = args[0].clone()
        by_head = handed.view(*handed.shape[:-1], anatomy.n_heads, -1)
        by_head.view(len(IDS), anatomy.n_heads, -1)[query, head] = 0
        return (handed, *args[1:])

    handle = anatomy.blocks[layer].output_projection.register_forward_pre_hook(silence)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def frozen_norm(trace: Trace, layer: int) -> Iterator[None]:
    """A norm behind the attention keeps the scale of the recorded run: that is what a part is defined with."""
    after = trace.anatomy.blocks[layer].after_attention
    if after.norm is None or after.norm_module is None:
        yield
        return
    norm, scale = after.norm, trace.layers[layer].attention_scale
    assert scale is not None

    def freeze(_module: nn.Module, args: tuple[Tensor, ...], _output: Tensor) -> Tensor:
        return scale[:, None] * norm.linear(args[0]) + norm.shift

    handle = after.norm_module.register_forward_hook(freeze)
    try:
        yield
    finally:
        handle.remove()
