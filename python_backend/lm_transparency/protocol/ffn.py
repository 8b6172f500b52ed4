"""Questions about feed-forward blocks: their neurons and their experts."""

from __future__ import annotations

from typing import Literal

from attrs import define

from .inspection import TokenScore

#: Of what function of its logits a router's gates are shares.
RouterScoring = Literal["softmax", "sigmoid", "unknown"]


@define(frozen=True)
class FfnNeuronsParams:
    run_id: str
    layer: int
    position: int
    top_k: int = 20


@define(frozen=True)
class NeuronShare:
    neuron: int
    activation: float
    contribution: float


@define(frozen=True)
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
    neurons: list[NeuronShare]


@define(frozen=True)
class FfnExpertsParams:
    """A feed-forward block with experts. `top_k`: tokens that each of them promotes."""

    run_id: str
    layer: int
    position: int
    top_k: int = 5
    normalize: bool = True


@define(frozen=True)
class ExpertShare:
    """An active expert as a part of the residual after the layer. `expert`: its number, or `shared` (`shared2` …)."""

    expert: str
    gate: float
    contribution: float
    promoted: list[TokenScore]


@define(frozen=True)
class RouterScore:
    """What the router gave an expert; a gate of 0: not chosen. `probability` is 0 where `scoring` is unknown."""

    expert: int
    logit: float
    probability: float
    gate: float


@define(frozen=True)
class FfnExpertsResult:
    """The active experts of a block, those that contribute most first; `router`: they and the runners-up.

    Each expert is a part of its own: `experts_total` + `residual` + `bias` = 1. `error`: of the experts' sum against
    what the block wrote, relative; `notice` says so where it is too large, and is empty otherwise.
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
    notice: str
    experts: list[ExpertShare]
    router: list[RouterScore]


@define(frozen=True)
class ExpertParams:
    """`expert`: a number, or `shared`. `top_k` of tokens, `neurons_k` of neurons."""

    run_id: str
    layer: int
    expert: str
    position: int
    top_k: int = 15
    neurons_k: int = 20
    normalize: bool = True


@define(frozen=True)
class ExpertResult:
    """One expert. `gates`: at every position, 0 where it is not active; what it writes is empty there.

    Each neuron is a part of its own: `neurons_total` + `others` (the other experts) + `residual` + `bias` = 1.
    `notice`: what cannot be trusted, or why there are no neurons; empty otherwise.
    """

    layer: int
    expert: str
    position: int
    gate: float
    contribution: float
    promoted: list[TokenScore]
    suppressed: list[TokenScore]
    gates: list[float]
    n_neurons: int
    n_contributing: int
    neurons_total: float
    others: float
    residual: float
    bias: float
    error: float
    notice: str
    neurons: list[NeuronShare]


@define(frozen=True)
class NeuronParams:
    """`expert`: whose neuron it is, in a block with experts; else empty."""

    run_id: str
    layer: int
    neuron: int
    position: int
    top_k: int = 15
    normalize: bool = True
    expert: str = ""


@define(frozen=True)
class NeuronResult:
    """One neuron. `promoted`, `suppressed`: of activation · W_out, so that a negative activation turns them round.
    `activations`: at every position of the prompt; of an expert's neuron 0 where the expert is not active."""

    layer: int
    expert: str
    neuron: int
    position: int
    activation: float
    contribution: float
    promoted: list[TokenScore]
    suppressed: list[TokenScore]
    activations: list[float]
