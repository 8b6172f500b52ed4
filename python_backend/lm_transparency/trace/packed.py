"""Several short prompts in one forward pass, one after the other, without attention between them.

There is no padding: transformers builds the mask that separates the prompts from positions that restart at 0 (packed
sequences). The recorded masks show whether it did.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import PreTrainedModel

from ..model.anatomy import Anatomy
from ..model.context import length_changes_positions
from ..watch import Watch
from .recording import record
from .trace import AttentionRecord, HeadGate, LayerRecord, Trace


def can_pack(model: PreTrainedModel, anatomy: Anatomy) -> bool:
    """Whether prompts can meet in attention only, and positions can be given. `record_packed` checks the masks."""
    return (
        bool(model._can_set_attn_implementation())  # pyright: ignore[reportPrivateUsage]
        and "position_ids" in inspect.signature(model.forward).parameters
        and not anatomy.readout.classifies
        and not length_changes_positions(model.config.get_text_config(decoder=True))
        and all(block.has_attention and block.mixer is None for block in anatomy.blocks)
    )


def record_packed(
    model: PreTrainedModel, anatomy: Anatomy, prompts: Sequence[Int[Tensor, "position"]], watch: Watch
) -> list[Trace] | None:
    """One trace per prompt, from one pass; None where the model let one prompt look at another.

    Raises as `record`.
    """
    positions = torch.cat([torch.arange(len(ids)) for ids in prompts])
    whole = record(model, anatomy, torch.cat(list(prompts)), watch, positions=positions)
    owner = torch.repeat_interleave(torch.arange(len(prompts)), torch.tensor([len(ids) for ids in prompts]))
    if not _apart(whole, owner):
        return None
    ends = torch.tensor([len(ids) for ids in prompts]).cumsum(0).tolist()
    return [_part(whole, slice(end - len(ids), end)) for ids, end in zip(prompts, ends, strict=True)]


def _apart(whole: Trace, owner: Int[Tensor, "position"]) -> bool:
    """Whether no query can look at a key of another prompt, in any layer."""
    seen: set[int] = set()
    for layer in whole.layers:
        mask = layer.attention.mask
        if mask is None or mask.dtype != torch.bool:
            return False
        # layers share their masks
        if mask.data_ptr() not in seen:
            seen.add(mask.data_ptr())
            mine = owner.to(mask.device)
            if bool((mask & (mine[:, None] != mine[None, :])).any()):
                return False
    return True


def _part(whole: Trace, span: slice) -> Trace:
    return Trace(
        anatomy=whole.anatomy,
        token_ids=whole.token_ids[span],
        layers=tuple(_layer(layer, span) for layer in whole.layers),
        logits=whole.logits[span],
    )


def _layer(layer: LayerRecord, span: slice) -> LayerRecord:
    def cut(states: Tensor | None) -> Tensor | None:
        return None if states is None else states[span]

    return replace(
        layer,
        pre=layer.pre[span],
        mid=layer.mid[span],
        ffn=layer.ffn[span],
        post=layer.post[span],
        heads=_heads(layer.attention, span),
        attention_scale=cut(layer.attention_scale),
        ffn_scale=cut(layer.ffn_scale),
        gate=None if layer.gate is None else _gate(layer.gate, span),
        carried=cut(layer.carried),
        carried_mid=cut(layer.carried_mid),
        activation=cut(layer.activation),
    )


def _heads(heads: AttentionRecord, span: slice) -> AttentionRecord:
    assert heads.mask is not None
    mask: Tensor | None = heads.mask[..., span, span]
    if bool((mask == torch.ones_like(mask).tril()).all()):
        # as a run on this prompt alone records it
        mask = None
    return replace(heads, query=heads.query[:, span], key=heads.key[:, span], value=heads.value[:, span], mask=mask)


def _gate(gate: HeadGate, span: slice) -> HeadGate:
    channels = gate.channels[span] if gate.by_query else gate.channels
    return HeadGate(gate.scale[span], channels)
