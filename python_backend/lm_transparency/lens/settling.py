"""How much of what a lens reads would still change if its fit went on."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from ..ambient import guard
from ..model.loading import LoadedModel
from ..trace.recording import record
from ..watch import Watch
from .files import Fit
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
        self._top: dict[int, Tensor] = {}

    def changing(self, fit: Fit) -> float | None:
        """The share of top tokens that are expected to differ from those of a fit without end.

        Those of n sequences are compared with those of the first m, about half of them. The distance of a mean of n
        from its limit is √(m / (n − m)) of its distance from the mean of the first m, and so is the share of tokens
        whose margin is smaller. None at the first call.
        """
        maps, n = fit.maps(), fit.n_sequences
        top = torch.cat([self._lens.logits(maps.read(self._states[row], row)).argmax(dim=-1) for row in maps.rows])
        self._top = {m: one for m, one in self._top.items() if n <= 2 * m < 2 * n}
        m = min(self._top, default=None)
        share = None if m is None else float((top != self._top[m]).float().mean()) * (m / (n - m)) ** 0.5
        self._top[n] = top
        return None if share is None else min(1.0, share)
