"""How long a fit takes: a few of its passes, measured."""

from __future__ import annotations

import time

import torch

from ..errors import Cancelled
from ..model.loading import LoadedModel
from ..watch import Watch
from .fitting import JacobianSum, add_sequence, half_is_faster, passes_of
from .material import TOGETHER
from .plan import Plan
from .sequences import sampled

#: Backward passes that are measured, and tokens that are sampled.
_PASSES, _TOKENS = 4, 4


def seconds_of_sequence(model: LoadedModel, plan: Plan, watch: Watch) -> float:
    """Seconds of each sequence. Raises `TransparencyError` for a model that cannot be fitted, and `Cancelled`."""
    began = time.perf_counter()
    sampled(*(model.model, model.tokenizer, range(TOGETHER), min(_TOKENS, plan.tokens)), pause=lambda _n: watch.check())
    sampling = (time.perf_counter() - began) * plan.tokens / _TOKENS
    numbers = torch.Generator().manual_seed(0)
    ids = torch.randint(model.anatomy.n_vocab, (plan.tokens,), generator=numbers)
    times: list[float] = []

    def measure(_stage: str, done: int, total: int) -> None:
        watch.step("measuring how long a fit takes", len(times), _PASSES + 1)
        times.append(time.perf_counter())
        if done == min(_PASSES, total - 1):
            measured.cancel()

    measured = Watch(measure)
    try:
        add_sequence(
            JacobianSum(model.anatomy.d_model, len(model.anatomy.blocks)),
            *(model.model, model.anatomy, ids, 0, measured),
            skip=plan.skip,
            batch=plan.batch,
            half=half_is_faster(model.model),
        )
    except Cancelled:
        watch.check()
    # told before the forward pass, before each backward pass
    forward = times[1] - times[0]
    each = (times[-1] - times[1]) / max(1, len(times) - 2)
    return sampling / TOGETHER + forward + passes_of(model.anatomy.d_model, plan.batch) * each
