"""The Jacobian lens of a model, fitted: J_l = E[∂h_final / ∂h_l] (arXiv 2607.15495, section 2).

h_final is the last layer's output before the final norm. A backward pass from a direction v of h_final, at all
positions, gives v · J of every layer: the gradients at a layer's states, averaged over positions and sequences. The
first positions are left out, where attention rests.

The sequences of a round share the directions of one random rotation: each direction goes to one of them, so that a
round of B sequences takes d_model / B passes. Σ v (v · J) over the rotation is an unbiased estimate of the mean J.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel

from ..ambient import guard
from ..causal.backward import derivable, differentiable, uncut
from ..causal.sites import Site, changed, sites
from ..errors import TransparencyError
from ..model.anatomy import Anatomy
from ..model.linear import device_of
from ..watch import Watch
from .maps import Affine, LensMaps
from .plan import SKIP


@dataclass
class JacobianSum:
    """Sums over rounds of sequences, so that fits of one model merge exactly. Rows are those of the lens grid.

    `sequences`: the numbers of those that are in it. `rounds`: how many estimates of J. `sums[row]`: Σ n J of rounds of
    n sequences, float32. `squares[row]`: Σ n ‖J‖².
    """

    d_model: int
    n_layers: int
    sequences: tuple[int, ...] = ()
    sums: dict[int, Float[Tensor, "d_model d_model"]] = field(default_factory=dict[int, Tensor])
    squares: dict[int, float] = field(default_factory=dict[int, float])
    rounds: int = 0

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
            self.rounds + other.rounds,
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

        NaN before the second round.
        """
        n = self.n_sequences
        if self.rounds < 2:
            return float("nan")
        mean = float((self.sums[row] / n).norm()) ** 2
        # a round's variance falls with its sequences, which are its weight
        return float(((max(0.0, self.squares[row] / n - mean)) / (self.rounds - 1) / mean) ** 0.5)


def add_sequences(
    total: JacobianSum,
    model: PreTrainedModel,
    anatomy: Anatomy,
    token_ids: Int[Tensor, "sequence position"],
    numbers: Sequence[int],
    watch: Watch,
    *,
    skip: int = SKIP,
    passes: int | None = None,
    half: bool = False,
) -> JacobianSum:
    """`total` and a round of sequences of one length, all in one pass; `total` itself stays as it is.

    `numbers`: what the sequences are called; the first one seeds the rotation. `skip`: positions at the beginning that
    are left out. `passes`: backward passes; d_model gives the whole Jacobian of each sequence, and the default gives
    each direction to one sequence. `half`: matrix products in bfloat16. Raises `TransparencyError` where the model has
    no gradient or the sequences are too short, and `Cancelled` within one backward pass.
    """
    n_sequences, n_tokens = token_ids.shape
    d_model = anatomy.d_model
    if n_tokens <= skip:
        raise TransparencyError(
            "invalidParams",
            f"The sequences have {n_tokens} tokens, of which the first {skip} are left out.",
            "Use longer sequences, or leave out fewer.",
        )
    passes = passes_of(d_model, n_sequences, passes)
    # sequence b takes `passes` directions in a row, and the next sequence goes on there
    taken = (torch.arange(passes)[:, None] + passes * torch.arange(n_sequences)) % d_model
    rotation = _rotation(d_model, numbers[0])
    watch.step("fitting", 0, passes)
    # hooks are in the model for the forward pass alone: between backward passes, others may use it
    with guard(anatomy, watch), differentiable(model), torch.enable_grad(), uncut(model, anatomy), _products(half):
        leaves, last = _states(model, anatomy, token_ids)
    found = {site.layer + 1: torch.zeros(passes, n_sequences, d_model) for site in leaves}
    with derivable(model):
        for index in range(passes):
            watch.step("fitting", index, passes)
            cotangent = rotation[taken[index]].to(last)[:, None].expand_as(last)
            gradients = torch.autograd.grad(
                last, list(leaves.values()), cotangent, retain_graph=True, allow_unused=True
            )
            for site, gradient in zip(leaves, cast("tuple[Tensor | None, ...]", gradients), strict=True):
                # nothing may depend on a state: a layer that does not read it
                if gradient is not None:
                    found[site.layer + 1][index] = gradient[:, skip:].float().mean(dim=1)
    # directions that several sequences took, and those that none took
    times = torch.bincount(taken.flatten(), minlength=d_model)
    weights = d_model / (int((times > 0).sum()) * times[taken.flatten()])
    directions = rotation[taken.flatten()] * weights[:, None]
    means = {row: directions.T @ rows.flatten(0, 1) for row, rows in found.items()}
    sums = {row: n_sequences * mean for row, mean in means.items()}
    squares = {row: n_sequences * float(mean.square().sum()) for row, mean in means.items()}
    return total.merged(JacobianSum(d_model, len(anatomy.blocks), tuple(numbers), sums, squares, 1))


def passes_of(d_model: int, n_sequences: int, passes: int | None = None) -> int:
    """Backward passes of a round, `passes` where given."""
    return -(-d_model // n_sequences) if passes is None else min(passes, d_model)


def half_is_faster(model: PreTrainedModel) -> bool:
    """Whether bfloat16 products pay: a float32 model, and a processor with instructions for them. Their rounding is far
    below the error that a fit has from its few sequences.
    """
    on_cpu = all(p.device.type == "cpu" and p.dtype == torch.float32 for p in model.parameters())
    # older versions of torch do not tell
    return on_cpu and bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def _rotation(d_model: int, seed: int) -> Float[Tensor, "direction d_model"]:
    """Orthonormal directions, uniformly random."""
    numbers = torch.randn(d_model, d_model, generator=torch.Generator().manual_seed(seed))
    q, r = torch.linalg.qr(numbers)
    # without the signs, what LAPACK returns is not uniform
    return q * r.diagonal().sign()


@contextmanager
def _products(half: bool) -> Generator[None]:
    """How matrix products of the forward pass, and so of the backward passes, are computed."""
    with ExitStack() as stack:
        if half:
            stack.enter_context(torch.autocast("cpu", dtype=torch.bfloat16))
            # the fused kernel is slower in bfloat16 than in float32
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield


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
