"""The tokens that many units raise most: heads of an edge, heads at a position, neurons, experts, edges and blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ..analysis.result import Analysis
from ..causal.checking import checked
from ..causal.parts import Parts
from ..causal.units import Unit, parse_units
from ..errors import TransparencyError
from ..lens.maps import LOGIT, LensMaps
from ..lens.projection import Lens
from ..protocol.inspection import PromotedBy, PromotedResult
from ..routes import experts, heads, neurons
from ..routes.expert_states import shared_names
from ..wording import quoted
from .asking import question
from .tokens import lens_of, update_scores

#: Units of one question.
_MOST = 256


@question
def inspect_promoted(
    analysis: Analysis, units: Sequence[str], *, top_k: int = 3, normalize: bool = True, lens: LensMaps = LOGIT
) -> PromotedResult:
    """The `top_k` tokens that each unit raises most, by W_U · N(what it adds); no tokens where it adds nothing.

    Raises `TransparencyError`: `invalidParams` for what is no unit of this run, for a head without a position, for
    several units at once and for more than 256; `invalidPosition`.
    """
    if len(units) > _MOST:
        raise TransparencyError("invalidParams", f"{len(units):,} units are asked about.", f"Name up to {_MOST}.")
    written = _Written(analysis)
    alone = [_alone(analysis, name) for name in units]
    vectors = [lens.read_update(written.by(unit), unit.layer) for unit in alone]
    added = [i for i, vector in enumerate(vectors) if bool(vector.any())]
    logits = lens_of(analysis, [vectors[i] for i in added], normalize) if added else []
    raised = {i: update_scores(analysis, Lens.top(one, top_k)) for i, one in zip(added, logits, strict=True)}
    return PromotedResult(tuple(PromotedBy(name, raised.get(i, ())) for i, name in enumerate(units)), lens.name)


def _alone(analysis: Analysis, name: str) -> Unit:
    """One unit at one position."""
    unit, *others = parse_units(name)
    if others or unit.position is None:
        raise TransparencyError(
            "invalidParams",
            f"{quoted(name)} is not one unit at one position.",
            "Name a head with its position, 23.0@13, and each unit by itself.",
        )
    return checked(analysis.trace, unit, analysis.trace.n_tokens - 1)


class _Written:
    """What units add to the residual stream. What the neurons of a block have in common is computed once."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        self._parts = Parts(analysis.trace)
        self._layer = -1
        self._of_layer: tuple[Float[Tensor, "position neuron"], Float[Tensor, "neuron d_model"]] | None = None
        self._expert: tuple[tuple[int, int, str], experts.ExpertNeurons | None] | None = None

    def by(self, unit: Unit) -> Float[Tensor, "d_model"]:
        trace, layer = self._analysis.trace, unit.layer
        assert unit.position is not None
        match unit.kind:
            case "edge_head":
                assert unit.head is not None and unit.key is not None
                return heads.head_part(trace, layer, unit.head, unit.position, unit.key)
            case "head":
                assert unit.head is not None
                return heads.head_output(trace, layer, unit.head, unit.position)
            case "neuron":
                return self._neuron(unit, unit.position, unit.neuron or 0)
            case _:
                return self._parts.of(unit, "zero").vectors[0]

    def _neuron(self, unit: Unit, position: int, neuron: int) -> Float[Tensor, "d_model"]:
        trace = self._analysis.trace
        if unit.expert is not None:
            found = self._neurons_of(unit.layer, position, unit.expert)
            if found is None:
                return torch.zeros(trace.anatomy.d_model)
            return float(found.activation[position, neuron]) * torch.as_tensor(found.vectors[neuron])
        if self._of_layer is None or self._layer != unit.layer:
            self._layer = unit.layer
            everywhere = neurons.activations(trace, unit.layer)
            self._of_layer = everywhere, trace.anatomy.blocks[unit.layer].w_out()
        activation, w_out = self._of_layer
        return float(activation[position, neuron]) * w_out[neuron]

    def _neurons_of(self, layer: int, position: int, expert: str) -> experts.ExpertNeurons | None:
        """Those of an expert; None where it is not active."""
        key = (layer, position, expert)
        if self._expert is None or self._expert[0] != key:
            trace = self._analysis.trace
            parts = experts.expert_parts(trace, layer, position)
            names = [*map(str, parts.experts), *shared_names(len(parts.parts) - len(parts.experts))]
            found = None
            if expert in names:
                contributions, part = self._analysis.contributions, names.index(expert)
                found = experts.expert_neurons(trace, contributions, layer, position, part, parts)
            self._expert = key, found
        return self._expert[1]
