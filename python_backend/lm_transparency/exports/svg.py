"""The graph of one target as an SVG picture, with the numbers of every edge in it.

Drawn like the panel: tokens across, layers up, ink is flow (or local contribution). Every edge is an element of class
`edge` with `data-source`, `data-target`, `data-kind`, `data-weight` and `data-flow`, and a title to hover.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import quoteattr

from ..ambient import guarded
from ..analysis.result import Analysis
from ..model.tokens import visible
from ..printable import xml
from ..protocol.nodes import Node
from ..routes.graph import MIXER_WORDS, Edge, RouteGraph

Ink = Literal["flow", "local"]
Appearance = Literal["light", "dark"]


@dataclass(frozen=True)
class _Colours:
    background: str
    text: str
    dim: str
    chip: str
    attention: str
    ffn: str
    warm: str
    mixer: str


_COLOURS: dict[Appearance, _Colours] = {
    "light": _Colours("#ffffff", "#3b3b3b", "#717171", "#f0f0f0", "#1a85ff", "#652d90", "#c25e00", "#388a34"),
    "dark": _Colours("#1f1f1f", "#cccccc", "#9d9d9d", "#2d2d2d", "#3794ff", "#b180d7", "#f2a33c", "#89d185"),
}

_UI_FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', sans-serif"
_TOKEN_FONT = "ui-monospace, 'SF Mono', Menlo, Consolas, monospace"
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 20, 64, 132
_ROW = 20
_CHARACTER = 6.7
_LONGEST_TEXT = 10
_MASS = 34


class _Place:
    """The layout: columns as wide as their longest text, rows of one height."""

    def __init__(self, analysis: Analysis, graph: RouteGraph) -> None:
        self.n_layers = analysis.contributions.n_layers
        self.parallel = analysis.contributions.parallel
        predicted = analysis.predictions(1)
        self.templates = [token.template for token in analysis.tokens]
        self.texts = [_short(visible(token.text)) for token in analysis.tokens]
        readout = analysis.trace.anatomy.readout
        rows = zip(predicted.texts, predicted.probabilities.tolist(), predicted.logits.tolist(), strict=True)
        self.predicted = [
            (_short(readout.shown(texts[0])), readout.figure(p[0], logit[0], 0).replace(" ", ""))
            for texts, p, logit in rows
        ]
        longest = max(len(text) for text in [*self.texts, *(text for text, _ in self.predicted)])
        self.dx = max(44.0, longest * _CHARACTER + 10)
        # the legend needs its room, also under a few tokens
        self.width = max(460.0, _LEFT + self.dx * len(self.texts) + _RIGHT)
        self.height = _TOP + _ROW * (self.n_layers + 1) + _BOTTOM
        self.target = graph.target

    def x(self, position: float) -> float:
        return _LEFT + (position + 0.5) * self.dx

    def y(self, level: float) -> float:
        return _TOP + (self.n_layers - 1 - level) * _ROW + _ROW / 2

    def level(self, node: Node) -> float:
        """The height of a node in layers, as in the panel."""
        return {"X": -1.0, "I": node.layer, "M": node.layer - 0.25}.get(node.kind, node.layer - 0.5)

    def at(self, node: Node) -> tuple[float, float]:
        reach = min(11.0, self.dx * 0.24) if node.kind == "M" else -min(9.0, self.dx * 0.2) if node.kind == "B" else 0.0
        return self.x(node.position) + reach, self.y(self.level(node))


@guarded
def as_svg(analysis: Analysis, graph: RouteGraph, *, ink: Ink = "flow", appearance: Appearance = "light") -> str:
    """The picture as a document of its own; width and height in pixels."""
    place, colours = _Place(analysis, graph), _COLOURS[appearance]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{place.width:.0f}" height="{place.height:.0f}" '
        f'viewBox="0 0 {place.width:.0f} {place.height:.0f}" font-family={quoteattr(_UI_FONT)} font-size="11">',
        f"<title>{xml(_title(analysis, graph))}</title>",
        f'<rect width="100%" height="100%" fill="{colours.background}"/>',
        *_frame(place, colours),
        *_edges(analysis, graph, place, colours, ink),
        *_tokens(graph, place, colours),
        *_legend(analysis, graph, place, colours, ink),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _title(analysis: Analysis, graph: RouteGraph) -> str:
    text = visible(analysis.tokens[graph.target].text)
    what = {"token": "", "value": " to the value"}.get(
        analysis.trace.anatomy.readout.task, f" to label {analysis.predictions(1).texts[graph.target][0]}"
    )
    return f"Information-flow routes into {text} (position {graph.target}){what}, {analysis.model.name}"


def _frame(place: _Place, colours: _Colours) -> Iterator[str]:
    band = min(place.dx - 2, 44)
    yield (
        f'<rect x="{place.x(place.target) - band / 2:.1f}" y="{_TOP}" width="{band:.1f}" '
        f'height="{_ROW * (place.n_layers + 0.5):.1f}" fill="{colours.attention}" opacity="0.1"/>'
    )
    right = place.width - _RIGHT
    for layer in range(0, place.n_layers, 2):
        yield (
            f'<rect x="{_LEFT}" y="{place.y(layer + 0.5):.1f}" width="{right - _LEFT:.1f}" height="{_ROW}" '
            f'fill="{colours.text}" opacity="0.03"/>'
        )
    for layer in range(place.n_layers):
        if layer % 5 == 0 or layer == place.n_layers - 1:
            yield (
                f'<text x="{_LEFT - 12}" y="{place.y(layer) + 4:.1f}" text-anchor="end" '
                f'fill="{colours.dim}">{layer}</text>'
            )
    yield f'<text x="{_LEFT - 12}" y="{_TOP - 14}" text-anchor="end" fill="{colours.dim}">layer</text>'


def _edges(analysis: Analysis, graph: RouteGraph, place: _Place, colours: _Colours, ink: Ink) -> Iterator[str]:
    # faint edges first, so that strong ones are on top
    for edge in sorted(graph.edges, key=lambda e: e.flow if ink == "flow" else e.weight):
        strength = math.sqrt(min(1.0, max(0.0, edge.flow if ink == "flow" else edge.weight)))
        opacity = 0.1 + 0.9 * min(1.0, 1.8 * strength)
        attention = edge.kind == "attention"
        width = 0.6 + 4 * strength if attention else 0.7 + strength
        inks = {"attention": colours.attention, "ffn": colours.ffn, "mixer": colours.mixer}
        colour = inks.get(edge.kind, colours.text)
        dashes = ' stroke-dasharray="3 2"' if edge.kind == "mixer" else ""
        yield (
            f'<path class="edge" data-source="{edge.source}" data-target="{edge.target}" data-kind="{edge.kind}" '
            f'data-weight="{edge.weight!r}" data-flow="{edge.flow!r}" d="{_path(edge, place)}" fill="none" '
            f'stroke="{colour}" stroke-width="{width:.2f}" stroke-opacity="{opacity:.3f}"{dashes} '
            'stroke-linecap="round">'
            f"<title>{xml(_words(analysis, edge))}</title></path>"
        )
    for node in sorted({e.source for e in graph.edges} | {e.target for e in graph.edges}):
        if node.kind in ("X", "I"):
            x, y = place.at(node)
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.6" fill="{colours.text}" opacity="0.7"/>'
    for edge in graph.edges:
        if edge.source.kind == "M":
            x, y = place.at(edge.source)
            strength = math.sqrt(min(1.0, edge.flow if ink == "flow" else edge.weight))
            side = 2 + 7 * strength
            yield (
                f'<rect x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" width="{side:.1f}" height="{side:.1f}" '
                f'fill="{colours.ffn}" opacity="{0.1 + 0.9 * min(1.0, 1.8 * strength):.3f}"/>'
            )


def _path(edge: Edge, place: _Place) -> str:
    (x1, y1), (x2, y2) = place.at(edge.source), place.at(edge.target)
    if edge.kind not in ("attention", "mixer"):
        return f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"
    if edge.source.position == edge.target.position:
        loop = 1.33 * min(16.0, place.dx * 0.2)
        return f"M{x1:.1f} {y1:.1f}C{x1 - loop:.1f} {y1:.1f} {x2 - loop:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    bend = (x2 - x1) / 2
    return f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"


def _tokens(graph: RouteGraph, place: _Place, colours: _Colours) -> Iterator[str]:
    chip = place.dx - 4
    top = place.y(-1) + 16
    most = max(graph.token_mass) or 1.0
    font = f"font-family={quoteattr(_TOKEN_FONT)}"
    for position, (text, (predicted, figure)) in enumerate(zip(place.texts, place.predicted, strict=True)):
        x, is_target = place.x(position), position == place.target
        if is_target:
            yield (
                f'<rect x="{x - chip / 2:.1f}" y="{_TOP - 48}" width="{chip:.1f}" height="36" rx="3" '
                f'fill="{colours.warm}"/>'
            )
        ink = colours.background if is_target else colours.dim
        yield f'<text x="{x:.1f}" y="{_TOP - 33}" text-anchor="middle" {font} fill="{ink}">{xml(predicted)}</text>'
        yield (f'<text x="{x:.1f}" y="{_TOP - 19}" text-anchor="middle" font-size="10" fill="{ink}">{figure}</text>')
        template = place.templates[position]
        border = f' stroke="{colours.attention}"' if is_target else ""
        # text that the chat template added is not the user's
        fill = "none" if template else colours.chip
        if template and not is_target:
            border = f' stroke="{colours.dim}" stroke-opacity="0.5" stroke-dasharray="2 2"'
        yield (
            f'<rect x="{x - chip / 2:.1f}" y="{top:.1f}" width="{chip:.1f}" height="19" rx="2" fill="{fill}"{border}/>'
        )
        yield (
            f'<text class="token" x="{x:.1f}" y="{top + 13.5:.1f}" text-anchor="middle" {font} '
            f'fill="{colours.dim if template else colours.text}">{xml(text)}</text>'
        )
        mass = graph.token_mass[position]
        if mass > 0.004:
            height = max(1.0, _MASS * mass / most)
            yield (
                f'<rect x="{x - 9:.1f}" y="{top + 24:.1f}" width="18" height="{height:.1f}" fill="{colours.warm}" '
                f'opacity="0.85"/><text x="{x:.1f}" y="{top + 35 + height:.1f}" text-anchor="middle" font-size="10" '
                f'fill="{colours.dim}">{mass:.2f}</text>'
            )


def _legend(analysis: Analysis, graph: RouteGraph, place: _Place, colours: _Colours, ink: Ink) -> Iterator[str]:
    what = "flow into the target" if ink == "flow" else "local contribution"
    lines = [
        f'<tspan fill="{colours.attention}">— attention</tspan>   <tspan fill="{colours.text}">| residual</tspan>   '
        f'<tspan fill="{colours.ffn}">■ feed-forward</tspan>   width and opacity: {what}',
        xml(
            f"{analysis.model.name} · threshold {graph.threshold:.4g} · {graph.n_token_edges} edges between tokens · "
            f"parts = whole to {analysis.proof.max_relative_error:.0e}"
        ),
    ]
    if any(edge.kind == "mixer" for edge in graph.edges):
        lines.append(f'<tspan fill="{colours.mixer}">┄ {MIXER_WORDS}</tspan>')
    for row, line in enumerate(lines):
        y = place.height - 26 - 14 * (len(lines) - 2) + 14 * row
        yield f'<text x="{_LEFT}" y="{y:.0f}" font-size="10" fill="{colours.dim}" xml:space="preserve">{line}</text>'


def _words(analysis: Analysis, edge: Edge) -> str:
    ends = " → ".join(visible(analysis.tokens[node.position].text) for node in (edge.source, edge.target))
    heads = "".join(f", head {head} {weight:.2g}" for head, weight in edge.heads[:4])
    kind = MIXER_WORDS if edge.kind == "mixer" else edge.kind
    return f"{kind} {' → '.join(ends)}, {edge.source} → {edge.target}: {edge.weight:.2g}, flow {edge.flow:.2g}{heads}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"
