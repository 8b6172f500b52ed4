"""Questions about feed-forward blocks: their neurons and their experts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .inspection import LensChoice, TokenScore, Update

#: The function of a router's logits that its gates are proportional to.
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

    Each neuron is a separate part: all `n_neurons` contributions + `residual` + `bias` = 1, and `neurons_total` is the
    sum over all neurons. `block_contribution`: the contribution of the block as one part, as in the graph.
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
class FfnExpertsParams(LensChoice):
    """A feed-forward block with experts. `top_k`: the number of promoted tokens to list for each expert."""

    run_id: str
    layer: int
    position: int
    top_k: int = 5


@dataclass(frozen=True)
class ExpertShare:
    """An active expert as a part of the residual after the layer. `expert`: its number, or `shared` (`shared2` …).

    `gate`: the router's factor for the expert. A shared expert's factor comes from the block, and is 1 without a gate.
    """

    expert: str
    gate: float
    contribution: float
    promoted: tuple[TokenScore, ...]


@dataclass(frozen=True)
class RouterScore:
    """The router's values for an expert. A gate of 0: the expert was not chosen. None: the value is not known."""

    expert: int
    logit: float | None
    probability: float | None
    gate: float


@dataclass(frozen=True)
class FfnExpertsResult:
    """The active experts of a block, largest contribution first. `router`: the active experts and the runners-up.

    Each expert is a separate part: `experts_total` + `residual` + `bias` = 1. `error`: the relative error of the
    experts' sum against the block's output. `notice` reports an error above `tolerance`.
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
    lens: str = "logit"


@dataclass(frozen=True)
class ExpertParams(LensChoice):
    """`expert`: a number, or `shared`. `top_k`, `neurons_k`: the numbers of tokens and neurons to list."""

    run_id: str
    layer: int
    expert: str
    position: int
    top_k: int = 15
    neurons_k: int = 20


@dataclass(frozen=True)
class ExpertResult:
    """One expert at one position: its output, its gate at every position, and its neurons.

    An inactive expert (`gate` 0) writes nothing and has no neurons. Each neuron is a separate part:
    `neurons_total` + `others` (the other experts) + `residual` + `bias` = 1. `error`: the relative error of the sum of
    the neurons and the expert's bias against the expert's output. `notice`: which figures cannot be trusted, or why
    there are no neurons.
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
    lens: str = "logit"


@dataclass(frozen=True)
class NeuronParams(LensChoice):
    """`expert`: the expert that the neuron belongs to, in a block with experts."""

    run_id: str
    layer: int
    neuron: int
    position: int
    top_k: int = 15
    expert: str | None = None


@dataclass(frozen=True)
class NeuronResult:
    """One neuron at one position. The update is activation · W_out, so a negative activation reverses it.

    `activations`: the activation at every position, 0 where the neuron's expert is not active. `expert`: the expert
    that the neuron belongs to, in a block with experts.
    """

    layer: int
    position: int
    share: NeuronShare
    update: Update
    activations: tuple[float, ...]
    expert: str | None = None
    lens: str = "logit"
