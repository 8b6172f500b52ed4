"""A recorded pass over the new tokens of a prompt, after a run on a prompt that begins with the same tokens.

Attention is causal: the states at a position depend on the tokens up to it alone. So the recorded keys and values of
the common tokens go into transformers' own cache, the model runs on the others, and the two records are joined. No
family is trusted to use a cache this way: the last common token runs again and must give the same state.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import Cache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from ..errors import TransparencyError, is_out_of_memory
from ..model.anatomy import Anatomy
from ..watch import Watch
from .outputs import read_all
from .own_code import CaughtAttention
from .recording import record
from .trace import AttentionRecord, LayerRecord, Trace

#: How much the state of a token may differ, relative to its norm, when it is computed again in a shorter pass.
_ROUNDING = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 2e-2}

#: A record is reused only if it covers more than one in so many tokens of the prompt.
_WORTH = 4


def record_after(
    earlier: Trace,
    model: PreTrainedModel,
    anatomy: Anatomy,
    token_ids: Int[Tensor, "position"],
    watch: Watch,
    *,
    only_last: bool = False,
) -> tuple[Trace, int]:
    """The result of `record`, and how many positions, from the first, were taken over from `earlier`.

    The last position is always computed. 0 where nothing can be taken over: the model ran on the whole prompt. Raises
    as `record`.
    """
    n_known = reusable(earlier, model, anatomy, token_ids)
    joined = _after(earlier, model, anatomy, token_ids, watch, n_known) if n_known else None
    if joined is None:
        return record(model, anatomy, token_ids, watch, only_last=only_last), 0
    return joined if only_last else read_all(model, joined), n_known


def _after(
    earlier: Trace,
    model: PreTrainedModel,
    anatomy: Anatomy,
    token_ids: Int[Tensor, "position"],
    watch: Watch,
    n_known: int,
) -> Trace | None:
    """The first `n_known` positions of `earlier` and a run on the others; None where this is not the whole run."""
    # if the earlier logits were read, those of the others are read as well
    unread = earlier.unread is not None
    try:
        cache = cache_of(earlier, n_known - 1)
        new = record(model, anatomy, token_ids[n_known - 1 :], watch, only_last=unread, cache=cache)
        return _join(earlier, new, token_ids, n_known) if _continues(earlier, new, n_known) else None
    except (OtherCache, TransparencyError):
        # where the model cannot be recorded at all, the pass over the whole prompt says so
        return None
    except (MemoryError, RuntimeError) as error:
        # joining two records takes more memory than recording once
        if not is_out_of_memory(error):
            raise
        return None


def n_common(earlier: Int[Tensor, "position"], token_ids: Int[Tensor, "position"]) -> int:
    """How many tokens both begin with."""
    n = min(len(earlier), len(token_ids))
    differ = (earlier[:n] != token_ids[:n]).nonzero()
    return int(differ[0]) if len(differ) else n


def reusable(earlier: Trace, model: PreTrainedModel, anatomy: Anatomy, token_ids: Int[Tensor, "position"]) -> int:
    """How many positions of `earlier` a run on `token_ids` can take over, if the cache works; 0: none.

    This requires that every layer is attention over all earlier tokens, gets its keys and values from transformers, and
    adds nothing but its heads' output: other memory of earlier tokens is not in this cache.
    """
    n_known = min(n_common(earlier.token_ids, token_ids), len(token_ids) - 1)
    possible = (
        # one token runs again, and a short prefix is not worth a result that equals the whole run's only up to rounding
        n_known > max(1, len(token_ids) // _WORTH)
        and earlier.anatomy is anatomy
        and earlier.pooled is None
        and remembers_keys_only(model, earlier)
    )
    return n_known if possible else 0


def remembers_keys_only(model: PreTrainedModel, trace: Trace) -> bool:
    """Whether all that a token takes from earlier ones is keys and values in a cache, judged by a recorded run."""
    return (
        # code that came with a model may do anything with a cache
        type(model).__module__.partition(".")[0] == "transformers"
        and "past_key_values" in inspect.signature(model.forward).parameters
        and all(_is_plain(layer) for layer in trace.layers)
    )


def _is_plain(layer: LayerRecord) -> bool:
    heads = layer.heads
    return (
        heads is not None
        and not isinstance(heads, CaughtAttention)
        and layer.mixer is None
        and layer.gate is None
        and (heads.mask is None or _is_causal(heads.mask))
    )


def _is_causal(mask: Tensor) -> bool:
    """Whether the queries, the last ones of the prompt, see every key up to their own and none after it."""
    n_query, n_key = mask.shape[-2:]
    causal = torch.ones(n_query, n_key, dtype=torch.bool, device=mask.device).tril(n_key - n_query)
    if mask.dtype == torch.bool:
        return bool((mask == causal).all())
    return bool(((mask == 0) == causal).all()) and bool((mask[..., ~causal] <= torch.finfo(mask.dtype).min).all())


class OtherCache(Exception):
    """The model caches something other than its keys and values."""


class _Recorded(DynamicLayer):
    """The keys and values of one layer, as they were recorded."""

    def __init__(self, key: Tensor, value: Tensor) -> None:
        super().__init__()
        super().update(key[None], value[None])

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        return self._with(self.keys, key_states), self._with(self.values, value_states)

    def _with(self, known: Tensor | None, given: Tensor) -> Tensor:
        assert known is not None
        if known.dim() != given.dim() or known.shape[1] != given.shape[1] or known.shape[3:] != given.shape[3:]:
            raise OtherCache
        return torch.cat([known.expand(len(given), -1, -1, -1), given], dim=-2)


def cache_of(earlier: Trace, n: int) -> Cache:
    """The keys and values of the first `n` positions, for any number of runs that go on from them."""
    heads = (layer.attention for layer in earlier.layers)
    return Cache(layers=[_Recorded(one.key[:, :n], one.value[:, :n]) for one in heads])


def _continues(earlier: Trace, new: Trace, n_known: int) -> bool:
    """Whether the pass over the new tokens saw the earlier ones unchanged: its first position is already known."""
    allowed = _ROUNDING.get(earlier.layers[0].post.dtype, min(_ROUNDING.values()))
    n_cached = n_known - 1
    for before, after in zip(earlier.layers, new.layers, strict=True):
        old, heads = before.attention, after.attention
        if after.gate is not None or heads.mask is None or heads.key.shape[1] != n_cached + new.n_tokens:
            return False
        for known, seen in ((old.key, heads.key), (old.value, heads.value)):
            if not torch.equal(seen[:, :n_cached], known[:, :n_cached]):
                return False
        state, again = before.post[n_cached].float(), after.post[0].float()
        if not float((again - state).norm()) <= allowed * float(state.norm()):
            return False
    # layers share their masks
    masks = {mask.data_ptr(): mask for layer in new.layers if (mask := layer.attention.mask) is not None}
    return all(map(_is_causal, masks.values()))


def _join(earlier: Trace, new: Trace, token_ids: Int[Tensor, "position"], n_known: int) -> Trace:
    join = _Joining(n_known)
    return Trace(
        anatomy=new.anatomy,
        token_ids=token_ids.cpu(),
        layers=tuple(join.layer(*layers) for layers in zip(earlier.layers, new.layers, strict=True)),
        logits=new.logits if earlier.unread is not None else join(earlier.logits, new.logits),
        unread=None if earlier.unread is None or new.unread is None else join(earlier.unread, new.unread),
    )


class _Joining:
    """Joins the first `n_known` positions of an earlier record with all but the first position of the new one."""

    def __init__(self, n_known: int) -> None:
        self._n_known = n_known
        self._made: dict[tuple[int, int, int], Tensor] = {}

    def __call__(self, earlier: Tensor, new: Tensor, dim: int = 0) -> Tensor:
        # a block's output is the next one's input: one tensor here too
        key = earlier.data_ptr(), new.data_ptr(), dim
        if key not in self._made:
            rest = new.narrow(dim, 1, new.shape[dim] - 1)
            self._made[key] = torch.cat([earlier.narrow(dim, 0, self._n_known), rest], dim)
        return self._made[key]

    def layer(self, earlier: LayerRecord, new: LayerRecord) -> LayerRecord:
        def both(name: str) -> Tensor | None:
            first, second = getattr(earlier, name), getattr(new, name)
            return None if first is None or second is None else self(first, second)

        return replace(
            new,
            pre=self(earlier.pre, new.pre),
            mid=self(earlier.mid, new.mid),
            ffn=self(earlier.ffn, new.ffn),
            post=self(earlier.post, new.post),
            heads=self._heads(earlier.attention, new.attention),
            attention_scale=both("attention_scale"),
            ffn_scale=both("ffn_scale"),
            carried=both("carried"),
            carried_mid=both("carried_mid"),
            activation=both("activation"),
        )

    def _heads(self, earlier: AttentionRecord, new: AttentionRecord) -> AttentionRecord:
        # keys and values cover every position already, and both masks were causal
        return replace(new, query=self(earlier.query, new.query, 1), mask=None)
