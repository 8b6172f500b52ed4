"""The ink of a figure that shows effects: blue supports the target, rose opposes it."""

from __future__ import annotations

from collections.abc import Iterator

from ..analysis.result import Analysis
from ..causal.units import parse_units
from ..model.tokens import visible
from ..protocol.effects import UnitEffect, UnitKind
from ..protocol.nodes import Node
from ..routes.graph import Edge, RouteGraph
from .columns import REACH, TOKEN
from .drawing.typeface import clip
from .effects import EdgeEffects, measured_words, metric_words, output_words, unit_of
from .legend import Item
from .look import Colours
from .routes_place import Bar, Stroke

#: Sizes of what has no effect of its own, and of what has one that is not known.
_REST, _UNKNOWN = 0.03, 0.005
#: Factors of the opacity of a prediction, and of the bar of a token that heads rest on.
_PREDICTED, _RESTED = 0.45, 0.4
#: Edges that no route draws are shown from this fraction of the strongest edge on, as in the panel.
_NOTABLE = 0.1
_BAR = 0.85


class EffectInk:
    def __init__(self, analysis: Analysis, graph: RouteGraph, known: EdgeEffects, colours: Colours) -> None:
        self._analysis, self._graph, self._known, self._colours = analysis, graph, known, colours
        # kinds do not compare
        self._most: dict[UnitKind, float] = {}
        for unit in known.units.values():
            self._most[unit.kind] = max(self._most.get(unit.kind, 0.0), abs(_figure(unit) or 0.0))

    def stroke(self, edge: Edge) -> Stroke:
        # the lower edge of a block looks as the block does
        name = str(edge.target) if edge.target.kind == "M" else unit_of(edge)
        if name is None:
            return Stroke(_REST, self._colours.text)
        return self._stroke(self._known.units.get(name))

    def undrawn(self) -> Iterator[tuple[Edge, UnitEffect, Stroke]]:
        """Measured edges that no route draws, if they are notable, the strongest last."""
        least = _NOTABLE * max((abs(one.measured or 0.0) for one in self._known.measured_edges.values()), default=0.0)
        drawn = {unit_of(edge) for edge in self._graph.edges}
        found = [(name, unit) for name, unit in self._known.measured_edges.items() if name not in drawn]
        found = [one for one in found if abs(one[1].measured or 0.0) >= least]
        for name, unit in sorted(found, key=lambda one: abs(one[1].measured or 0.0)):
            stroke = self._stroke(unit)
            yield self._edge(name), unit, Stroke(stroke.size, stroke.colour, stroke.fade, (3, 2.2))

    def bars(self) -> list[Bar | None]:
        """The measured knock-out of each token; None where it is not known."""
        units = [self._known.units.get(str(Node("X", 0, i))) for i in range(len(self._analysis.tokens))]
        most = max((abs(unit.measured) for unit in units if unit and unit.measured is not None), default=0.0)
        return [
            None
            if unit is None or unit.measured is None
            else Bar(
                abs(unit.measured) / (most or 1.0),
                self._colour(unit.measured),
                signed(unit.measured, ".1f" if most >= 1 else ".2g"),
                _BAR if position else _BAR * _RESTED,
                f"{visible(self._analysis.tokens[position].text)}, token {position}: {effect_words(unit)} ({unit.how})"
                + ("" if position else "; heads rest on the first token"),
            )
            for position, unit in enumerate(units)
        ]

    def legend(self) -> list[Item]:
        found, colours = self._known.found, self._colours
        target = clip(output_words(found.metric.target), TOKEN, REACH)
        return [
            Item(f"— supports {target}", colours.supports),
            Item("— opposes", colours.opposes),
            Item("┄ drawn by no route", colours.text),
            Item("| residual", colours.text),
            Item("■ feed-forward", colours.text),
            Item(
                f"Effect on the {metric_words(found.metric)}: width and opacity; {measured_words(found)}; fainter: "
                "only predicted, by gradient. Bars: measured effects of tokens; the first is faint, for heads rest "
                "on it.",
                colours.dim,
            ),
        ]

    def _stroke(self, unit: UnitEffect | None) -> Stroke:
        figure = None if unit is None else _figure(unit)
        if unit is None or figure is None:
            return Stroke(_UNKNOWN, self._colours.text)
        size = abs(figure) / (self._most[unit.kind] or 1.0)
        return Stroke(size, self._colour(figure), _PREDICTED if unit.measured is None else 1.0)

    def _colour(self, figure: float) -> str:
        return self._colours.supports if figure >= 0 else self._colours.opposes

    def _edge(self, name: str) -> Edge:
        """An edge that is not in the graph, for its place."""
        (unit,) = parse_units(name)
        layer, query, key = unit.layer, unit.position or 0, unit.key or 0
        source = Node("I", layer - 1, key) if layer else Node("X", 0, key)
        target = Node("I" if self._analysis.contributions.parallel else "A", layer, query)
        return Edge(source, target, "attention", 0.0, 0.0)


def _figure(unit: UnitEffect) -> float | None:
    return unit.predicted if unit.measured is None else unit.measured


def signed(figure: float, form: str = ".2g") -> str:
    text = f"{figure:+{form}}".replace("-", "−")
    # what reads as zero has no sign
    return text if any(digit in text for digit in "123456789") else text[1:]


def effect_words(unit: UnitEffect) -> str:
    """`effect +2.7 (predicted +1.3)`; empty where nothing is known."""
    predicted = "" if unit.predicted is None else f"predicted {signed(unit.predicted)}"
    if unit.measured is None:
        return f"effect {predicted}" if predicted else ""
    return f"effect {signed(unit.measured)}" + (f" ({predicted})" if predicted else "")


def effect_data(unit: UnitEffect | None) -> tuple[tuple[str, str], ...]:
    """The data of an edge with this effect."""
    figures = {} if unit is None else {"effect": unit.measured, "predicted": unit.predicted}
    return tuple((name, repr(figure)) for name, figure in figures.items() if figure is not None)
