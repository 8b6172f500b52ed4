"""Attention outside transformers' interface: its probabilities and values, caught where they are multiplied.

Every attention, in any code, multiplies probabilities [query, key] with values [key, d]. While a block's attention
runs, the torch functions it calls are observed for that product.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from .trace import EVERYWHERE, AttentionRecord, Positions

#: The functions by which torch multiplies matrices, as a function mode sees them.
PRODUCTS = {torch.matmul, torch.bmm, Tensor.matmul, Tensor.bmm, Tensor.__matmul__}


@dataclass(frozen=True)
class CaughtAttention(AttentionRecord):
    """Probabilities as the model computed them; `query` and `key` are unknown and stay empty."""

    caught: Float[Tensor, "head query key"] | None = None

    def probabilities(
        self, heads: slice = slice(None), queries: Positions = EVERYWHERE, *, n_keys: int | None = None
    ) -> Float[Tensor, "head query key"]:
        assert self.caught is not None
        return self.caught[heads, queries, :n_keys].float()

    def scores(
        self, heads: slice = slice(None), queries: Positions = EVERYWHERE, *, n_keys: int | None = None
    ) -> Float[Tensor, "head query key"]:
        """The scores up to a constant per row: the logarithms of the probabilities."""
        return self.probabilities(heads, queries, n_keys=n_keys).log()

    def tensors(self) -> list[Tensor]:
        assert self.caught is not None
        return [self.value, self.caught]


@contextmanager
def watched(modules: Sequence[nn.Module], records: dict[nn.Module, AttentionRecord]) -> Generator[None]:
    """Fill `records` with what is caught while each of `modules` runs."""
    running: list[nn.Module] = []

    def enter(module: nn.Module, *_: Any) -> None:
        running.append(module)

    def leave(*_: Any) -> None:
        running.pop()

    handles = [h for m in modules for h in (m.register_forward_pre_hook(enter), m.register_forward_hook(leave))]
    try:
        with _Watching(running, records):
            yield
    finally:
        for handle in handles:
            handle.remove()


class _Watching(TorchFunctionMode):
    def __init__(self, running: list[nn.Module], records: dict[nn.Module, AttentionRecord]) -> None:
        super().__init__()
        self._running = running
        self._records = records

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if self._running:
            caught = None
            if func in PRODUCTS and len(args) == 2:
                caught = _read(args[0], args[1])
            elif func is scaled_dot_product_attention:
                caught = _given(*args, **(kwargs or {}))
            if caught is not None:
                self._records[self._running[-1]] = caught
        return func(*args, **(kwargs or {}))


def _given(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    **_: Any,
) -> AttentionRecord | None:
    """The arguments of torch's own attention; None where it is not causal and has no mask."""
    if attn_mask is None and not is_causal and query.shape[-2] > 1:
        return None
    mask = None if attn_mask is None else attn_mask[0]
    scaling = query.shape[-1] ** -0.5 if scale is None else scale
    return AttentionRecord(query[0].detach(), key[0].detach(), value[0].detach(), mask, scaling)


def _read(left: Tensor, right: Tensor) -> CaughtAttention | None:
    """`left` and `right` as probabilities and values of one prompt, if that is what they are."""
    if left.dim() < 3 or right.dim() < 3 or left.shape[-1] != left.shape[-2] or not left.is_floating_point():
        return None
    left, right = (x.flatten(0, -3) for x in (left.detach(), right.detach()))
    rows = left.float().sum(dim=-1)
    is_distribution = bool((left >= 0).all()) and bool(((rows - 1).abs() < 0.05).all())
    if not is_distribution or bool(left.triu(1).any()) or left.shape[0] % right.shape[0]:
        return None
    empty = right.new_empty(left.shape[0], left.shape[1], 0)
    return CaughtAttention(empty, right.new_empty(right.shape[0], 0, 0), right, None, 1.0, caught=left)
