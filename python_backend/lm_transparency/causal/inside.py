"""The neurons and experts of some feed-forward blocks, by predicted effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..protocol.effects import How
from ..routes.expert_states import shared_names
from ..routes.experts import routing
from .gradient import Gradient
from .parts import Parts
from .predicted import effect_of
from .sites import Site
from .units import Unit

#: Neurons of one block that are listed, at most.
_OF_A_BLOCK = 20


def neurons_and_experts(
    parts: Parts, gradient: Gradient, blocks: Iterable[Unit], how: How
) -> Iterator[tuple[Unit, float]]:
    """(unit, predicted effect) of the strongest neurons of each block, or of its active experts, strongest first."""
    found: list[tuple[Unit, float]] = []
    for unit in blocks:
        block = parts.trace.anatomy.blocks[unit.layer]
        if block.experts is not None:
            found += _experts(parts, gradient, unit, how)
        elif block.down_projection is not None:
            found += _neurons(parts, gradient, unit, how)
    yield from sorted(found, key=lambda pair: -abs(pair[1]))


def _neurons(parts: Parts, gradient: Gradient, unit: Unit, how: How) -> Iterator[tuple[Unit, float]]:
    position = unit.position or 0
    own, mean = parts.activations(unit.layer)
    factor = own[position] if how == "zero" or position == 0 or mean is None else own[position] - mean
    along = parts.trace.anatomy.blocks[unit.layer].w_out() @ gradient.at[Site(unit.layer, "post")][position].float()
    effects = factor * along
    strongest = effects.abs().topk(min(_OF_A_BLOCK, len(effects))).indices.tolist()
    for neuron in strongest:
        yield Unit("neuron", unit.layer, position, neuron=int(neuron)), float(effects[neuron])


def _experts(parts: Parts, gradient: Gradient, unit: Unit, how: How) -> Iterator[tuple[Unit, float]]:
    position = unit.position or 0
    block = parts.trace.anatomy.blocks[unit.layer]
    assert block.experts is not None
    active = routing(parts.trace, unit.layer, slice(position, position + 1)).active(0)
    for name in (*map(str, active), *shared_names(len(block.experts.shared))):
        one = Unit("expert", unit.layer, position, expert=name)
        yield one, effect_of(gradient, parts.of(one, how))
