"""The logits of one position, for one run or several at once."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import Cache, PreTrainedModel

from ..model.anatomy import Anatomy
from ..model.context import length_changes_positions
from ..model.linear import device_of


def reads_all(model: PreTrainedModel) -> bool:
    """Whether a run must hold the whole prompt, also where it is read in the middle: its length changes positions."""
    return length_changes_positions(model.config.get_text_config(decoder=True))


def n_read(model: PreTrainedModel, n_tokens: int, position: int) -> int:
    """How many tokens of a prompt a run holds that is read at `position`."""
    return n_tokens if reads_all(model) else position + 1


def read_at(
    model: PreTrainedModel,
    anatomy: Anatomy,
    token_ids: Int[Tensor, "position"],
    position: int,
    *,
    cache: Cache | None = None,
    runs: int = 1,
) -> Float[Tensor, "run output"]:
    """The logits at `position` of `token_ids`: of each run, where the number of runs grows on the way.

    `cache`: keys and values of the tokens before these. `runs`: how many there are from the start.
    """
    place = device_of(model.get_input_embeddings())
    given: dict[str, Any] = {} if cache is None else {"past_key_values": cache}
    rows: list[Tensor] = []
    ids = token_ids[None].expand(runs, -1).to(place)
    # a classifier chooses the position that it returns
    cut = None if anatomy.readout.classifies else position
    with _read(anatomy.unembedding, cut, rows):
        output = model(input_ids=ids, use_cache=cache is not None, **given)
    if anatomy.readout.classifies:
        return rows[0][:, position]
    logits = output.logits
    return logits[:, 0 if logits.shape[1] == 1 else position]


@contextmanager
def _read(unembedding: nn.Module, only: int | None, rows: list[Tensor]) -> Generator[None]:
    """Keep the unembedding's output in `rows`; `only`: give it this position alone."""

    def cut(_module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        states = args[0]
        return None if only is None or states.dim() != 3 else (states[:, only : only + 1], *args[1:])

    def keep(_module: nn.Module, _args: Any, output: Tensor) -> None:
        rows.append(output)

    handles = unembedding.register_forward_pre_hook(cut), unembedding.register_forward_hook(keep)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
