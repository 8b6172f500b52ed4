"""The limits of an analysis: free memory, and the model's context."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from ..errors import TransparencyError, is_out_of_memory
from ..model.loading import LoadedModel
from ..model.memory import free_bytes
from .estimate import Shape, does_not_fit


@contextmanager
def memory_told(model: LoadedModel, n_tokens: int, held: int = 0) -> Generator[None]:
    """Raise `TransparencyError("outOfMemory")` where memory does not suffice inside. `held`: bytes allocated before."""
    # read before: failed work still holds its memory
    free = free_bytes(model.input_device) + held
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise TransparencyError("outOfMemory", *does_not_fit(shape_of(model), n_tokens, free)) from error


def shape_of(model: LoadedModel) -> Shape:
    """The sizes of `model` that the cost of an analysis depends on."""
    anatomy = model.anatomy
    block = next((block for block in anatomy.blocks if block.has_attention), None)
    return Shape(
        n_params=model.n_params,
        weight_bytes=model.memory_bytes,
        n_layers=anatomy.n_layers,
        n_heads=anatomy.n_heads,
        n_kv_heads=anatomy.n_kv_heads,
        d_model=anatomy.d_model,
        d_value=0 if block is None else block.w_o(anatomy.n_heads).shape[1],
        d_ffn=anatomy.d_ffn,
        n_outputs=anatomy.n_outputs,
        n_context=anatomy.n_context,
        itemsize=model.model.dtype.itemsize,
    )


def check_length(model: LoadedModel, n_tokens: int) -> None:
    """Raise `TransparencyError("promptTooLong")` for a prompt past the context."""
    limit = model.anatomy.n_context
    if 0 < limit < n_tokens:
        raise TransparencyError(
            "promptTooLong",
            f"The prompt has {n_tokens} tokens; {model.name} reads at most {limit}.",
            f"Shorten it by {n_tokens - limit} tokens.",
        )
