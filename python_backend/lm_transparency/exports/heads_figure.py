"""All heads as a drawing: layers up, heads across, ink is what each head carries."""

from __future__ import annotations

from collections.abc import Iterator

from ..ambient import guarded
from ..analysis.result import Analysis
from ..causal.units import parse_units
from ..model.tokens import visible
from ..protocol.effects import EffectsResult
from ..protocol.inspection import Ink
from ..routes.graph import RouteGraph
from .captions import caption_lines, put_caption
from .drawing.shapes import Drawing, Shape, Text, text
from .effects import metric_words
from .grid import by_root, cell, cell_colour, scale
from .legend import Item, legend_lines
from .look import Look
from .routes_effects import signed

_LEFT, _RIGHT, _TOP, _SMALL = 22.0, 5.0, 10.0, 6.0

Heads = dict[tuple[int, int], float]


@guarded
def heads_figure(
    analysis: Analysis, graph: RouteGraph, look: Look, *, ink: Ink = "flow", effects: EffectsResult | None = None
) -> Drawing:
    """By `ink`: the flow through each head, the sum of its contributions, or its effect where that is known of any."""
    of_heads = effects_of_heads(effects) if ink == "effect" and effects is not None else {}
    totals = of_heads or head_totals(graph, "local" if ink == "local" else "flow")
    what = {"flow": "flow through the head", "local": "sum of its contributions"}.get(ink, "flow through the head")
    if of_heads and effects is not None:
        what = f"effect of the head at all positions on the {metric_words(effects.metric)}"
    return _HeadsFigure(analysis, graph, look, totals, what, bool(of_heads)).drawing()


def head_totals(graph: RouteGraph, ink: Ink) -> Heads:
    """(layer, head) → the flow through its kept parts, or their sum."""
    totals: Heads = {}
    for edge in graph.edges:
        whole = sum(part for _, part in edge.heads) if graph.renormalize else edge.weight
        for head, part in edge.heads:
            at = edge.target.layer, head
            totals[at] = totals.get(at, 0.0) + (part if ink == "local" else edge.flow * part / (whole or 1.0))
    return totals


def effects_of_heads(found: EffectsResult) -> Heads:
    """(layer, head) → the effect at all positions: measured, else predicted."""
    totals: Heads = {}
    for unit in found.units:
        if unit.kind == "head_all" and "+" not in unit.unit:
            (named,) = parse_units(unit.unit)
            figure = unit.predicted if unit.measured is None else unit.measured
            if figure is not None and named.head is not None:
                totals[named.layer, named.head] = figure
    return totals


class _HeadsFigure:
    def __init__(
        self, analysis: Analysis, graph: RouteGraph, look: Look, totals: Heads, what: str, is_signed: bool
    ) -> None:
        self.analysis, self.graph, self.look, self.totals, self.what = analysis, graph, look, totals, what
        self.is_signed, self.colours = is_signed, look.colours
        anatomy = analysis.model.anatomy
        self.n_layers, self.n_heads = anatomy.n_layers, anatomy.n_heads
        self.has_heads = [block.has_attention for block in anatomy.blocks]
        self.width = look.width or min(700.0, max(300.0, _LEFT + 16 * self.n_heads + _RIGHT))
        self.wide = (self.width - _LEFT - _RIGHT) / self.n_heads
        # flat cells where there are few heads, so that the figure stays low
        self.high = min(self.wide, max(4.0, min(12.0, 340 / self.n_layers)))
        self.largest = max((abs(v) for v in totals.values()), default=0.0)

    def drawing(self) -> Drawing:
        title = f"Heads of {self.analysis.model.name} on the routes into {self._target()}"
        drawing = Drawing(self.width, 0, title, self.look.paper)
        drawing.add(*self._cells(), *self._axes())
        foot = _TOP + self.high * self.n_layers + 21
        drawing.add(*self._scale(foot))
        foot += 3
        items = [Item(self.what, self.colours.dim), *self._strongest()]
        for line in legend_lines(items, _SMALL, self.width - _LEFT - _RIGHT):
            foot += 8.5
            drawing.add(Text(_LEFT, foot, line, _SMALL))
        foot += 5
        if self.look.caption:
            said = [f"{title}.", f"Colour: {self.what}."]
            lines = caption_lines(self.analysis, said, self.width - _LEFT - _RIGHT)
            foot = put_caption(drawing, lines, _LEFT, foot, self.colours)
        drawing.height = foot
        return drawing

    def _target(self) -> str:
        at = self.graph.target
        return f"{visible(self.analysis.tokens[at].text)} (position {at})"

    def y(self, layer: int) -> float:
        return _TOP + (self.n_layers - 1 - layer) * self.high

    def _hue(self, value: float) -> str:
        if not self.is_signed:
            return self.colours.attention
        return self.colours.supports if value >= 0 else self.colours.opposes

    def _number(self, value: float) -> str:
        return signed(value) if self.is_signed else f"{value:.2g}"

    def _cells(self) -> Iterator[Shape]:
        for layer in range(self.n_layers):
            for head in range(self.n_heads if self.has_heads[layer] else 0):
                value = self.totals.get((layer, head), 0.0)
                colour = cell_colour(by_root(abs(value), self.largest), self._hue(value), self.colours)
                title = f"L{layer} H{head}: {self._number(value)}"
                yield cell(_LEFT + head * self.wide, self.y(layer), self.wide, self.high, colour, title)

    def _axes(self) -> Iterator[Shape]:
        dim = self.colours.dim
        step = next((step for step in (1, 2, 5, 10, 20, 50) if step * self.high >= 8), 100)
        for layer in range(self.n_layers):
            last = layer == self.n_layers - 1
            if last or (layer % step == 0 and (self.n_layers - 1 - layer) * self.high >= 7):
                yield text(_LEFT - 4, self.y(layer) + self.high / 2 + 2, str(layer), dim, _SMALL, "end")
        yield text(_LEFT - 4, _TOP - 3, "layer", dim, _SMALL, "end")
        foot = _TOP + self.high * self.n_layers + 7
        step = next((step for step in (1, 2, 4, 5, 8, 10, 16, 20) if step * self.wide >= 10), 32)
        for head in range(0, self.n_heads, step):
            yield text(_LEFT + (head + 0.5) * self.wide, foot, f"H{head}", dim, _SMALL, "middle")

    def _scale(self, y: float) -> Iterator[Shape]:
        colours = self.colours
        if self.largest == 0:
            return iter([text(_LEFT, y, "no head carries a kept part", colours.dim, _SMALL)])
        if self.is_signed:
            ends = [(self.largest, colours.supports), (-self.largest, colours.opposes)]
            steps = [(signed(value), cell_colour(1.0, hue, colours)) for value, hue in ends]
        else:
            parts = [
                (part, cell_colour(by_root(part, 1.0), colours.attention, colours)) for part in (0.01, 0.1, 0.5, 1)
            ]
            steps = [(f"{part * self.largest:.2g}", colour) for part, colour in parts]
        return scale(_LEFT, y, steps, "", colours, _SMALL)

    def _strongest(self) -> list[Item]:
        order = sorted(self.totals, key=lambda at: -abs(self.totals[at]))[:3]
        names = ", ".join(f"L{layer} H{head} {self._number(self.totals[layer, head])}" for layer, head in order)
        return [Item(f"strongest: {names}", self.colours.dim)] if names else []
