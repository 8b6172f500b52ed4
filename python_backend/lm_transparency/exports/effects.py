"""Effects in a file: as JSON, in words, and looked up by the edges of a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any

from ..causal.removal import KNOCKED_OUT
from ..causal.units import edge as edge_unit
from ..model.tokens import visible
from ..protocol.effects import EffectsResult, MetricValue, Output, UnitEffect, UnitKind
from ..routes.graph import Edge

#: Kinds of units as a picture's legend names them, in its order.
_DRAWN: dict[UnitKind, str] = {"edge": "edges", "ffn": "blocks", "token": "tokens"}

#: What was done to units, by `UnitEffect.how`.
_DONE = {"mean": "set to the mean", KNOCKED_OUT: "not read by later ones"}


def effects_document(found: EffectsResult) -> dict[str, Any]:
    """As documented in docs/effects.md#json, but for the format: the file that holds it has one, and the position."""
    value = asdict(found)
    del value["position"]
    value |= {key: list(value[key]) for key in ("units", "notices")}
    if not found.timing.forward_s:
        # times that nobody took
        del value["timing"]
    # only what is worth a word
    for key, usual in (("notices", []), ("complete", True)):
        if value[key] == usual:
            del value[key]
    return value


class EdgeEffects:
    """The effects of single units, by their names and by the edges of a graph."""

    def __init__(self, found: EffectsResult) -> None:
        self.found = found
        self.units: dict[str, UnitEffect] = {}
        for unit in filter(is_single, found.units):
            self.units.setdefault(unit.unit, unit)

    def of(self, edge: Edge) -> UnitEffect | None:
        """The effect of what an edge adds at its upper end; None where it is not known.

        The residual stream and a block's lower edge add nothing.
        """
        return self.units.get(unit_of(edge) or "")

    @cached_property
    def measured_edges(self) -> Mapping[str, UnitEffect]:
        """Attention edges, by their names."""
        return {name: one for name, one in self.units.items() if one.kind == "edge" and one.measured is not None}


def is_single(unit: UnitEffect) -> bool:
    """Whether it is one unit: several removed at once have no place of their own in a picture or a table."""
    return "+" not in unit.unit


def unit_of(edge: Edge) -> str | None:
    """The name of the unit whose removal takes an edge away; None for the residual stream and a block's lower edge."""
    if edge.kind == "attention":
        return str(edge_unit(edge.target.layer, edge.target.position, edge.source.position))
    return str(edge.source) if edge.source.kind in ("M", "B") else None


def metric_words(metric: MetricValue) -> str:
    """`logit difference ·Mary − ·John = 4.92`."""
    what = "logit" if metric.kind == "logit" else "log-probability"
    if metric.contrast is None:
        return f"{what} of {output_words(metric.target)} = {metric.value:.3g}"
    names = f"{output_words(metric.target)} − {output_words(metric.contrast)}"
    return f"{what} difference {names} = {metric.value:.3g}"


def output_words(output: Output) -> str:
    return visible(output.text)


def measured_words(found: EffectsResult) -> str:
    """How many units of the kinds that are drawn were measured, and how: what each was set to."""
    parts: list[str] = []
    for kind, name in _DRAWN.items():
        units = [unit for unit in found.units if unit.kind == kind and is_single(unit) and unit.measured is not None]
        if units:
            ((how, _),) = Counter(unit.how for unit in units).most_common(1)
            parts.append(f"{len(units)} {name if len(units) > 1 else name[:-1]} {_DONE.get(how, f'set to {how}')}")
    return f"measured: {', '.join(parts)}" if parts else "nothing measured"
