"""The Jacobian lens of a model, fitted: J_l = E[∂h_final / ∂h_l] (arXiv 2607.15495, section 2).

h_final is the last layer's output before the final norm. One backward pass gives one row of every layer's matrix. It
starts with a one at that dimension of h_final, at all positions. The gradients at a layer's states are averaged over
positions and sequences. The first positions are left out, where attention rests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from ..causal.backward import differentiable, uncut
from ..causal.sites import Site, changed, sites
from ..errors import TransparencyError
from ..model.anatomy import Anatomy
from ..model.linear import device_of
from ..watch import Watch
from .maps import Affine, LensMaps

#: Positions at the beginning of a sequence that are left out.
SKIP = 8


@dataclass
class JacobianSum:
    """Sums over sequences, so that fits of one model merge exactly. Rows are those of the lens grid.

    `sequences`: the numbers of those that are in it. `sums[row]`: Σ J of one sequence, float32. `squares[row]`: Σ ‖J‖².
    """

    d_model: int
    n_layers: int
    sequences: tuple[int, ...] = ()
    sums: dict[int, Float[Tensor, "d_model d_model"]] = field(default_factory=dict[int, Tensor])
    squares: dict[int, float] = field(default_factory=dict[int, float])

    def merged(self, other: JacobianSum) -> JacobianSum:
        """The sum of two fits. Raises `TransparencyError` for different models, and for a sequence that is in both."""
        if (self.d_model, self.n_layers) != (other.d_model, other.n_layers):
            raise TransparencyError("invalidParams", "These fits are of different models.", "Merge fits of one model.")
        twice = sorted(set(self.sequences).intersection(other.sequences))
        if twice:
            raise TransparencyError(
                "invalidParams", f"Sequence {twice[0]} is in both fits.", "Merge fits of different sequences."
            )
        if not (self.sequences and other.sequences):
            return self if self.sequences else other
        rows = self.sums.keys() & other.sums.keys()
        return JacobianSum(
            self.d_model,
            self.n_layers,
            tuple(sorted((*self.sequences, *other.sequences))),
            {row: self.sums[row] + other.sums[row] for row in rows},
            {row: self.squares[row] + other.squares[row] for row in rows},
        )

    @property
    def n_sequences(self) -> int:
        return len(self.sequences)

    def maps(self, name: str = "jacobian") -> LensMaps:
        """The lens so far. Raises `TransparencyError` before the first sequence."""
        if not self.n_sequences:
            raise TransparencyError("invalidParams", "Nothing is fitted yet.", "Fit at least one sequence.")
        rows = {row: Affine(total / self.n_sequences) for row, total in sorted(self.sums.items())}
        return LensMaps("jacobian", name, rows)

    def standard_error(self, row: int) -> float:
        """The standard error of the mean of a row, ‖·‖ over all entries, relative to the mean's norm.

        NaN before the second sequence.
        """
        n = self.n_sequences
        if n < 2:
            return float("nan")
        mean = float((self.sums[row] / n).norm()) ** 2
        return float(((max(0.0, self.squares[row] / n - mean)) / (n - 1) / mean) ** 0.5)


def add_sequences(
    total: JacobianSum,
    model: PreTrainedModel,
    anatomy: Anatomy,
    token_ids: Int[Tensor, "sequence position"],
    numbers: Sequence[int],
    watch: Watch,
    *,
    skip: int = SKIP,
) -> JacobianSum:
    """`total` and some more sequences of one length, all in one pass; `total` itself stays as it is.

    `numbers`: what the sequences are called. `skip`: positions at the beginning that are left out. Raises
    `TransparencyError` where the model has no gradient or the sequences are too short, and `Cancelled` within one
    backward pass.
    """
    n_tokens = token_ids.shape[1]
    if n_tokens <= skip:
        raise TransparencyError(
            "invalidParams",
            f"The sequences have {n_tokens} tokens, of which the first {skip} are left out.",
            "Use longer sequences, or leave out fewer.",
        )
    watch.step("fitting", 0, anatomy.d_model)
    with differentiable(model), torch.enable_grad(), uncut(model, anatomy):
        leaves, last = _states(model, anatomy, token_ids)
        found = {site.layer + 1: torch.zeros(anatomy.d_model, anatomy.d_model) for site in leaves}
        squares = dict.fromkeys(found, 0.0)
        cotangent = torch.zeros_like(last)
        for dimension in range(anatomy.d_model):
            watch.step("fitting", dimension, anatomy.d_model)
            cotangent[..., dimension] = 1
            gradients = torch.autograd.grad(
                last, list(leaves.values()), cotangent, retain_graph=True, allow_unused=True
            )
            cotangent[..., dimension] = 0
            for site, gradient in zip(leaves, cast("tuple[Tensor | None, ...]", gradients), strict=True):
                # nothing may depend on a state: a layer that does not read it
                if gradient is None:
                    continue
                of_sequences = gradient[:, skip:].float().mean(dim=1)
                found[site.layer + 1][dimension] = of_sequences.sum(dim=0).cpu()
                squares[site.layer + 1] += float(of_sequences.square().sum())
    return total.merged(JacobianSum(anatomy.d_model, len(anatomy.blocks), tuple(numbers), found, squares))


def _states(
    model: PreTrainedModel, anatomy: Anatomy, token_ids: Int[Tensor, "sequence position"]
) -> tuple[dict[Site, Tensor], Float[Tensor, "sequence position d_model"]]:
    """What is added to each state that the lens reads (zeros that have gradients), and the last layer's output."""
    leaves: dict[Site, Tensor] = {}
    outputs: list[Tensor] = []
    last = sites(anatomy)[-1]

    def probe(site: Site, states: Tensor, _factor: float) -> Tensor | None:
        if site.state != "post":
            return None
        if site == last:
            outputs.append(states)
            return None
        leaves[site] = torch.zeros_like(states, requires_grad=True)
        return states + leaves[site]

    with changed(anatomy, probe):
        model(input_ids=token_ids.to(device_of(model.get_input_embeddings())), use_cache=False)
    return leaves, outputs[0]
