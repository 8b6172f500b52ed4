"""What every backward pass through a model needs: no gradients of parameters, and memory for long prompts."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from ..errors import TransparencyError
from ..model.anatomy import Anatomy

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
        yield
    except (RuntimeError, NotImplementedError) as error:
        if not _without_gradient(error):
            raise
        raise TransparencyError(
            "modelUnsupported",
            f"The gradient does not go through {type(model).__name__}: a part of it has no derivative here.",
            "Effects can still be measured: name the units to measure.",
        ) from error
    finally:
        for parameter in asked:
            parameter.requires_grad_(True)


def _without_gradient(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, NotImplementedError) or "does not require grad" in text or "derivative" in text


def layers_again(
    anatomy: Anatomy, n_tokens: int, inside: Callable[[], AbstractContextManager[Any]] = nullcontext
) -> AbstractContextManager[None]:
    """For long prompts: each layer runs again in the backward pass, in a context that `inside` gives."""
    return _checkpointed([block.module for block in anatomy.blocks], inside) if n_tokens > _LONG else nullcontext()


@contextmanager
def _checkpointed(modules: list[nn.Module], inside: Callable[[], AbstractContextManager[Any]]) -> Generator[None]:
    with ExitStack() as stack:
        for module in modules:
            own = vars(module).get("forward")
            contexts = partial(_contexts, inside)
            module.forward = partial(checkpoint, module.forward, use_reentrant=False, context_fn=contexts)
            stack.callback(restore_forward, module, own)
        yield


def _contexts(inside: Callable[[], AbstractContextManager[Any]]) -> tuple[Any, Any]:
    return nullcontext(), inside()


def restore_forward(module: nn.Module, own: Any) -> None:
    """Give a module the `forward` that it had of its own; None: its class's."""
    if own is None:
        del module.forward
    else:
        module.forward = own
