"""A mixture of experts: the experts of a block at one position, one expert, and one of its neurons."""

from __future__ import annotations

import numpy as np

from ..analysis.result import Analysis
from ..errors import TransparencyError, out_of_range
from ..lens.maps import LOGIT, LensMaps
from ..protocol.ffn import ExpertResult, ExpertShare, FfnExpertsResult, NeuronResult, NeuronShare, RouterScore
from ..protocol.inspection import Update
from ..routes import experts
from ..routes.expert_states import SHARED, expert_named, shared_names
from ..routes.experts import ExpertNeurons, ExpertParts
from .asking import question
from .tokens import lens_of, place_of, update_tokens

#: The number of experts to list that were not chosen, closest to being chosen first.
_RUNNERS_UP = 5
#: Earlier positions that reveal how the router scores, where it chooses only one expert.
_NEARBY = 8


@question
def inspect_experts(
    analysis: Analysis,
    layer: int,
    position: int,
    *,
    top_k: int = 5,
    normalize: bool = True,
    lens: LensMaps = LOGIT,
) -> FfnExpertsResult:
    """The experts that are active in the feed-forward block of `layer` at `position`.

    Raises `TransparencyError` for an index out of range and for a layer without experts.
    """
    position, _ = place_of(analysis, layer, position)
    trace = analysis.trace
    parts = experts.expert_parts(trace, layer, position)
    shares = experts.expert_shares(trace, analysis.contributions, layer, position, parts)
    # the way the router scores only shows across several positions
    first = max(0, position - _NEARBY)
    routing = experts.routing(trace, layer, slice(first, position + 1))
    written = lens_of(analysis, [lens.read_update(part, layer) for part in parts.parts], normalize)
    found = [
        ExpertShare(
            name, parts.gates[i], float(shares.contribution[i]), update_tokens(analysis, written[i], top_k).promoted
        )
        for i, name in enumerate(_names(parts))
    ]
    return FfnExpertsResult(
        layer=layer,
        position=position,
        n_experts=experts.experts_of(trace, layer).n_experts,
        scoring=routing.scoring,
        block_contribution=float(analysis.contributions.ffn[layer, position]),
        experts_total=float(shares.contribution.sum()),
        residual=shares.residual,
        bias=shares.bias,
        error=parts.error,
        tolerance=parts.tolerance,
        notice=_notice(parts),
        experts=tuple(sorted(found, key=lambda share: -share.contribution)),
        router=_router(routing, position - first),
        lens=lens.name,
    )


@question
def inspect_expert(
    analysis: Analysis,
    layer: int,
    expert: int | str,
    position: int,
    *,
    top_k: int = 15,
    neurons_k: int = 20,
    normalize: bool = True,
    lens: LensMaps = LOGIT,
) -> ExpertResult:
    """One expert, by number or "shared", of the feed-forward block of `layer` at `position`.

    Raises `TransparencyError` for an index out of range and for a layer without experts.
    """
    position, _ = place_of(analysis, layer, position)
    name = expert_named(analysis.trace, layer, expert)
    parts = experts.expert_parts(analysis.trace, layer, position)
    names = _names(parts)
    at = names.index(name) if name in names else None
    gates = _gates(analysis, layer, name, parts)
    if at is None:
        return ExpertResult(
            layer, position, name, 0.0, 0.0, Update((), ()), gates, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, None, (), lens.name
        )
    shares = experts.expert_shares(analysis.trace, analysis.contributions, layer, position, parts)
    (logits,) = lens_of(analysis, [lens.read_update(parts.parts[at], layer)], normalize)
    update = update_tokens(analysis, logits, top_k)
    notice = _notice(parts)
    try:
        neurons = experts.expert_neurons(analysis.trace, analysis.contributions, layer, position, at, parts)
    except TransparencyError as closed:
        neurons, notice = None, notice or str(closed)
    if neurons is not None and neurons.error > parts.tolerance:
        notice = notice or (
            f"The neurons do not sum to what the expert wrote: they are off by {neurons.error:.1e} of its norm "
            f"(tolerance {parts.tolerance:.0e}). They cannot be trusted."
        )
    none = np.zeros(0, np.float32)
    near = none if neurons is None else neurons.contribution
    return ExpertResult(
        layer=layer,
        position=position,
        expert=name,
        gate=parts.gates[at],
        contribution=float(shares.contribution[at]),
        update=update,
        gates=gates,
        n_neurons=len(near),
        n_contributing=int((near > 0).sum()),
        neurons_total=float(near.sum()),
        others=0.0 if neurons is None else neurons.others,
        residual=shares.residual if neurons is None else neurons.residual,
        bias=shares.bias if neurons is None else neurons.bias,
        error=parts.error if neurons is None else neurons.error,
        notice=notice,
        neurons=() if neurons is None else _strongest(neurons, position, neurons_k),
        lens=lens.name,
    )


@question
def inspect_expert_neuron(
    analysis: Analysis,
    layer: int,
    expert: int | str,
    neuron: int,
    position: int,
    *,
    top_k: int = 15,
    normalize: bool = True,
    lens: LensMaps = LOGIT,
) -> NeuronResult:
    """One neuron of one expert at `position`; the expert's gate scales its update. Its activation is 0 where the expert
    is not active.

    Raises `TransparencyError` for an index out of range, an inactive expert and an expert whose neurons cannot be
    separated.
    """
    position, _ = place_of(analysis, layer, position)
    name = expert_named(analysis.trace, layer, expert)
    parts = experts.expert_parts(analysis.trace, layer, position)
    names = _names(parts)
    if name not in names:
        raise TransparencyError(
            "invalidParams",
            f"Expert {name} of layer {layer} is not active at position {position}.",
            f"Active there: {', '.join(names)}.",
        )
    part = names.index(name)
    found = experts.expert_neurons(analysis.trace, analysis.contributions, layer, position, part, parts)
    if not 0 <= neuron < len(found.contribution):
        raise out_of_range("neuron", neuron, len(found.contribution))
    activation = found.activation[:, neuron]
    share = NeuronShare(neuron, float(activation[position]), float(found.contribution[neuron]))
    vector = lens.read_update(share.activation * found.vectors[neuron], layer)
    (logits,) = lens_of(analysis, [vector], normalize)
    update = update_tokens(analysis, logits, top_k)
    return NeuronResult(layer, position, share, update, tuple(activation.tolist()), expert=name, lens=lens.name)


def _names(parts: ExpertParts) -> list[str]:
    return [*map(str, parts.experts), *shared_names(len(parts.parts) - len(parts.experts))]


def _gates(analysis: Analysis, layer: int, name: str, parts: ExpertParts) -> tuple[float, ...]:
    if name.isdecimal():
        gates = experts.routing(analysis.trace, layer).gates_of(int(name))
    else:
        number = int(name.removeprefix(SHARED) or 1) - 1
        gates = experts.shared_gates(analysis.trace, layer, number, parts.tolerance)
    return tuple(gates.tolist())


def _router(routing: experts.Routing, position: int) -> tuple[RouterScore, ...]:
    active = routing.active(position)
    if routing.logits is None:
        return tuple(RouterScore(e, None, None, float(routing.gates_of(e)[position])) for e in active)
    logits, probabilities = routing.logits[position], routing.probabilities()
    nearest = [int(e) for e in np.argsort(-logits, kind="stable") if int(e) not in active]
    return tuple(
        RouterScore(
            expert=e,
            logit=float(logits[e]),
            probability=None if probabilities is None else float(probabilities[position, e]),
            gate=float(routing.gates_of(e)[position]),
        )
        for e in (*active, *nearest[:_RUNNERS_UP])
    )


def _strongest(found: ExpertNeurons, position: int, k: int) -> tuple[NeuronShare, ...]:
    activation = found.activation[position]
    order = np.lexsort((-np.abs(activation), -found.contribution))[:k]
    return tuple(NeuronShare(int(n), float(activation[n]), float(found.contribution[n])) for n in order)


def _notice(parts: ExpertParts) -> str | None:
    if parts.holds:
        return None
    return (
        f"The experts do not sum to what the block wrote: they are off by {parts.error:.1e} of its norm (tolerance "
        f"{parts.tolerance:.0e}). Their shares cannot be trusted; the block as one part can."
    )
