"""Record one forward pass through transformers' own AttentionInterface and a few forward hooks.

The model computes what it always computes: its attention runs through SDPA as shipped, and the inputs are kept. Nothing
is rewritten, and after the pass the model is unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, Cache, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from ..errors import TransparencyError
from ..model.anatomy import Anatomy
from ..model.block import Block, Sublayer
from ..model.context import forget_lengths
from ..model.memory import give_back
from ..watch import Watch
from . import head_gates
from .outputs import last_alone, run
from .own_code import watched
from .trace import AttentionRecord, HeadGate, LayerRecord, Trace

_IMPLEMENTATION = "lm_transparency"
_records: ContextVar[dict[nn.Module, AttentionRecord] | None] = ContextVar("records", default=None)

#: Arguments of an attention, besides q, k, v, mask and scaling, that do not change its probabilities.
_HARMLESS = {
    "position_ids",
    "use_cache",
    "sliding_window",
    "output_attentions",
    "output_router_logits",
    "cache_position",
    "is_causal",
}
#: Arguments that `AttentionRecord` takes into account.
_KNOWN = {"s_aux", "softcap", "indices"}

#: Size in bytes above which a trace makes it worth freeing memory after the pass.
_LARGE = 100_000_000


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
    tried = head_gates.trial.get()
    if tried is not None and module in tried:
        return tried[module], None
    records = _records.get()
    if records is not None:
        unknown = [name for name, given in kwargs.items() if given is not None and name not in _HARMLESS | _KNOWN]
        if unknown:
            raise TransparencyError(
                "modelUnsupported",
                f"The attention of {type(module).__name__} depends on {', '.join(sorted(unknown))}, "
                "which the decomposition does not support.",
            )
        chosen = kwargs.pop("indices", None)
        if chosen is not None:
            attention_mask = _only(chosen, attention_mask, query.shape[2], key.shape[2])
        records[module] = AttentionRecord(
            query=query[0],
            key=key[0],
            value=value[0],
            mask=None if attention_mask is None else attention_mask[0],
            scaling=query.shape[-1] ** -0.5 if scaling is None else scaling,
            sinks=None if kwargs.get("s_aux") is None else kwargs["s_aux"].detach(),
            softcap=kwargs.get("softcap"),
        )
        if records[module].sinks is not None or records[module].softcap is not None:
            # SDPA supports neither; this is the plain formula
            states = _plain_attention(records[module], query.dtype)
        else:
            states, _ = sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
        kept = head_gates.outputs.get()
        if kept is not None:
            kept[module] = head_gates.HeadOutputs(states, states._version)
        return states, None
    return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)


def _only(chosen: Int[Tensor, "1 query chosen"], mask: Tensor | None, n_query: int, n_key: int) -> Tensor:
    """`mask` restricted to the keys that an indexer has chosen for each query (DeepSeek's sparse attention)."""
    seen = torch.zeros(1, n_query, n_key, dtype=torch.bool, device=chosen.device)
    seen = seen.scatter(-1, chosen.long(), True)[:, None]
    if mask is None:
        return seen & torch.ones(n_query, n_key, dtype=torch.bool, device=chosen.device).tril()
    return mask & seen if mask.dtype == torch.bool else mask.masked_fill(~seen, torch.finfo(mask.dtype).min)


def _plain_attention(record: AttentionRecord, dtype: torch.dtype) -> Float[Tensor, "1 query head d_value"]:
    return (record.probabilities() @ record.values()).transpose(0, 1)[None].to(dtype)


AttentionInterface.register(_IMPLEMENTATION, _recording_attention)
# without a mask function of its own, transformers would give a custom attention no mask
AttentionMaskInterface.register(_IMPLEMENTATION, sdpa_mask)


def record(
    model: PreTrainedModel,
    anatomy: Anatomy,
    token_ids: Int[Tensor, "position"],
    watch: Watch,
    *,
    positions: Int[Tensor, "position"] | None = None,
    only_last: bool = False,
    cache: Cache | None = None,
) -> Trace:
    """Run `model` once on `token_ids` and keep what is needed to recompute every part.

    `positions`: where each token stands in its prompt, for several prompts in a row (`trace.packed`). `only_last`:
    leave all logits but the last position's for later (`Trace.unread`). `cache`: keys and values of the tokens before
    these; only the keys and values of the trace then cover all tokens (`trace.prefix`). Raises `Cancelled` within one
    layer's time of `watch.cancel()`, and `TransparencyError("modelUnsupported")` where the model's attention does not
    go through AttentionInterface or takes something unknown into account.
    """
    forget_lengths(model, model.config.get_text_config(decoder=True))
    states = _States(anatomy, watch)
    unread: list[Tensor] = []
    reading = last_alone(anatomy, unread) if only_last else nullcontext()
    with torch.no_grad(), states.hooked(), attention_recorded(model, anatomy) as (attention, gates), reading:
        logits, pooled = run(model, anatomy, token_ids, positions, cache)
    missing = [i for i, block in enumerate(anatomy.blocks) if block.has_attention and block.attention not in attention]
    if missing:
        raise TransparencyError(
            "modelUnsupported",
            f"The attention of layer {missing[0]} does not go through transformers' AttentionInterface and multiplies "
            "no probabilities with values, so nothing can be recorded.",
        )
    layers = tuple(
        states.layer(i, attention.get(block.attention), gates.get(block.attention))
        for i, block in enumerate(anatomy.blocks)
    )
    left = unread[0] if len(logits) < len(token_ids) else None
    trace = Trace(anatomy, token_ids.cpu(), layers, logits, pooled, left)
    if trace.memory_bytes() > _LARGE:
        # memory that the pass needed would otherwise stay allocated
        give_back()
    return trace


@contextmanager
def attention_recorded(
    model: PreTrainedModel, anatomy: Anatomy
) -> Generator[tuple[dict[nn.Module, AttentionRecord], dict[nn.Module, HeadGate]]]:
    """What each attention module computes while the model runs, and the gates behind its heads, as they become known.

    Raises as `record`.
    """
    attention: dict[nn.Module, AttentionRecord] = {}
    gates: dict[nn.Module, HeadGate] = {}
    modules = [block.attention for block in anatomy.blocks if block.has_attention]
    ours = bool(model._can_set_attn_implementation())  # pyright: ignore[reportPrivateUsage]
    # a model with attention code of its own is observed instead
    recorded = _attention_through_us(model, attention) if ours else watched(modules, attention)
    with recorded, head_gates.between(anatomy.blocks, gates):
        yield attention, gates


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

    def layer(self, index: int, attention: AttentionRecord | None, gate: HeadGate | None) -> LayerRecord:
        kept = self._kept[index]
        # a block's input is on the device of the block before it
        kept["pre"] = kept["pre"].to(kept["post"].device)
        block = self._anatomy.blocks[index]
        pre, post = kept["pre"], kept["post"]
        return LayerRecord(
            pre=pre,
            # in a block with one sublayer one state is both
            mid=pre if self._anatomy.parallel else kept["mid"] if block.has_ffn else post,
            ffn=self._ffn(index),
            post=post,
            heads=attention,
            attention_scale=kept.get("attention_scale"),
            ffn_scale=kept.get("ffn_scale"),
            mixer=None if block.mixer is None else _times(kept["mixer"], block.mixer.multiplier),
            gate=gate,
            activation=kept.get("activation"),
            carried=self._carried(index, "carried", pre),
            carried_mid=self._carried(index, "carried_mid", kept.get("mid", post)),
        )

    def _carried(
        self, index: int, name: str, state: Float[Tensor, "position d_model"]
    ) -> Float[Tensor, "position d_model"] | None:
        """The part of `state` that enters the sum; None where it is the state itself."""
        carried = self._anatomy.blocks[index].carried
        if carried is None:
            return None
        multiplier = carried.multiplier if name == "carried" else carried.mid_multiplier
        return self._kept[index].get(name, state) * multiplier

    def _ffn(self, index: int) -> Float[Tensor, "position d_model"]:
        kept, block = self._kept[index], self._anatomy.blocks[index]
        if not block.has_ffn:
            return torch.zeros_like(kept["post"][:1]).expand_as(kept["post"])
        wrote = kept["ffn"] + kept["beside"] if block.ffn_beside is not None else kept["ffn"]
        return _times(wrote, block.after_ffn.multiplier)

    def _hook(self, index: int, block: Block) -> Iterator[Any]:
        yield block.module.register_forward_pre_hook(self._keep_input(index, "pre"), with_kwargs=True)
        if block.has_ffn:
            if not self._anatomy.parallel:
                yield block.ffn_norm.register_forward_pre_hook(self._keep_input(index, "mid"), with_kwargs=True)
            if block.down_projection is block.ffn:
                yield block.ffn.register_forward_pre_hook(self._keep_input(index, "activation"), with_kwargs=True)
            yield (block.after_ffn.norm_module or block.ffn).register_forward_hook(self._keep_output(index, "ffn"))
        if block.ffn_beside is not None:
            yield block.ffn_beside.register_forward_hook(self._keep_output(index, "beside"))
        if block.mixer is not None:
            wrote = block.after_attention.norm_module or block.mixer.module
            yield wrote.register_forward_hook(self._keep_output(index, "mixer"))
        if block.carried is not None and block.carried.norm is not None:
            yield block.carried.norm.register_forward_hook(self._keep_output(index, "carried"))
            yield block.ffn_norm.register_forward_hook(self._keep_output(index, "carried_mid"))
        for name, sublayer in (("attention_scale", block.after_attention), ("ffn_scale", block.after_ffn)):
            if sublayer.norm_module is not None:
                yield sublayer.norm_module.register_forward_hook(self._keep_scale(index, name, sublayer))
        yield block.module.register_forward_hook(self._keep_output(index, "post"))

    def _keep_input(self, index: int, name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if name == "pre":
                self._watch.step("forward", index, self._anatomy.n_layers)
            self._kept[index][name] = _one(args[0] if args else kwargs["hidden_states"])

        return hook

    def _keep_scale(self, index: int, name: str, sublayer: Sublayer) -> Callable[..., None]:
        def hook(_module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
            assert sublayer.norm is not None
            self._kept[index][name] = sublayer.norm.scale(args[0][0], output[0])

        return hook

    def _keep_output(self, index: int, name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            kept = _one(output[0] if isinstance(output, tuple) else output)
            # code after a feed-forward block may add to its output in place
            self._kept[index][name] = kept.clone() if name in ("ffn", "beside", "mixer") else kept

        return hook


def _times(states: Float[Tensor, "position d_model"], multiplier: float) -> Float[Tensor, "position d_model"]:
    return states if multiplier == 1 else states * multiplier


def _one(states: Float[Tensor, "..."]) -> Float[Tensor, "position d_model"]:
    """The only prompt of the batch; some modules flatten the batch away."""
    return states[0] if states.dim() == 3 else states
