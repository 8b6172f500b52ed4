"""The step between heads and W_O: nothing, or a gate or RMSNorm that keeps the channels apart.

A head's output can be taken apart by key only where each channel depends on its own channel alone. This is tested: the
attention runs once more with other head outputs, and every channel must follow its own (docs/method.md#attention).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import TransparencyError
from ..model.block import Block
from .trace import HeadGate

#: Relative error that rounding explains when channels are compared, by precision.
_ROUNDING = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 4e-2}


@dataclass
class HeadOutputs:
    """Σ_s α · v of every head as the attention function returned it, and its version, which shows later writes."""

    states: Float[Tensor, "1 query head d_value"]
    version: int


#: The output of the recording attention function, by module, and the output that replaces it in a trial.
outputs: ContextVar[dict[nn.Module, HeadOutputs] | None] = ContextVar("outputs", default=None)
trial: ContextVar[dict[nn.Module, Tensor] | None] = ContextVar("trial", default=None)


@contextmanager
def between(blocks: Sequence[Block], gates: dict[nn.Module, HeadGate]) -> Generator[None]:
    """Fill `gates` with the step between the heads and W_O of each block's attention while the model runs.

    Raises `TransparencyError("modelUnsupported")` where that step mixes channels.
    """
    kept: dict[nn.Module, HeadOutputs] = {}
    with ExitStack() as stack:
        token = outputs.set(kept)
        stack.callback(outputs.reset, token)
        for block in blocks:
            if block.has_attention:
                watch = _Between(block, kept, gates)
                hooks = (
                    block.attention.register_forward_pre_hook(watch.enter, with_kwargs=True),
                    block.output_projection.register_forward_pre_hook(watch.meet),
                    block.attention.register_forward_hook(watch.leave),
                )
                for hook in hooks:
                    stack.callback(hook.remove)
        yield


class _Between:
    """The hooks of one block."""

    def __init__(self, block: Block, kept: dict[nn.Module, HeadOutputs], gates: dict[nn.Module, HeadGate]) -> None:
        self._attention = block.attention
        self._kept = kept
        self._gates = gates
        self._given: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self._met: Tensor | None = None

    def enter(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if trial.get() is None:
            self._given = args, kwargs

    def meet(self, _module: nn.Module, args: tuple[Tensor, ...]) -> None:
        """Called before W_O is applied."""
        heads = self._kept.get(self._attention)
        if heads is None:
            return
        untouched = args[0].data_ptr() == heads.states.data_ptr() and heads.states._version == heads.version
        if trial.get() is not None or not untouched:
            # a copy, since later code may write into it
            self._met = args[0].detach().clone()

    def leave(self, module: nn.Module, *_: Any) -> None:
        if trial.get() is not None:
            return
        heads, met, given = self._kept.pop(module, None), self._met, self._given
        self._met = self._given = None
        if heads is None or met is None or given is None or met.numel() != heads.states.numel():
            # the sizes differ: the proof shows whether the parts still sum
            return
        before = heads.states[0].float()
        after = met.reshape(before.shape).float()
        if not torch.equal(before, after):
            self._gates[module] = self._gate(before, after, given, met.dtype)

    def _gate(
        self,
        before: Float[Tensor, "query head d_value"],
        after: Float[Tensor, "query head d_value"],
        given: tuple[tuple[Any, ...], dict[str, Any]],
        dtype: torch.dtype,
    ) -> HeadGate:
        factor = torch.where(before == 0, torch.zeros_like(after), after / before)
        tolerance = _ROUNDING.get(dtype, _ROUNDING[torch.float32])
        # signs and sizes differ by channel; an RMSNorm scales all channels of a head by one factor
        steps = torch.tensor([-2.0, -1.0, 1.0, 2.0], device=before.device)
        chosen = torch.randint(0, 4, before.shape, generator=torch.Generator().manual_seed(0)).to(before.device)
        tried = before * steps[chosen]
        made = self._try(tried.to(dtype), given).reshape(before.shape).float()
        expected = factor * tried
        fit = (made * expected).sum(-1) / (expected * expected).sum(-1).clamp_min(torch.finfo(torch.float32).tiny)
        off = (made - fit[..., None] * expected).norm() / made.norm().clamp_min(torch.finfo(torch.float32).tiny)
        if not float(off) <= tolerance:
            raise TransparencyError(
                "modelUnsupported",
                f"What {type(self._attention).__name__} does between its heads and its output weights is neither a "
                "gate nor an RMSNorm, so a head's output cannot be taken apart by token.",
            )
        return _factored(factor, tolerance)

    def _try(self, states: Float[Tensor, "query head d_value"], given: Any) -> Tensor:
        """The input of W_O if the heads return `states`."""
        args, kwargs = given
        token = trial.set({self._attention: states[None]})
        try:
            self._kept[self._attention] = HeadOutputs(states[None], -1)
            self._attention(*args, **kwargs)
        finally:
            trial.reset(token)
            self._kept.pop(self._attention, None)
        made, self._met = self._met, None
        assert made is not None
        return made


def _factored(factor: Float[Tensor, "query head d_value"], tolerance: float) -> HeadGate:
    """`factor` split into one scale per head and the rest: one row for all queries where that is within `tolerance`."""
    row = factor[-1]
    scale = (factor * row).sum(-1) / (row * row).sum(-1).clamp_min(torch.finfo(torch.float32).tiny)
    left = (factor - scale[..., None] * row).norm(dim=-1) / factor.norm(dim=-1).clamp_min(1e-30)
    if float(left.max()) <= tolerance / 10:
        return HeadGate(scale, row[None])
    return HeadGate(torch.ones_like(scale), factor)
