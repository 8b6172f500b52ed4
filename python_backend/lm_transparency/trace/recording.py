"""Record one forward pass through transformers' own AttentionInterface and a few forward hooks.

The model computes what it always computes: its attention runs through SDPA as shipped, and what goes in is kept.
Nothing is rewritten, and after the pass the model is as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from ..errors import TransparencyError
from ..model.anatomy import Anatomy, Block
from ..watch import Watch
from .trace import AttentionRecord, LayerRecord, Trace

_IMPLEMENTATION = "lm_transparency"
_records: ContextVar[dict[nn.Module, AttentionRecord] | None] = ContextVar("records", default=None)

#: What an attention may be given beside q, k, v, mask and scaling without changing its probabilities.
_HARMLESS = {"position_ids", "use_cache", "sliding_window", "output_attentions", "cache_position", "is_causal"}


def _recording_attention(
    module: nn.Module,
    query: Float[Tensor, "1 head query d_head"],
    key: Float[Tensor, "1 kv_head key d_head"],
    value: Float[Tensor, "1 kv_head key d_value"],
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    records = _records.get()
    if records is not None:
        unknown = [name for name, given in kwargs.items() if given is not None and name not in _HARMLESS]
        if unknown:
            raise TransparencyError(
                "modelUnsupported",
                f"The attention of {type(module).__name__} takes {', '.join(sorted(unknown))} into account, "
                "which the decomposition does not know.",
            )
        records[module] = AttentionRecord(
            query=query[0],
            key=key[0],
            value=value[0],
            mask=None if attention_mask is None else attention_mask[0],
            scaling=query.shape[-1] ** -0.5 if scaling is None else scaling,
        )
    return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)


AttentionInterface.register(_IMPLEMENTATION, _recording_attention)
# without a mask function of its own, transformers would hand a custom attention no mask at all
AttentionMaskInterface.register(_IMPLEMENTATION, sdpa_mask)


def record(model: PreTrainedModel, anatomy: Anatomy, token_ids: Int[Tensor, "position"], watch: Watch) -> Trace:
    """Run `model` once on `token_ids` and keep what recomputing every part needs.

    Raises `Cancelled` within one layer's time of `watch.cancel()`, and `TransparencyError("modelUnsupported")` where
    the model's attention does not go through AttentionInterface or takes something unknown into account.
    """
    attention: dict[nn.Module, AttentionRecord] = {}
    states = _States(anatomy, watch)
    with torch.no_grad(), _attention_through_us(model, attention), states.hooked():
        logits = model(input_ids=token_ids[None].to(model.device), use_cache=False).logits[0]
    missing = [i for i, block in enumerate(anatomy.blocks) if block.attention not in attention]
    if missing:
        raise TransparencyError(
            "modelUnsupported",
            f"The attention of layer {missing[0]} does not go through transformers' AttentionInterface, "
            "so its probabilities cannot be recorded.",
        )
    layers = tuple(states.layer(i, attention[block.attention]) for i, block in enumerate(anatomy.blocks))
    return Trace(anatomy=anatomy, token_ids=token_ids.cpu(), layers=layers, logits=logits)


@contextmanager
def _attention_through_us(model: PreTrainedModel, records: dict[nn.Module, AttentionRecord]) -> Generator[None]:
    before = model.config._attn_implementation  # pyright: ignore[reportPrivateUsage]
    model.set_attn_implementation(_IMPLEMENTATION)
    token = _records.set(records)
    try:
        yield
    finally:
        _records.reset(token)
        model.set_attn_implementation(before or "sdpa")


class _States:
    """Hooks that keep the residual states of every block."""

    def __init__(self, anatomy: Anatomy, watch: Watch) -> None:
        self._anatomy = anatomy
        self._watch = watch
        self._kept: list[dict[str, Tensor]] = [{} for _ in anatomy.blocks]

    @contextmanager
    def hooked(self) -> Generator[None]:
        handles = [handle for i, block in enumerate(self._anatomy.blocks) for handle in self._hook(i, block)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def layer(self, index: int, attention: AttentionRecord) -> LayerRecord:
        kept = self._kept[index]
        mid = kept["pre"] if self._anatomy.parallel else kept["mid"]
        return LayerRecord(pre=kept["pre"], mid=mid, ffn=kept["ffn"], post=kept["post"], attention=attention)

    def _hook(self, index: int, block: Block) -> Iterator[Any]:
        yield block.module.register_forward_pre_hook(self._keep_input(index, "pre"), with_kwargs=True)
        if not self._anatomy.parallel:
            yield block.ffn_norm.register_forward_pre_hook(self._keep_input(index, "mid"), with_kwargs=True)
        yield block.ffn.register_forward_hook(self._keep_output(index, "ffn"))
        yield block.module.register_forward_hook(self._keep_output(index, "post"))

    def _keep_input(self, index: int, name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if name == "pre":
                self._watch.step("forward", index, self._anatomy.n_layers)
            self._kept[index][name] = (args[0] if args else kwargs["hidden_states"])[0]

        return hook

    def _keep_output(self, index: int, name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            self._kept[index][name] = (output[0] if isinstance(output, tuple) else output)[0]

        return hook
