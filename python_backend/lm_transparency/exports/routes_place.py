"""The layout of the graph in a figure: where every node and edge is, and how an edge is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..analysis.result import Analysis
from ..protocol.nodes import Node
from ..routes.graph import Edge, RouteGraph
from .columns import REACH, TOKEN, Columns, token_labels
from .drawing.shapes import Step
from .drawing.typeface import clip
from .look import Look

#: Points.
LEFT, RIGHT, SMALL, LINE = 20.0, 5.0, 6.0, 8.5
MASS = 20.0
_PREDICTED = 26.0
_ROWS = (3.6, 15.0)


@dataclass(frozen=True)
class Stroke:
    """How an edge is drawn. `size`: 0 to 1; width and opacity grow with its root. `fade`: a factor of the opacity."""

    size: float
    colour: str
    fade: float = 1.0
    dashes: tuple[float, ...] = ()

    @property
    def strength(self) -> float:
        return math.sqrt(min(1.0, max(0.0, self.size)))

    @property
    def opacity(self) -> float:
        return (0.16 + 0.84 * min(1.0, 1.8 * self.strength)) * self.fade

    def width(self, edge: Edge) -> float:
        """Points."""
        return 0.45 + 3 * self.strength if edge.kind == "attention" else 0.5 + 0.75 * self.strength


@dataclass(frozen=True)
class Bar:
    """A bar under a token. `size`: its part of the longest one. `words`: shown when the pointer rests on it."""

    size: float
    colour: str
    label: str
    opacity: float = 0.85
    words: str = ""


class Place:
    """Columns for tokens, rows of one height for layers. `carried` [position]: as of `Columns`."""

    def __init__(self, analysis: Analysis, graph: RouteGraph, look: Look, carried: list[float]) -> None:
        self.n_layers = analysis.contributions.n_layers
        self.target = graph.target
        self.templates = [token.template for token in analysis.tokens]
        predicted = analysis.predictions(1)
        readout = analysis.trace.anatomy.readout
        rows = zip(predicted.texts, predicted.probabilities.tolist(), predicted.logits.tolist(), strict=True)
        self.predicted = [
            (clip(readout.shown(texts[0]), TOKEN, REACH), readout.figure(p[0], logit[0], 0).replace(" ", ""))
            for texts, p, logit in rows
        ]
        room = None if look.width is None else look.width - LEFT - RIGHT
        labels = token_labels(analysis)
        also = [text for text, _ in self.predicted] if room is None else ()
        self.columns = Columns(labels, carried, left=LEFT, room=room, kept=look.kept, also=also)
        # the legend needs its room, also under a few tokens
        self.width = look.width or max(300.0, self.columns.right + RIGHT)
        self.row = self._row()
        self.top = _PREDICTED + 4
        self.foot = self.top + self.row * (self.n_layers + 0.75)

    def _row(self) -> float:
        wanted = 0.35 * min(self.width, 560.0) + 90
        least, most = _ROWS
        return min(most, max(least, wanted / (self.n_layers + 1)))

    @property
    def dx(self) -> float:
        return self.columns.dx

    def x(self, position: int) -> float:
        return self.columns.x(position)

    def y(self, level: float) -> float:
        return self.top + (self.n_layers - 1 - level) * self.row + self.row / 2

    def level(self, node: Node) -> float:
        """The height of a node in layers, as in the panel."""
        return {"X": -1.0, "I": node.layer, "M": node.layer - 0.25}.get(node.kind, node.layer - 0.5)

    def at(self, node: Node) -> tuple[float, float]:
        reach = min(8.0, self.dx * 0.24) if node.kind == "M" else -min(6.5, self.dx * 0.2) if node.kind == "B" else 0.0
        return self.x(node.position) + reach, self.y(self.level(node))

    def is_drawn(self, edge: Edge) -> bool:
        """Not within a fold, which shows no node."""
        first, second = (self.columns.at(node.position) for node in (edge.source, edge.target))
        return not (first.folded and first is second)


def path_of(edge: Edge, place: Place) -> tuple[Step, ...]:
    (x1, y1), (x2, y2) = place.at(edge.source), place.at(edge.target)
    if edge.kind not in ("attention", "mixer"):
        return ("M", (x1, y1)), ("L", (x2, y2))
    if edge.source.position == edge.target.position:
        loop = 1.33 * min(12.0, place.dx * 0.2)
        return ("M", (x1, y1)), ("C", (x1 - loop, y1, x2 - loop, y2, x2, y2))
    bend = (x2 - x1) / 2
    return ("M", (x1, y1)), ("C", (x1 + bend, y1, x2 - bend, y2, x2, y2))
