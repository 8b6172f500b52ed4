"""Feed-forward blocks by neuron, and one neuron over the prompt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..analysis.result import Analysis
from ..routes import neurons
from .asking import question
from .tokens import Update, lens_of, out_of_range, place_of, update_tokens


@dataclass(frozen=True)
class NeuronShare:
    neuron: int
    activation: float
    contribution: float


@dataclass(frozen=True)
class FfnView:
    """The neurons of a feed-forward block, those that contribute most first.

    Each neuron is a part of its own here: `neurons_total` (over all of them) + `residual` + `bias` = 1.
    `block_contribution` is the block as one part, as in the graph.
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
class NeuronView:
    """One neuron at one position; the update is activation · W_out. `activations`: at every position.

    `expert`: whose neuron it is in a mixture of experts, else empty.
    """

    layer: int
    position: int
    share: NeuronShare
    update: Update
    activations: tuple[float, ...]
    expert: str = ""


@question
def inspect_ffn(analysis: Analysis, layer: int, position: int, *, top_k: int = 20) -> FfnView:
    """The neurons of the feed-forward block of `layer` at `position`. Raises `TransparencyError` out of range."""
    position, _ = place_of(analysis, layer, position)
    found = neurons.neurons(analysis.trace, analysis.contributions, layer, position)
    order = np.lexsort((-np.abs(found.activation), -found.contribution))[:top_k]
    return FfnView(
        layer=layer,
        position=position,
        n_neurons=len(found.activation),
        n_contributing=int((found.contribution > 0).sum()),
        block_contribution=float(analysis.contributions.ffn[layer, position]),
        neurons_total=float(found.contribution.sum()),
        residual=found.residual,
        bias=found.bias,
        neurons=tuple(_share(found, int(n)) for n in order),
    )


@question
def inspect_neuron(
    analysis: Analysis, layer: int, neuron: int, position: int, *, top_k: int = 15, normalize: bool = True
) -> NeuronView:
    """One neuron at one position, and its activation at all. Raises `TransparencyError` out of range."""
    position, _ = place_of(analysis, layer, position)
    everywhere = neurons.activations(analysis.trace, layer)
    if not 0 <= neuron < everywhere.shape[1]:
        raise out_of_range("neuron", neuron, everywhere.shape[1])
    found = neurons.neurons(analysis.trace, analysis.contributions, layer, position, everywhere[position])
    share = _share(found, neuron)
    vector = share.activation * analysis.trace.anatomy.blocks[layer].w_out()[neuron]
    (logits,) = lens_of(analysis, [vector], normalize)
    update = update_tokens(analysis, logits, top_k)
    return NeuronView(layer, position, share, update, tuple(everywhere[:, neuron].tolist()))


def _share(found: neurons.Neurons, neuron: int) -> NeuronShare:
    return NeuronShare(neuron, float(found.activation[neuron]), float(found.contribution[neuron]))
