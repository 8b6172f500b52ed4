"""A backward pass through a run that is recorded: each layer runs once, when the gradient comes to it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import Function
from torch.utils.checkpoint import checkpoint

from ..model.anatomy import Anatomy
from ..trace.forwards import forward_replaced
from ..trace.proof import TOLERANCES


class Differs(Exception):
    """A layer computes something else than was recorded: it depends on more than its input."""


@contextmanager
def layers_recorded(anatomy: Anatomy, posts: Sequence[Float[Tensor, "position d_model"]]) -> Generator[None]:
    """Layers give what they gave in a recorded run, and run in the backward pass, which may raise `Differs`.

    A layer that shares more than tensors with others, or that gives more than a state, runs both times. So does code
    that comes with a model: it may leave states anywhere.
    """
    #: How the layers of a class give their state: alone, or first in so many; 0: they run both times.
    forms: dict[type, int | None] = {}
    with ExitStack() as stack:
        for block, post in zip(anatomy.blocks, posts, strict=True):
            module = block.module
            if not type(module).__module__.startswith("transformers."):
                forms[type(module)] = 0
            given = partial(_given, forms, type(module), module.forward, post)
            stack.enter_context(forward_replaced(module, given))
        yield


def _given(
    forms: dict[type, int | None],
    kind: type,
    forward: Callable[..., Any],
    post: Float[Tensor, "position d_model"],
    *args: Any,
    **kwargs: Any,
) -> Any:
    states: Tensor = args[0] if args else kwargs.pop("hidden_states")

    def layer(given: Tensor) -> Any:
        return forward(given, *args[1:], **kwargs) if args else forward(hidden_states=given, **kwargs)

    alone = states.shape == (1, *post.shape) and _is_constant((*args[1:], *kwargs.values()))
    if not alone or forms.get(kind, 0) == 0:
        output = checkpoint(layer, states, use_reentrant=False)
        forms.setdefault(kind, _form(output))
        return output
    found: Any = _Again.apply(layer, post, states)
    form = forms[kind]
    return found if form is None else (found, *[None] * (form - 1))


def _is_constant(value: Any) -> bool:
    """Whether nothing that another layer computes, or reads, can be in it."""
    if isinstance(value, Tensor):
        return not value.requires_grad
    if isinstance(value, tuple):
        return all(map(_is_constant, value))
    return value is None or isinstance(value, int | float | str)


def _form(output: Any) -> int | None:
    if isinstance(output, Tensor):
        return None
    return len(output) if isinstance(output, tuple) and all(one is None for one in output[1:]) else 0


class _Again(Function):
    """`forward(layer, post, states)`: the recorded output of a layer for `states`."""

    @staticmethod
    def forward(ctx: Any, layer: Callable[[Tensor], Any], post: Tensor, states: Tensor) -> Tensor:
        ctx.layer, ctx.post = layer, post
        ctx.save_for_backward(states)
        return post[None].to(states, copy=True)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (states,) = ctx.saved_tensors
        with torch.enable_grad():
            given = states.detach().requires_grad_()
            output = ctx.layer(given)
            output = output[0] if isinstance(output, tuple) else output
            post = ctx.post.to(output)
            error = (output.detach()[0] - post).norm(dim=-1) / post.norm(dim=-1)
            # a comparison with NaN is False
            if not float(error.max()) <= TOLERANCES.get(output.dtype, TOLERANCES[torch.float32]):
                raise Differs
            # what else inside the layer asks for a gradient gets its own
            torch.autograd.backward(output, grads[0])
        return None, None, given.grad
