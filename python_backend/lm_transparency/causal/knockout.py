"""Attention knock-out: later queries of a run cannot look at a key, and its share goes to the row's other keys."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..model.anatomy import Anatomy

_MASK = "attention_mask"

#: (row of the batch, key) of every run that has a hidden key.
Hidden = Callable[[], Sequence[tuple[int, int]]]


def hides_keys(anatomy: Anatomy) -> bool:
    """Whether all that moves between tokens is attention with a mask, so that hiding a key hides the token."""
    return all(block.has_attention and block.mixer is None for block in anatomy.blocks)


@contextmanager
def keys_hidden(anatomy: Anatomy, hidden: Hidden, first: int) -> Generator[None]:
    """Mask the keys of `hidden` in every layer while the model runs. `first`: the first query's position."""

    def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        pairs = hidden()
        if not pairs:
            return None
        states: Tensor = args[0] if args else kwargs["hidden_states"]
        mask = _mask(kwargs[_MASK], states, first)
        mask = mask.expand(len(states), *mask.shape[1:]).clone()
        # a query sees its own key: some masks are true where it may not look
        low = ~mask[0, 0, 0, first] if mask.dtype == torch.bool else torch.finfo(mask.dtype).min
        for row, key in pairs:
            mask[row, :, max(key + 1 - first, 0) :, key] = low
        return args, {**kwargs, _MASK: mask}

    with ExitStack() as stack:
        for block in anatomy.blocks:
            stack.callback(block.attention.register_forward_pre_hook(hook, with_kwargs=True).remove)
        yield


def _mask(given: Tensor | None, states: Tensor, first: int) -> Tensor:
    """[1 or run, 1, query, key]: the mask that attention was given, or the causal one that it leaves out."""
    if given is not None:
        return given
    n = states.shape[1]
    return torch.ones(1, 1, n, first + n, dtype=torch.bool, device=states.device).tril(first)
