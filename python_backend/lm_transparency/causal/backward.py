"""What every backward pass through a model needs: no gradients of parameters, and memory for long prompts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from ..errors import TransparencyError, is_out_of_memory
from ..model.anatomy import Anatomy
from ..trace.forwards import forward_replaced

#: Prompts longer than this keep the inputs of layers only, and each layer runs again in the backward pass.
_LONG = 512


@contextmanager
def differentiable(model: PreTrainedModel) -> Generator[None]:
    """Parameters ask for no gradient: neither their inputs nor their own gradients are kept.

    Raises `TransparencyError("modelUnsupported")` where a part of the model has no derivative.
    """
    asked = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in asked:
        parameter.requires_grad_(False)
    try:
        with derivable(model):
            yield
    finally:
        for parameter in asked:
            parameter.requires_grad_(True)


@contextmanager
def derivable(model: PreTrainedModel) -> Generator[None]:
    """Raise `TransparencyError("modelUnsupported")` where a part of the model has no derivative."""
    try:
        yield
    except RuntimeError as error:
        # kernels word it in many ways
        if is_out_of_memory(error):
            raise
        raise _no_derivative(model, "a part of it") from error


def _no_derivative(model: PreTrainedModel, part: str) -> TransparencyError:
    return TransparencyError(
        "modelUnsupported",
        f"The gradient does not go through {type(model).__name__}: {part} has no derivative here.",
        "Effects can still be measured: name the units to measure.",
    )


@contextmanager
def uncut(model: PreTrainedModel, anatomy: Anatomy) -> Generator[None]:
    """Raise `TransparencyError("modelUnsupported")` where weights give a result that has lost the gradient.

    Kernels without a derivative do so silently: the backward pass then goes around them, through the residual stream.
    """

    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        # code that turns gradients off has its reasons: it chooses, and nothing depends on it smoothly
        if torch.is_grad_enabled() and _kept([*args, *kwargs.values()]) and _kept([output]) is False:
            raise _no_derivative(model, type(module).__name__)

    with ExitStack() as stack:
        for block in anatomy.blocks:
            sublayers = block.attention if block.has_attention else None, block.ffn if block.has_ffn else None
            for module in block.module.modules():
                if module in sublayers or _multiplies(module):
                    stack.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
        yield


def _multiplies(module: nn.Module) -> bool:
    """Whether a module has a matrix of its own; a table of rotary frequencies is none."""
    own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return any(tensor.dim() > 1 for tensor in own)


def _kept(values: Iterable[Any]) -> bool | None:
    """Whether any of these tensors has a gradient; None where there are no numbers that could have one."""
    flat = [one for value in values for one in (value if isinstance(value, tuple | list) else [value])]
    numbers = [one for one in flat if isinstance(one, Tensor) and one.is_floating_point()]
    return any(one.requires_grad for one in numbers) if numbers else None


def is_long(n_tokens: int) -> bool:
    """Whether what is inside of layers takes too much memory to be kept for the backward pass."""
    return n_tokens > _LONG


def layers_again(
    anatomy: Anatomy, n_tokens: int, inside: Callable[[], AbstractContextManager[Any]] = nullcontext
) -> AbstractContextManager[None]:
    """For long prompts: each layer runs again in the backward pass, in a context that `inside` gives."""
    return _checkpointed([block.module for block in anatomy.blocks], inside) if is_long(n_tokens) else nullcontext()


@contextmanager
def _checkpointed(modules: list[nn.Module], inside: Callable[[], AbstractContextManager[Any]]) -> Generator[None]:
    with ExitStack() as stack:
        for module in modules:
            again = partial(checkpoint, module.forward, use_reentrant=False, context_fn=partial(_contexts, inside))
            stack.enter_context(forward_replaced(module, again))
        yield


def _contexts(inside: Callable[[], AbstractContextManager[Any]]) -> tuple[Any, Any]:
    return nullcontext(), inside()
