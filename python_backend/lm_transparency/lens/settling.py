"""How much of what a lens reads would still change if its fit went on."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from ..ambient import guard
from ..model.loading import LoadedModel
from ..trace.recording import record
from ..watch import Watch
from .fitting import JacobianSum
from .projection import Lens

#: A fit has settled once fewer top tokens than this still change.
SETTLED = 0.05


class Settling:
    """The lens grid of one sequence under a growing fit."""

    def __init__(self, model: LoadedModel, token_ids: Int[Tensor, "position"], skip: int) -> None:
        with guard(model):
            trace = record(model.model, model.anatomy, token_ids, Watch())
        self._states = [trace.layers[0].pre[skip:], *(layer.post[skip:] for layer in trace.layers)]
        self._lens = Lens(model.anatomy)
        self._before: tuple[int, Tensor] | None = None

    def changing(self, fit: JacobianSum) -> float | None:
        """The share of top tokens that are expected to differ from those of a fit without end.

        None at the first call. The distance of the mean of n sequences from its limit is √(m / (n − m)) of its distance
        from the mean of the first m, and so is the share of tokens whose margin is smaller.
        """
        maps = fit.maps()
        top = torch.cat([self._lens.logits(maps.read(self._states[row], row)).argmax(dim=-1) for row in maps.rows])
        before, self._before = self._before, (fit.n_sequences, top)
        if before is None or before[0] >= fit.n_sequences:
            return None
        n, m = fit.n_sequences, before[0]
        return min(1.0, float((top != before[1]).float().mean()) * (m / (n - m)) ** 0.5)
