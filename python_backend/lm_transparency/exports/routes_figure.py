"""The graph of one target as a drawing, with the numbers of every edge in it.

Drawn like the panel: tokens across, layers up, ink is flow, local contribution or effect. Every edge is a path of the
name `edge` with its source, target, kind, weight and flow as data, and a title to hover; where its effect is known,
also `effect` (measured) and `predicted`. Measured edges that no route draws are called `undrawn`, in the ink of
effects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..ambient import guarded
from ..analysis.result import Analysis
from ..errors import TransparencyError
from ..model.tokens import visible
from ..protocol.effects import EffectsResult, UnitEffect
from ..protocol.inspection import Ink
from ..routes.graph import MIXER_WORDS, Edge, RouteGraph
from .captions import caption_lines, put_caption
from .drawing.shapes import Circle, Drawing, Path, Rect, Run, Shape, Text, text
from .drawing.typeface import width
from .effects import EdgeEffects, measured_words, metric_words
from .legend import Item, legend_lines
from .look import Look
from .routes_effects import EffectInk, effect_data, effect_words
from .routes_place import LEFT, LINE, MASS, RIGHT, SMALL, Bar, Place, Stroke, path_of

_FIGURE = 5.5


@guarded
def routes_figure(
    analysis: Analysis,
    graph: RouteGraph,
    look: Look | None = None,
    *,
    ink: Ink = "flow",
    effects: EffectsResult | None = None,
) -> Drawing:
    """The figure. `effects`: of the graph's target (`inspection.known_effects`).

    Raises `TransparencyError("invalidParams")` for the ink of effects where there are none.
    """
    look = look or Look()
    known = None if effects is None else EdgeEffects(effects)
    if ink == "effect" and known is None:
        raise TransparencyError(
            "invalidParams",
            "There are no effects to draw.",
            "Choose the ink flow or local, or measure effects first.",
        )
    return _RoutesFigure(analysis, graph, look, ink, known).drawing()


def carried_by(analysis: Analysis, graph: RouteGraph, ink: EffectInk | None) -> list[float]:
    """[position] The most that an edge carries into or out of each position; 0: nothing is drawn there."""
    carried = [0.0] * len(analysis.tokens)
    carried[graph.target] = 2.0
    for edge in graph.edges:
        if edge.kind in ("attention", "mixer"):
            size = max(1e-9, edge.flow if ink is None else ink.stroke(edge).size)
            for node in (edge.source, edge.target):
                carried[node.position] = max(carried[node.position], size)
    for edge, _, stroke in () if ink is None else ink.undrawn():
        for node in (edge.source, edge.target):
            carried[node.position] = max(carried[node.position], stroke.size)
    return carried


class _RoutesFigure:
    def __init__(self, analysis: Analysis, graph: RouteGraph, look: Look, ink: Ink, known: EdgeEffects | None) -> None:
        self.analysis, self.graph, self.look, self.ink, self.known = analysis, graph, look, ink, known
        self.colours = look.colours
        self.effects = EffectInk(analysis, graph, known, self.colours) if ink == "effect" and known else None
        self.place = Place(analysis, graph, look, carried_by(analysis, graph, self.effects))
        self.strokes = self._strokes()

    def drawing(self) -> Drawing:
        place, colours = self.place, self.colours
        about = "" if self.known is None else _about(self.known.found)
        drawing = Drawing(place.width, 0, _title(self.analysis, self.graph), self.look.paper, about)
        for shapes in (self._frame(), self._edges(), self._undrawn(), self._nodes(), self._blocks(), self._heads()):
            drawing.add(*shapes)
        bars = self._masses() if self.effects is None else self.effects.bars()
        drawing.add(*self._tokens(bars))
        foot = place.foot + self._token_height + 3 + (MASS + 7 if any(bars) else 0) + 6
        for line in self._legend():
            foot += LINE
            drawing.add(Text(LEFT, foot, line, SMALL))
        foot += 5
        if self.look.caption:
            words = caption_lines(self.analysis, self._caption(), place.width - LEFT - RIGHT)
            foot = put_caption(drawing, words, LEFT, foot, colours)
        drawing.height = foot
        return drawing

    @property
    def _token_height(self) -> float:
        return self.place.columns.reach + (6 if self.place.columns.turned else 5)

    def _frame(self) -> Iterator[Shape]:
        place, colours = self.place, self.colours
        right = place.columns.right
        height = place.row * (place.n_layers + 0.5)
        for layer in range(0, place.n_layers, 2):
            yield Rect(LEFT, place.y(layer + 0.5), right - LEFT, place.row, colours.text, 0.03)
        band = min(place.dx - 1, 30)
        yield Rect(place.x(place.target) - band / 2, place.top, band, height, colours.attention, 0.1)
        for fold in place.columns.folds:
            yield Rect(fold.left + 1, place.top, fold.width - 2, height, colours.text, 0.07)
        step = next((step for step in (1, 2, 5, 10, 20, 50) if step * place.row >= 8), 100)
        for layer in range(place.n_layers):
            last = layer == place.n_layers - 1
            near = (place.n_layers - 1 - layer) * place.row < 7
            if last or (layer % step == 0 and not near):
                yield text(LEFT - 5, place.y(layer) + 2.1, str(layer), colours.dim, SMALL, "end")
        yield text(LEFT - 5, place.top - 3, "layer", colours.dim, SMALL, "end")

    def _strokes(self) -> dict[Edge, Stroke]:
        if self.effects is not None:
            return {edge: self.effects.stroke(edge) for edge in self.graph.edges}
        colours = self.colours
        inks = {"attention": colours.attention, "ffn": colours.ffn, "mixer": colours.mixer}
        return {
            edge: Stroke(
                edge.flow if self.ink == "flow" else edge.weight,
                inks.get(edge.kind, colours.text),
                dashes=(2.2, 1.5) if edge.kind == "mixer" else (),
            )
            for edge in self.graph.edges
        }

    def _edges(self) -> Iterator[Shape]:
        # faint edges first, so that strong ones are on top
        for edge in sorted(self.graph.edges, key=lambda e: self.strokes[e].size):
            if not self.place.is_drawn(edge):
                continue
            unit = None if self.known is None else self.known.of(edge)
            numbers = (("weight", repr(edge.weight)), ("flow", repr(edge.flow)), *effect_data(unit))
            yield self._curve("edge", edge, numbers, self.strokes[edge], self._words(edge, unit))

    def _undrawn(self) -> Iterator[Shape]:
        for edge, unit, stroke in () if self.effects is None else self.effects.undrawn():
            if self.place.is_drawn(edge):
                words = f"attention {self._ends(edge)}: {effect_words(unit)}, drawn by no route"
                yield self._curve("undrawn", edge, effect_data(unit), stroke, words)

    def _curve(self, name: str, edge: Edge, numbers: Sequence[tuple[str, str]], stroke: Stroke, words: str) -> Path:
        data = (("source", str(edge.source)), ("target", str(edge.target)), ("kind", edge.kind), *numbers)
        steps = path_of(edge, self.place)
        return Path(steps, stroke.colour, stroke.width(edge), stroke.opacity, stroke.dashes, name, data, words)

    def _nodes(self) -> Iterator[Shape]:
        for node in sorted({e.source for e in self.graph.edges} | {e.target for e in self.graph.edges}):
            if node.kind in ("X", "I") and not self.place.columns.at(node.position).folded:
                x, y = self.place.at(node)
                yield Circle(x, y, min(1.0, 0.09 * self.place.row + 0.25), self.colours.text, 0.6)

    def _blocks(self) -> Iterator[Shape]:
        scale = min(1.0, self.place.row / 9, self.place.dx / 14)
        for edge in self.graph.edges:
            if edge.source.kind == "M" and self.place.is_drawn(edge):
                x, y = self.place.at(edge.source)
                stroke = self.strokes[edge]
                side = (1.4 + 5 * stroke.strength) * scale
                yield Rect(x - side / 2, y - side / 2, side, side, stroke.colour, stroke.opacity)

    def _heads(self) -> Iterator[Shape]:
        """What is predicted at each column; in narrow columns only at the target."""
        place, colours = self.place, self.colours
        columns = place.columns
        widest = max(width(place.predicted[column.first][0], columns.size) for column in columns.shown)
        for column in columns.shown:
            predicted, figure = place.predicted[column.first]
            target = column.first == place.target
            if not target and (columns.turned or widest > place.dx - 1):
                continue
            chip = max(place.dx - 3, width(predicted, 7) + 6, width(figure, _FIGURE) + 6)
            x = column.middle
            if target:
                x = min(max(x, LEFT + chip / 2), place.width - chip / 2 - 1)
                yield Rect(x - chip / 2, 3, chip, 21, colours.warm, radius=2)
            colour = colours.background if target else colours.dim
            yield text(x, 12, predicted, colour, 7 if target else columns.size, "middle")
            yield text(x, 20.5, figure, colour, _FIGURE, "middle")

    def _masses(self) -> list[Bar | None]:
        """The flow that arrives at each token."""
        masses = self.graph.token_mass
        most = max(masses) or 1.0
        return [Bar(m / most, self.colours.warm, f"{m:.2f}".lstrip("0")) if m > 0.004 else None for m in masses]

    def _tokens(self, bars: list[Bar | None]) -> Iterator[Shape]:
        columns = self.place.columns
        top = self.place.foot
        for column in columns.columns:
            if column.folded:
                # under tokens of one line there is room for the number only
                label = column.label if columns.turned else column.label.split(" ")[0]
                foot = top + self._token_height - 2
                yield text(column.middle + 2, foot, label, self.colours.dim, _FIGURE, turned=True)
                continue
            yield from self._chip(column.first, column.middle, top)
            bar = bars[column.first]
            if bar is not None:
                yield from self._bar(bar, column.middle, top + self._token_height + 3)

    def _chip(self, position: int, x: float, top: float) -> Iterator[Shape]:
        place, colours, columns = self.place, self.colours, self.place.columns
        template, is_target = place.templates[position], position == place.target
        wide = place.dx - (1.2 if columns.turned else 2.5)
        border = colours.attention if is_target else colours.dim if template else None
        yield Rect(
            *(x - wide / 2, top, wide, self._token_height),
            # text that the chat template added is not the user's
            fill=None if template else colours.chip,
            stroke=border,
            stroke_opacity=1.0 if is_target else 0.5,
            dashes=(1.5, 1.5) if template and not is_target else (),
            radius=1.5,
        )
        colour = colours.dim if template else colours.text
        label, size = columns.labels[position], columns.size
        if columns.turned:
            yield text(x + 0.36 * size, top + self._token_height - 3, label, colour, size, turned=True, name="token")
        else:
            yield text(x, top + 0.5 * self._token_height + 0.36 * size, label, colour, size, "middle", name="token")

    def _bar(self, bar: Bar, x: float, top: float) -> Iterator[Shape]:
        height = max(0.8, MASS * bar.size)
        wide = min(13.0, self.place.dx - 2.5)
        yield Rect(x - wide / 2, top, wide, height, bar.colour, bar.opacity, title=bar.words)
        if width(bar.label, _FIGURE) <= self.place.dx:
            yield text(x, top + height + 6, bar.label, self.colours.dim, _FIGURE, "middle")

    def _legend(self) -> list[tuple[Run, ...]]:
        colours = self.colours
        items: list[Item]
        if self.effects is not None:
            items = self.effects.legend()
        else:
            what = "flow into the target" if self.ink == "flow" else "local contribution"
            items = [
                Item("— attention", colours.attention),
                Item("| residual", colours.text),
                Item("■ feed-forward", colours.ffn),
                Item(f"width and opacity: {what}", colours.dim),
                Item("bars: flow from each token", colours.dim),
            ]
        if any(edge.kind == "mixer" for edge in self.graph.edges):
            items.append(Item(f"┄ {MIXER_WORDS}", colours.mixer))
        items += self._fold_items()
        if not self.look.caption:
            items.append(
                Item(
                    f"{self.analysis.model.name} · threshold {self.graph.threshold:.4g} · {self.graph.n_token_edges} "
                    f"edges between tokens · adds up ✓ {self.analysis.proof.max_relative_error:.0e}",
                    colours.dim,
                )
            )
        return legend_lines(items, SMALL, self.place.width - LEFT - RIGHT)

    def _fold_items(self) -> list[Item]:
        folds = self.place.columns.folds
        if not folds:
            return []
        n = sum(fold.last - fold.first + 1 for fold in folds)
        mass = sum(sum(self.graph.token_mass[fold.first : fold.last + 1]) for fold in folds)
        carries = "no route" if mass == 0 else f"{mass:.2g} of the flow together"
        return [Item(f"▒ folded: {n} tokens that carry {carries}", self.colours.dim)]

    def _caption(self) -> list[str]:
        graph = self.graph
        ink = {"flow": "flow into the target", "local": "local contribution", "effect": ""}[self.ink]
        predicted, figure = self.place.predicted[graph.target]
        said = [
            f"{_title(self.analysis, graph)}: {predicted} {figure}.",
            f"{graph.n_token_edges} attention edges between tokens with a contribution above {graph.threshold:.3g}.",
        ]
        if self.effects is not None and self.known is not None:
            said.append(f"{_about(self.known.found)}.")
        return [*said, f"Ink: {ink}."] if ink else said

    def _words(self, edge: Edge, unit: UnitEffect | None) -> str:
        heads = "".join(f", head {head} {weight:.2g}" for head, weight in edge.heads[:4])
        effect = "" if unit is None else effect_words(unit)
        kind = MIXER_WORDS if edge.kind == "mixer" else edge.kind
        figures = f"{edge.weight:.2g}, flow {edge.flow:.2g}{f', {effect}' if effect else ''}{heads}"
        return f"{kind} {self._ends(edge)}: {figures}"

    def _ends(self, edge: Edge) -> str:
        texts = (visible(self.analysis.tokens[node.position].text) for node in (edge.source, edge.target))
        return f"{' → '.join(texts)}, {edge.source} → {edge.target}"


def _about(found: EffectsResult) -> str:
    return f"Effects on the {metric_words(found.metric)}; {measured_words(found)}"


def _title(analysis: Analysis, graph: RouteGraph) -> str:
    words = visible(analysis.tokens[graph.target].text)
    what = {"token": "", "value": " to the value"}.get(
        analysis.trace.anatomy.readout.task, f" to label {analysis.predictions(1).texts[graph.target][0]}"
    )
    return f"Information-flow routes into {words} (position {graph.target}){what}, {analysis.model.name}"
