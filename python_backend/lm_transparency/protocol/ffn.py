"""Questions about feed-forward blocks: their neurons and their experts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .inspection import TokenScore, Update

#: Of what function of its logits a router's gates are shares.
RouterScoring = Literal["softmax", "sigmoid", "unknown"]


@dataclass(frozen=True)
class FfnNeuronsParams:
    run_id: str
    layer: int
    position: int
    top_k: int = 20


@dataclass(frozen=True)
class NeuronShare:
    neuron: int
    activation: float
    contribution: float


@dataclass(frozen=True)
class FfnNeuronsResult:
    """The neurons of a feed-forward block that contribute most to the residual after the layer.

    Here each neuron is a part of its own: all `n_neurons` contributions + `residual` + `bias` = 1, and `neurons_total`
    is the sum over all of them. `block_contribution`: of the block as one part, as in the graph.
    """

    layer: int
    position: int
    n_neurons: int
    n_contributing: int
    block_contribution: float
    neurons_total: float
    residual: float
    bias: float
    neurons: tuple[NeuronShare, ...]


@dataclass(frozen=True)
class FfnExpertsParams:
    """A feed-forward block with experts. `top_k`: tokens that each of them promotes."""

    run_id: str
    layer: int
    position: int
    top_k: int = 5
    normalize: bool = True


@dataclass(frozen=True)
class ExpertShare:
    """An active expert as a part of the residual after the layer. `expert`: its number, or `shared` (`shared2` …).

    `gate`: what the router multiplies it by; of a shared expert the block, 1 where it has no gate.
    """

    expert: str
    gate: float
    contribution: float
    promoted: tuple[TokenScore, ...]


@dataclass(frozen=True)
class RouterScore:
    """What the router gave an expert; a gate of 0: not chosen. None: not known."""

    expert: int
    logit: float | None
    probability: float | None
    gate: float


@dataclass(frozen=True)
class FfnExpertsResult:
    """The active experts of a block, those that contribute most first; `router`: they and the runners-up.

    Each expert is a part of its own: `experts_total` + `residual` + `bias` = 1. `error`: of the experts' sum against
    what the block wrote, relative; `notice` says so where it exceeds `tolerance`.
    """

    layer: int
    position: int
    n_experts: int
    scoring: RouterScoring
    block_contribution: float
    experts_total: float
    residual: float
    bias: float
    error: float
    tolerance: float
    notice: str | None
    experts: tuple[ExpertShare, ...]
    router: tuple[RouterScore, ...]


@dataclass(frozen=True)
class ExpertParams:
    """`expert`: a number, or `shared`. `top_k` of tokens, `neurons_k` of neurons."""

    run_id: str
    layer: int
    expert: str
    position: int
    top_k: int = 15
    neurons_k: int = 20
    normalize: bool = True


@dataclass(frozen=True)
class ExpertResult:
    """One expert at one position: what it writes, its gate at every position, and its neurons.

    Where it is not active (`gate` 0) it writes nothing and has no neurons. Each neuron is a part of its own:
    `neurons_total` + `others` (the other experts) + `residual` + `bias` = 1. `error`: of the neurons and the expert's
    bias against the expert; `notice`: what cannot be trusted, or why there are no neurons.
    """

    layer: int
    position: int
    expert: str
    gate: float
    contribution: float
    update: Update
    gates: tuple[float, ...]
    n_neurons: int
    n_contributing: int
    neurons_total: float
    others: float
    residual: float
    bias: float
    error: float
    notice: str | None
    neurons: tuple[NeuronShare, ...]


@dataclass(frozen=True)
class NeuronParams:
    """`expert`: whose neuron it is, in a block with experts."""

    run_id: str
    layer: int
    neuron: int
    position: int
    top_k: int = 15
    normalize: bool = True
    expert: str | None = None


@dataclass(frozen=True)
class NeuronResult:
    """One neuron at one position; the update is activation · W_out, so that a negative activation turns it round.

    `activations`: at every position; of an expert's neuron 0 where the expert is not active. `expert`: whose neuron it
    is, in a block with experts.
    """

    layer: int
    position: int
    share: NeuronShare
    update: Update
    activations: tuple[float, ...]
    expert: str | None = None
