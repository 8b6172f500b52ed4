"""A block of experts run once more on recorded states: the choice of experts, their outputs and their neurons.

No family's formula is written here: the model's own code runs, with hooks that read and close experts.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.overrides import TorchFunctionMode

from ..errors import TransparencyError
from ..model.experts import Experts
from ..model.linear import bias_of, weight_in_out
from .forwards import forward_replaced
from .own_code import PRODUCTS


@dataclass(frozen=True)
class Routed:
    """The inputs and outputs of the experts in one run of the block.

    `index`, `gate`: the active experts; a gate of 0 means no expert (a row may have fewer than others). `gates_input`:
    the gate multiplies the expert's input (Llama 4), not its output. `logits`: the router's, None where it does not
    return them. `output`, `shared`: the gated outputs of the experts, and those of the shared experts; None and empty
    where only the routing was requested.
    """

    index: Int[Tensor, "row active"]
    gate: Float[Tensor, "row active"]
    gates_input: bool
    logits: Float[Tensor, "row expert"] | None
    output: Float[Tensor, "row d_model"] | None
    shared: tuple[Float[Tensor, "row d_model"], ...]


@dataclass(frozen=True)
class Opened:
    """One expert alone where it is active: its output is activation @ w_out + bias, before a gate behind it.

    `rows`: its rows in the run, ascending.
    """

    rows: Int[Tensor, "active"]
    activation: Float[Tensor, "active neuron"]
    w_out: Float[Tensor, "neuron d_model"]
    bias: Float[Tensor, "d_model"] | None


def route(experts: Experts, block: Callable[[], Any], n_rows: int) -> Routed:
    """The experts that `block` chooses for `n_rows` positions; the run stops before any expert runs."""
    caught = _Caught(experts, n_rows, only_routing=True)
    with caught.hooked():
        block()
    return caught.routed()


def run_experts(
    experts: Experts,
    block: Callable[[], Any],
    n_rows: int,
    keep: Bool[Tensor, "row expert"] | None = None,
    keep_shared: Bool[Tensor, "row shared"] | None = None,
) -> Routed:
    """The inputs and outputs of the experts while `block` runs on `n_rows` positions.

    `keep` sets the gates of all other experts in a row to 0, and `keep_shared` the output of all other shared experts.
    The block then returns what the kept ones write, however it adds them up.
    """
    caught = _Caught(experts, n_rows, keep, keep_shared)
    closed = keep is not None and not bool(keep.any())
    with caught.hooked(), _silent(experts.module) if closed else nullcontext():
        block()
    return caught.routed()


def open_expert(experts: Experts, block: Callable[[], Any], n_rows: int, expert: int) -> Opened:
    """One expert where it is active among the `n_rows` positions that `block` runs on.

    The experts' own code computes it once more, alone, while its product with the output weights is observed. Raises
    `TransparencyError("modelUnsupported")` where no such product is seen.
    """
    given = _Caught(experts, n_rows, only_routing=True)
    with given.hooked():
        block()
    routed = given.routed()
    active = ((routed.index == expert) & (routed.gate != 0)).any(dim=-1)
    rows = active.nonzero()[:, 0]
    watching = _Watching(experts)
    with torch.no_grad(), _eager(experts.module), watching:
        if given.index is None or given.weights is None:
            experts.module(given.hidden)
        else:
            chosen = torch.full_like(given.index[rows][:, :1], expert)
            experts.module(given.hidden[rows], chosen, torch.ones_like(given.weights[rows][:, :1]))
    if not watching.caught:
        raise TransparencyError(
            "modelUnsupported",
            f"The neurons of {type(experts.module).__name__} cannot be told apart: "
            "their output weights are not read as one matrix.",
            "What the expert contributes, promotes and suppresses is exact.",
        )
    activation, w_out = watching.caught[-1]
    if w_out.dim() == 3:
        # every expert received rows of its own
        activation, w_out = activation[expert, rows], w_out[expert]
    return Opened(rows, activation.float(), w_out.float(), experts.bias(expert))


def open_shared(experts: Experts, block: Callable[[], Any], number: int) -> Opened:
    """A shared expert at every position that `block` runs on, before the block multiplies it by its factor."""
    output = experts.shared_output(number)
    caught: list[Tensor] = []
    handle = output.register_forward_pre_hook(lambda _module, args: caught.append(args[0].detach()))
    try:
        with torch.no_grad(), _silent(experts.module):
            block()
    finally:
        handle.remove()
    activation = caught[0].flatten(0, -2).float()
    rows = torch.arange(len(activation), device=activation.device)
    return Opened(rows, activation, weight_in_out(output).float(), bias_of(output))


class _Enough(Exception):
    """Raised once the experts have received what was requested: the rest of the block need not run."""


class _Caught:
    """Hooks that keep, and may mask, the inputs and outputs of an experts module."""

    def __init__(
        self,
        experts: Experts,
        n_rows: int,
        keep: Bool[Tensor, "row expert"] | None = None,
        keep_shared: Bool[Tensor, "row shared"] | None = None,
        *,
        only_routing: bool = False,
    ) -> None:
        self._experts = experts
        self._n_rows = n_rows
        self._keep = keep
        self._keep_shared = keep_shared
        self._only_routing = only_routing
        self._output: Tensor | None = None
        self._shared: dict[int, Tensor] = {}
        self._routers: list[Tensor] = []
        self.hidden: Tensor = torch.empty(0)
        self.index: Tensor | None = None
        self.weights: Tensor | None = None

    @contextmanager
    def hooked(self) -> Generator[None]:
        experts = self._experts
        handles = [
            experts.router.register_forward_hook(self._keep_router),
            experts.module.register_forward_pre_hook(self._given, with_kwargs=True),
            experts.module.register_forward_hook(self._returned),
            *(m.register_forward_hook(self._of_shared(i)) for i, m in enumerate(experts.shared)),
        ]
        try:
            with torch.no_grad():
                yield
        except _Enough:
            pass
        finally:
            for handle in handles:
                handle.remove()

    def routed(self) -> Routed:
        logits = next((t for t in self._routers if bool((t != 0).all())), None)
        index, gate = self.index, self.weights
        if index is None or gate is None:
            # the gates are in the router's output only: 0 where an expert is not active
            scores = next(t for t in self._routers if t is not logits)
            k = int((scores != 0).sum(dim=-1).max())
            gate, index = scores.topk(k, dim=-1)
        shared = tuple(self._shared[i] for i in sorted(self._shared)) if self._output is not None else ()
        return Routed(index, gate.float(), self.index is None, logits, self._output, shared)

    def _keep_router(self, _module: nn.Module, _args: Any, output: Any) -> None:
        shape = (self._n_rows, self._experts.n_experts)
        found = [x.reshape(shape).float() for x in _tensors(output) if x.is_floating_point() and x.numel() == _n(shape)]
        self._routers = found

    def _given(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]
        self.hidden = given[0].detach()
        self.index = next((x for x in given if not x.is_floating_point()), None)
        index = self.index
        if index is not None:
            self.weights = next(x for x in given[1:] if x.is_floating_point() and x.shape == index.shape).detach()
        if self._only_routing:
            raise _Enough
        if index is None or self.weights is None or self._keep is None:
            return None
        masked = self.weights * self._keep.gather(1, index)
        weights = self.weights

        def other(x: Any) -> Any:
            return masked if isinstance(x, Tensor) and x.data_ptr() == weights.data_ptr() and x.dim() == 2 else x

        return tuple(other(x) for x in args), {name: other(x) for name, x in kwargs.items()}

    def _returned(self, _module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        if self.index is None:
            rows = output.view(self._experts.n_experts, self._n_rows, -1)
            if self._keep is not None:
                rows = rows * self._keep.T[..., None]
            self._output = rows.sum(dim=0).float()
            return rows.reshape(output.shape)
        self._output = output.reshape(self._n_rows, -1).float()
        return output

    def _of_shared(self, number: int) -> Callable[..., Tensor]:
        def hook(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
            if self._keep_shared is not None:
                output = output * self._keep_shared[:, number].view(*output.shape[:-1], 1)
            self._shared[number] = output.reshape(self._n_rows, -1).float()
            return output

        return hook


class _Watching(TorchFunctionMode):
    """Catches the input of the experts' output weights, and those weights as input × output."""

    def __init__(self, experts: Experts) -> None:
        super().__init__()
        self._experts = experts
        self.caught: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if (func in PRODUCTS or func is linear) and len(args) >= 2 and self._is_output(args[1]):
            weight = args[1].detach()
            self.caught.append((args[0].detach(), weight.mT if func is linear else weight))
        return func(*args, **(kwargs or {}))

    def _is_output(self, weight: Any) -> bool:
        own = self._experts.output_weights
        return isinstance(weight, Tensor) and weight.untyped_storage().data_ptr() == own.untyped_storage().data_ptr()


def _silent(module: nn.Module) -> AbstractContextManager[None]:
    """Makes the experts return nothing and cost nothing."""
    return forward_replaced(module, lambda hidden, *_args, **_kwargs: torch.zeros_like(hidden))


@contextmanager
def _eager(module: nn.Module) -> Generator[None]:
    """Uses the experts' own code instead of a fused kernel, so that each product is visible."""
    config = getattr(module, "config", None)
    name = "_experts_implementation"
    if not hasattr(config, name):
        yield
        return
    before = getattr(config, name)
    setattr(config, name, "eager")
    try:
        yield
    finally:
        setattr(config, name, before)


def _tensors(output: Any) -> list[Tensor]:
    return [x.detach() for x in (output if isinstance(output, tuple | list) else (output,)) if isinstance(x, Tensor)]


def _n(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())
