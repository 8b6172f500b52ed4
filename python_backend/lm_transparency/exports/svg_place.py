"""The layout of the SVG picture: colours, and the place of every node and edge."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..analysis.result import Analysis
from ..model.tokens import visible
from ..protocol.inspection import Appearance
from ..protocol.nodes import Node
from ..routes.graph import Edge, RouteGraph


@dataclass(frozen=True)
class Colours:
    background: str
    text: str
    dim: str
    chip: str
    attention: str
    ffn: str
    warm: str
    mixer: str
    supports: str
    opposes: str


COLOURS: dict[Appearance, Colours] = {
    "light": Colours(
        *("#ffffff", "#3b3b3b", "#717171", "#f0f0f0"),
        *("#1a85ff", "#652d90", "#c25e00", "#388a34", "#0066bf", "#b5295f"),
    ),
    "dark": Colours(
        *("#1f1f1f", "#cccccc", "#9d9d9d", "#2d2d2d"),
        *("#3794ff", "#b180d7", "#f2a33c", "#89d185", "#4aa3ff", "#e66f9b"),
    ),
}

UI_FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', sans-serif"
TOKEN_FONT = "ui-monospace, 'SF Mono', Menlo, Consolas, monospace"
LEFT, RIGHT, TOP, BOTTOM = 52, 20, 64, 132
ROW, LINE = 20, 14
_CHARACTER = 6.7
_LONGEST_TEXT = 10
MASS = 34


@dataclass(frozen=True)
class Stroke:
    """How an edge is drawn. `size`: 0 to 1; width and opacity grow with its root. `fade`: a factor of the opacity."""

    size: float
    colour: str
    fade: float = 1.0
    dashes: str = ""

    @property
    def strength(self) -> float:
        return math.sqrt(min(1.0, max(0.0, self.size)))

    @property
    def opacity(self) -> float:
        return (0.1 + 0.9 * min(1.0, 1.8 * self.strength)) * self.fade

    def width(self, edge: Edge) -> float:
        return 0.6 + 4 * self.strength if edge.kind == "attention" else 0.7 + self.strength


@dataclass(frozen=True)
class Bar:
    """A bar under a token. `size`: its part of the longest one. `words`: shown when the pointer rests on it."""

    size: float
    colour: str
    label: str
    opacity: float = 0.85
    words: str = ""


class Place:
    """The layout: columns as wide as their longest text, rows of one height."""

    def __init__(self, analysis: Analysis, graph: RouteGraph) -> None:
        self.n_layers = analysis.contributions.n_layers
        self.parallel = analysis.contributions.parallel
        predicted = analysis.predictions(1)
        self.templates = [token.template for token in analysis.tokens]
        self.texts = [short(visible(token.text)) for token in analysis.tokens]
        readout = analysis.trace.anatomy.readout
        rows = zip(predicted.texts, predicted.probabilities.tolist(), predicted.logits.tolist(), strict=True)
        self.predicted = [
            (short(readout.shown(texts[0])), readout.figure(p[0], logit[0], 0).replace(" ", ""))
            for texts, p, logit in rows
        ]
        longest = max(len(text) for text in [*self.texts, *(text for text, _ in self.predicted)])
        self.dx = max(44.0, longest * _CHARACTER + 10)
        # the legend needs its room, also under a few tokens
        self.width = max(460.0, LEFT + self.dx * len(self.texts) + RIGHT)
        self.height = TOP + ROW * (self.n_layers + 1) + BOTTOM
        self.target = graph.target

    def fit(self, n_lines: int) -> None:
        """Make room for a legend of so many lines; three have it anyway."""
        self.height += LINE * max(0, n_lines - 3)

    def x(self, position: float) -> float:
        return LEFT + (position + 0.5) * self.dx

    def y(self, level: float) -> float:
        return TOP + (self.n_layers - 1 - level) * ROW + ROW / 2

    def level(self, node: Node) -> float:
        """The height of a node in layers, as in the panel."""
        return {"X": -1.0, "I": node.layer, "M": node.layer - 0.25}.get(node.kind, node.layer - 0.5)

    def at(self, node: Node) -> tuple[float, float]:
        reach = min(11.0, self.dx * 0.24) if node.kind == "M" else -min(9.0, self.dx * 0.2) if node.kind == "B" else 0.0
        return self.x(node.position) + reach, self.y(self.level(node))


def path_of(edge: Edge, place: Place) -> str:
    (x1, y1), (x2, y2) = place.at(edge.source), place.at(edge.target)
    if edge.kind not in ("attention", "mixer"):
        return f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"
    if edge.source.position == edge.target.position:
        loop = 1.33 * min(16.0, place.dx * 0.2)
        return f"M{x1:.1f} {y1:.1f}C{x1 - loop:.1f} {y1:.1f} {x2 - loop:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    bend = (x2 - x1) / 2
    return f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"


def short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"
