"""The tuned lens of a model, fitted: an affine map of each layer's states to the last layer's (arXiv 2303.08112).

The map is the least-squares one, in closed form, and comes from forward passes alone. The paper descends on
KL(prediction ‖ reading) instead, which takes an unembedding of every state in every step. docs/lenses.md compares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from ..ambient import guard
from ..causal.sites import Site, changed, sites
from ..model.anatomy import Anatomy
from ..model.linear import device_of
from ..watch import Watch
from .fitting import check_disjoint
from .maps import Affine, LensMaps
from .plan import SKIP

#: Ridge: this times d_model over the number of states, relative to the states' mean variance.
_RIDGE = 0.1


@dataclass
class TunedSum:
    """Sums over the states of sequences, so that fits of one model merge exactly. Rows are those of the lens grid.

    `states`: how many. For states h and what they lack to the last one, r = h_final − h: `sums[row]` is
    Σ (h, 1) (h, r, 1)ᵀ, float64.
    """

    d_model: int
    n_layers: int
    sequences: tuple[int, ...] = ()
    states: int = 0
    sums: dict[int, Float[Tensor, "h1 hr1"]] = field(default_factory=dict[int, Tensor])

    def merged(self, other: TunedSum) -> TunedSum:
        """The sum of two fits. Raises `TransparencyError` for different models, and for a sequence that is in both."""
        check_disjoint(self, other)
        if not (self.sequences and other.sequences):
            return self if self.sequences else other
        return TunedSum(
            self.d_model,
            self.n_layers,
            tuple(sorted((*self.sequences, *other.sequences))),
            self.states + other.states,
            {row: self.sums[row] + other.sums[row] for row in self.sums.keys() & other.sums.keys()},
        )

    @property
    def n_sequences(self) -> int:
        return len(self.sequences)

    def maps(self, name: str = "tuned") -> LensMaps:
        """The lens so far."""
        return LensMaps("tuned", name, {row: self._map(found) for row, found in sorted(self.sums.items())})

    def _map(self, found: Tensor) -> Affine:
        d, n = self.d_model, self.states
        mean_h, mean_r = found[-1, :d] / n, found[-1, d : 2 * d] / n
        hh = found[:d, :d] / n - mean_h[:, None] * mean_h
        hr = found[:d, d : 2 * d] / n - mean_h[:, None] * mean_r
        ridge = _RIDGE * d / n * hh.diagonal().mean().clamp(min=torch.finfo(torch.float32).tiny)
        weight = torch.linalg.solve(hh + ridge * torch.eye(d, dtype=hh.dtype), hr).T
        bias = mean_r - weight @ mean_h
        return Affine((weight + torch.eye(d, dtype=hh.dtype)).float(), bias.float())


def add_states(
    total: TunedSum,
    model: PreTrainedModel,
    anatomy: Anatomy,
    token_ids: Int[Tensor, "sequence position"],
    numbers: Sequence[int],
    watch: Watch,
    *,
    skip: int = SKIP,
) -> TunedSum:
    """`total` and some more sequences of one length, in one pass; `total` itself stays as it is.

    `numbers`: what the sequences are called. `skip`: positions at the beginning that are left out.
    """
    watch.step("fitting", 0, 1)
    with guard(anatomy, watch):
        states = _states(model, anatomy, token_ids)
    last = states.pop(len(anatomy.blocks))[:, skip:].flatten(0, 1).double()
    found: dict[int, Tensor] = {}
    for row, state in states.items():
        h = state[:, skip:].flatten(0, 1).double()
        one = torch.ones_like(h[:, :1])
        found[row] = torch.cat([h, one], dim=1).T @ torch.cat([h, last - h, one], dim=1)
    return total.merged(TunedSum(anatomy.d_model, len(anatomy.blocks), tuple(numbers), len(last), found))


def _states(
    model: PreTrainedModel, anatomy: Anatomy, token_ids: Int[Tensor, "sequence position"]
) -> dict[int, Float[Tensor, "sequence position d_model"]]:
    """Of every row of the lens grid, the last layer's too."""
    found: dict[int, Tensor] = {}

    def keep(site: Site, states: Tensor, _factor: float) -> None:
        if site.state == "post":
            found[site.layer + 1] = states.cpu()

    assert sites(anatomy)[-1].state == "post"
    with changed(anatomy, keep):
        model(input_ids=token_ids.to(device_of(model.get_input_embeddings())), use_cache=False)
    return found
