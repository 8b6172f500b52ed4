"""The Jacobian lens of a model, fitted: J_l = E[∂h_final / ∂h_l] (arXiv 2607.15495, section 2).

h_final is the last layer's output before the final norm. The gradient of one of its dimensions, summed over positions,
is a row of every layer's matrix: the gradients at a layer's states are averaged over positions and sequences. The first
positions are left out, where attention rests. A pass takes copies of the sequence, each for another dimension.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Protocol, cast

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
from .plan import BATCH, SKIP


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
        check_disjoint(self, other)
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


class _Sum(Protocol):
    d_model: int
    n_layers: int
    sequences: tuple[int, ...]


def check_disjoint(one: _Sum, other: _Sum) -> None:
    """Raises `TransparencyError` for fits of different models, and for a sequence that is in both."""
    if (one.d_model, one.n_layers) != (other.d_model, other.n_layers):
        raise TransparencyError("invalidParams", "These fits are of different models.", "Merge fits of one model.")
    twice = sorted(set(one.sequences).intersection(other.sequences))
    if twice:
        raise TransparencyError(
            "invalidParams", f"Sequence {twice[0]} is in both fits.", "Merge fits of different sequences."
        )


def add_sequence(
    total: JacobianSum,
    model: PreTrainedModel,
    anatomy: Anatomy,
    token_ids: Int[Tensor, "position"],
    number: int,
    watch: Watch,
    *,
    skip: int = SKIP,
    batch: int = BATCH,
    half: bool = False,
) -> JacobianSum:
    """`total` and one more sequence; `total` itself stays as it is.

    `number`: what the sequence is called. `skip`: positions at the beginning that are left out. `batch`: rows of the
    matrices in one pass. `half`: matrix products in bfloat16. Raises `TransparencyError` where the model has no
    gradient or the sequence is too short, and `Cancelled` within one backward pass.
    """
    n_tokens, d_model = len(token_ids), anatomy.d_model
    if n_tokens <= skip:
        raise TransparencyError(
            "invalidParams",
            f"The sequence has {n_tokens} tokens, of which the first {skip} are left out.",
            "Use longer sequences, or leave out fewer.",
        )
    n_copies = min(batch, d_model)
    n_passes = passes_of(d_model, batch)
    watch.step("fitting", 0, n_passes)
    # hooks are in the model for the forward pass alone: between backward passes, others may use it
    with guard(anatomy, watch), differentiable(model), torch.enable_grad(), uncut(model, anatomy), _products(half):
        leaves, last = _states(model, anatomy, token_ids.expand(n_copies, -1))
    found = {site.layer + 1: torch.zeros(d_model, d_model) for site in leaves}
    with derivable(model):
        for index in range(n_passes):
            watch.step("fitting", index, n_passes)
            dimensions = range(index * n_copies, min(d_model, (index + 1) * n_copies))
            cotangent = torch.zeros_like(last)
            for copy, dimension in enumerate(dimensions):
                cotangent[copy, :, dimension] = 1
            gradients = torch.autograd.grad(
                last, list(leaves.values()), cotangent, retain_graph=True, allow_unused=True
            )
            for site, gradient in zip(leaves, cast("tuple[Tensor | None, ...]", gradients), strict=True):
                # nothing may depend on a state: a layer that does not read it
                if gradient is not None:
                    rows = gradient[: len(dimensions), skip:].float().mean(dim=1)
                    found[site.layer + 1][dimensions.start : dimensions.stop] = rows.cpu()
    squares = {row: float(matrix.square().sum()) for row, matrix in found.items()}
    return total.merged(JacobianSum(d_model, len(anatomy.blocks), (number,), found, squares))


def passes_of(d_model: int, batch: int) -> int:
    """Backward passes that a sequence takes."""
    return -(-d_model // min(batch, d_model))


def half_is_faster(model: PreTrainedModel) -> bool:
    """Whether bfloat16 products pay: a float32 model, and a processor with instructions for them. Their rounding is far
    below the error that a fit has from its few sequences.
    """
    on_cpu = all(p.device.type == "cpu" and p.dtype == torch.float32 for p in model.parameters())
    # older versions of torch do not tell
    return on_cpu and bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


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
