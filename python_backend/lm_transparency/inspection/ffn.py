"""Feed-forward blocks by neuron, and one neuron over the whole prompt."""

from __future__ import annotations

import numpy as np

from ..analysis.result import Analysis
from ..errors import out_of_range
from ..lens.maps import LOGIT, LensMaps
from ..protocol.ffn import FfnNeuronsResult, NeuronResult, NeuronShare
from ..routes import neurons
from .asking import question
from .tokens import lens_of, place_of, update_tokens


@question
def inspect_ffn(analysis: Analysis, layer: int, position: int, *, top_k: int = 20) -> FfnNeuronsResult:
    """The neurons of the feed-forward block of `layer` at `position`.

    Raises `TransparencyError` for an index out of range.
    """
    position, _ = place_of(analysis, layer, position)
    found = neurons.neurons(analysis.trace, analysis.contributions, layer, position)
    order = np.lexsort((-np.abs(found.activation), -found.contribution))[:top_k]
    return FfnNeuronsResult(
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
    analysis: Analysis,
    layer: int,
    neuron: int,
    position: int,
    *,
    top_k: int = 15,
    normalize: bool = True,
    lens: LensMaps = LOGIT,
) -> NeuronResult:
    """One neuron at one position, and its activation at every position.

    Raises `TransparencyError` for an index out of range.
    """
    position, _ = place_of(analysis, layer, position)
    everywhere = neurons.activations(analysis.trace, layer)
    if not 0 <= neuron < everywhere.shape[1]:
        raise out_of_range("neuron", neuron, everywhere.shape[1])
    found = neurons.neurons(analysis.trace, analysis.contributions, layer, position, everywhere[position])
    share = _share(found, neuron)
    vector = share.activation * analysis.trace.anatomy.blocks[layer].w_out()[neuron]
    (logits,) = lens_of(analysis, [lens.read_update(vector, layer)], normalize)
    update = update_tokens(analysis, logits, top_k)
    return NeuronResult(layer, position, share, update, tuple(everywhere[:, neuron].tolist()), lens=lens.name)


def _share(found: neurons.Neurons, neuron: int) -> NeuronShare:
    return NeuronShare(neuron, float(found.activation[neuron]), float(found.contribution[neuron]))
