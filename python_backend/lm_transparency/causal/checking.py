"""Units checked against a run: negative positions counted from the start, and clear refusals of what is not there."""

from __future__ import annotations

from dataclasses import replace

from ..errors import TransparencyError, out_of_range
from ..model.linear import sizes
from ..routes.expert_states import expert_named, n_neurons
from ..trace.trace import Trace, check_heads, position_of
from .units import Unit


def checked(trace: Trace, unit: Unit, last: int) -> Unit:
    """`unit` with positions from the start. `last`: the position that m is read at.

    Raises `TransparencyError`: `invalidPosition`, and `invalidParams` for a layer, head, neuron or expert that the
    model does not have, or a position that m does not depend on.
    """
    for name in ("position", "key"):
        given = getattr(unit, name)
        if given is not None:
            unit = replace(unit, **{name: position_of(given, trace.n_tokens)})
    if unit.kind != "token":
        _within("layer", unit.layer, trace.n_layers)
    if unit.position is not None and unit.position > last:
        raise TransparencyError(
            "invalidParams",
            f"{unit} is after position {last}, so the prediction there does not depend on it.",
            f"Choose a position up to {last}, or another --position.",
        )
    if unit.kind in ("edge", "edge_head", "head", "head_all", "bias"):
        _check_attention(trace, unit)
    if unit.kind in ("ffn", "neuron", "expert"):
        return _checked_ffn(trace, unit)
    return unit


def _check_attention(trace: Trace, unit: Unit) -> None:
    check_heads(trace, unit.layer)
    if unit.head is not None:
        _within("head", unit.head, trace.n_heads)
    if unit.key is not None and unit.position is not None and unit.key > unit.position:
        raise TransparencyError(
            "invalidParams", f"In {unit} the key is after the query.", "Name the earlier token first."
        )


def _checked_ffn(trace: Trace, unit: Unit) -> Unit:
    block = trace.anatomy.blocks[unit.layer]
    if not block.has_ffn:
        raise TransparencyError(
            "invalidParams", f"Layer {unit.layer} has no feed-forward block.", "Choose another layer."
        )
    if unit.expert is None:
        if unit.neuron is not None:
            _within("neuron", unit.neuron, sizes(block.neurons())[0])
        return unit
    # 5 and 05 are one expert
    expert = expert_named(trace, unit.layer, unit.expert)
    if unit.neuron is not None:
        _within("neuron", unit.neuron, n_neurons(trace, unit.layer, expert))
    return replace(unit, expert=expert)


def _within(what: str, index: int, count: int) -> None:
    if not 0 <= index < count:
        raise out_of_range(what, index, count)
