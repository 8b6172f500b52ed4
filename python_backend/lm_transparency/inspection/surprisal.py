"""Surprisal: the improbability of each token of a text under a model, from one forward pass without recording."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..ambient import guarded
from ..analysis.limits import check_length, memory_told
from ..errors import TransparencyError
from ..model.loading import LoadedModel
from ..model.tokens import Token
from ..trace.finite import check_finite, is_finite, overflow
from ..trace.outputs import run
from ..trace.recording import record
from ..watch import Watch

#: Positions whose logits are processed together.
_ROWS = 256


@dataclass(frozen=True)
class Reading:
    """For each token of a text: its `surprisal` in bits, and the `k` most probable tokens in its place with their
    probabilities.

    Surprisal is -log2 of the token's probability given the tokens before it. The first token has none: its surprisal is
    NaN, and its other values are 0.
    """

    surprisal: Float[Tensor, "position"]
    expected: Int[Tensor, "position k"]
    probabilities: Float[Tensor, "position k"]


@guarded
def read_text(model: LoadedModel, tokens: Sequence[Token], *, k: int = 5, watch: Watch | None = None) -> Reading:
    """Read `tokens` in one forward pass.

    Raises `TransparencyError` (`promptTooLong`, `modelUnsupported` for a classifier, `outOfMemory`), and `Cancelled`
    within one layer's time of `watch.cancel()`.
    """
    watch = watch or Watch()
    if model.anatomy.readout.classifies:
        raise TransparencyError(
            "modelUnsupported",
            f"{model.name} is a classifier: it expects no next token.",
            "Choose a language model.",
        )
    check_length(model, len(tokens))
    ids = torch.tensor([token.id for token in tokens])
    with memory_told(model, len(tokens)), torch.no_grad(), _checked(model, watch):
        logits, _ = run(model.model, model.anatomy, ids)
        k = min(k, int(logits.shape[-1]))
        surprisal = torch.full((len(ids),), math.nan)
        expected = torch.zeros((len(ids), k), dtype=torch.long)
        probabilities = torch.zeros((len(ids), k))
        for start in range(0, len(ids) - 1, _ROWS):
            watch.check()
            if not is_finite(logits[start : start + _ROWS]):
                # a recorded run finds the place
                check_finite(model, record(model.model, model.anatomy, ids, watch))
                raise overflow(model.dtype, f"The prediction of {model.name}")
            rows = logits[start : min(start + _ROWS, len(ids) - 1)].float()
            place = slice(start + 1, start + 1 + len(rows))
            total = rows.logsumexp(dim=-1)
            own = rows.gather(-1, ids[place].to(rows.device)[:, None])[:, 0]
            surprisal[place] = ((total - own) / math.log(2)).cpu()
            values, best = rows.topk(k, dim=-1)
            expected[place] = best.cpu()
            probabilities[place] = (values - total[:, None]).exp().cpu()
    return Reading(surprisal, expected, probabilities)


@contextmanager
def _checked(model: LoadedModel, watch: Watch) -> Generator[None]:
    def check(_module: nn.Module, _args: object) -> None:
        watch.check()

    handles = [block.module.register_forward_pre_hook(check) for block in model.anatomy.blocks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
