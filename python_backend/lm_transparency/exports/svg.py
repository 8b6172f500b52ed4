"""The graph of one target as an SVG picture, with the numbers of every edge in it.

Drawn like the panel: tokens across, layers up, ink is flow, local contribution or effect. Every edge is an element of
class `edge` with `data-source`, `data-target`, `data-kind`, `data-weight` and `data-flow`, and a title to hover; where
its effect is known, with `data-effect` (measured) and `data-predicted`. Measured edges that no route draws are of class
`undrawn`, in the ink of effects.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from ..ambient import guarded
from ..analysis.result import Analysis
from ..errors import TransparencyError
from ..model.tokens import visible
from ..printable import xml
from ..protocol.effects import EffectsResult, UnitEffect
from ..protocol.inspection import Appearance, Ink
from ..routes.graph import MIXER_WORDS, Edge, RouteGraph
from .effects import EdgeEffects, measured_words, metric_words
from .svg_effects import EffectInk, effect_data, effect_words
from .svg_place import (
    COLOURS,
    LEFT,
    LINE,
    MASS,
    RIGHT,
    ROW,
    TOKEN_FONT,
    TOP,
    UI_FONT,
    Bar,
    Colours,
    Place,
    Stroke,
    path_of,
)


@guarded
def as_svg(
    analysis: Analysis,
    graph: RouteGraph,
    *,
    ink: Ink = "flow",
    appearance: Appearance = "light",
    effects: EffectsResult | None = None,
) -> str:
    """The picture as a document of its own; width and height in pixels.

    `effects`: of the graph's target (`inspection.known_effects`). Raises `TransparencyError("invalidParams")` for the
    ink of effects where there are none.
    """
    place, colours = Place(analysis, graph), COLOURS[appearance]
    known = None if effects is None else EdgeEffects(effects)
    effect_ink: EffectInk | None = None
    if ink == "effect":
        if known is None:
            raise TransparencyError(
                "invalidParams",
                "There are no effects to draw.",
                "Choose the ink flow or local, or measure effects first.",
            )
        effect_ink = EffectInk(analysis, graph, known, colours)
    legend = _legend(analysis, graph, place, colours, ink, effect_ink)
    place.fit(len(legend))
    strokes = _strokes(graph, colours, ink, effect_ink)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{place.width:.0f}" height="{place.height:.0f}" '
        f'viewBox="0 0 {place.width:.0f} {place.height:.0f}" font-family={quoteattr(UI_FONT)} font-size="11">',
        f"<title>{xml(_title(analysis, graph))}</title>",
        *(() if effects is None else [f"<desc>{xml(_about(effects))}</desc>"]),
        f'<rect width="100%" height="100%" fill="{colours.background}"/>',
        *_frame(place, colours),
        *_edges(analysis, graph, place, strokes, known),
        *_undrawn(analysis, place, effect_ink),
        *_nodes(graph, place, colours),
        *_blocks(graph, place, strokes),
        *_tokens(place, colours, _masses(graph, colours) if effect_ink is None else effect_ink.bars()),
        *_lines(legend, place, colours),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _about(found: EffectsResult) -> str:
    return f"Effects on the {metric_words(found.metric)}; {measured_words(found)}"


def _title(analysis: Analysis, graph: RouteGraph) -> str:
    text = visible(analysis.tokens[graph.target].text)
    what = {"token": "", "value": " to the value"}.get(
        analysis.trace.anatomy.readout.task, f" to label {analysis.predictions(1).texts[graph.target][0]}"
    )
    return f"Information-flow routes into {text} (position {graph.target}){what}, {analysis.model.name}"


def _frame(place: Place, colours: Colours) -> Iterator[str]:
    band = min(place.dx - 2, 44)
    yield (
        f'<rect x="{place.x(place.target) - band / 2:.1f}" y="{TOP}" width="{band:.1f}" '
        f'height="{ROW * (place.n_layers + 0.5):.1f}" fill="{colours.attention}" opacity="0.1"/>'
    )
    right = place.width - RIGHT
    for layer in range(0, place.n_layers, 2):
        yield (
            f'<rect x="{LEFT}" y="{place.y(layer + 0.5):.1f}" width="{right - LEFT:.1f}" height="{ROW}" '
            f'fill="{colours.text}" opacity="0.03"/>'
        )
    for layer in range(place.n_layers):
        if layer % 5 == 0 or layer == place.n_layers - 1:
            yield (
                f'<text x="{LEFT - 12}" y="{place.y(layer) + 4:.1f}" text-anchor="end" '
                f'fill="{colours.dim}">{layer}</text>'
            )
    yield f'<text x="{LEFT - 12}" y="{TOP - 14}" text-anchor="end" fill="{colours.dim}">layer</text>'


def _strokes(graph: RouteGraph, colours: Colours, ink: Ink, effect_ink: EffectInk | None) -> dict[Edge, Stroke]:
    if effect_ink is not None:
        return {edge: effect_ink.stroke(edge) for edge in graph.edges}
    inks = {"attention": colours.attention, "ffn": colours.ffn, "mixer": colours.mixer}
    return {
        edge: Stroke(
            edge.flow if ink == "flow" else edge.weight,
            inks.get(edge.kind, colours.text),
            dashes="3 2" if edge.kind == "mixer" else "",
        )
        for edge in graph.edges
    }


def _edges(
    analysis: Analysis, graph: RouteGraph, place: Place, strokes: dict[Edge, Stroke], known: EdgeEffects | None
) -> Iterator[str]:
    # faint edges first, so that strong ones are on top
    for edge in sorted(graph.edges, key=lambda e: strokes[e].size):
        unit = None if known is None else known.of(edge)
        numbers = f'data-weight="{edge.weight!r}" data-flow="{edge.flow!r}"{effect_data(unit)}'
        yield _curve("edge", edge, numbers, strokes[edge], place, _words(analysis, edge, unit))


def _undrawn(analysis: Analysis, place: Place, ink: EffectInk | None) -> Iterator[str]:
    for edge, unit, stroke in () if ink is None else ink.undrawn():
        words = f"attention {_ends(analysis, edge)}: {effect_words(unit)}, drawn by no route"
        yield _curve("undrawn", edge, effect_data(unit).strip(), stroke, place, words)


def _curve(name: str, edge: Edge, numbers: str, stroke: Stroke, place: Place, words: str) -> str:
    dashes = f' stroke-dasharray="{stroke.dashes}"' if stroke.dashes else ""
    return (
        f'<path class="{name}" data-source="{edge.source}" data-target="{edge.target}" data-kind="{edge.kind}" '
        f'{numbers} d="{path_of(edge, place)}" fill="none" stroke="{stroke.colour}" '
        f'stroke-width="{stroke.width(edge):.2f}" stroke-opacity="{stroke.opacity:.3f}"{dashes} '
        'stroke-linecap="round">'
        f"<title>{xml(words)}</title></path>"
    )


def _nodes(graph: RouteGraph, place: Place, colours: Colours) -> Iterator[str]:
    for node in sorted({e.source for e in graph.edges} | {e.target for e in graph.edges}):
        if node.kind in ("X", "I"):
            x, y = place.at(node)
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.6" fill="{colours.text}" opacity="0.7"/>'


def _blocks(graph: RouteGraph, place: Place, strokes: dict[Edge, Stroke]) -> Iterator[str]:
    for edge in graph.edges:
        if edge.source.kind == "M":
            x, y = place.at(edge.source)
            stroke = strokes[edge]
            side = 2 + 7 * stroke.strength
            yield (
                f'<rect x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" width="{side:.1f}" height="{side:.1f}" '
                f'fill="{stroke.colour}" opacity="{stroke.opacity:.3f}"/>'
            )


def _masses(graph: RouteGraph, colours: Colours) -> list[Bar | None]:
    """The flow that arrives at each token."""
    most = max(graph.token_mass) or 1.0
    return [Bar(mass / most, colours.warm, f"{mass:.2f}") if mass > 0.004 else None for mass in graph.token_mass]


def _tokens(place: Place, colours: Colours, bars: list[Bar | None]) -> Iterator[str]:
    chip = place.dx - 4
    top = place.y(-1) + 16
    font = f"font-family={quoteattr(TOKEN_FONT)}"
    for position, (text, (predicted, figure)) in enumerate(zip(place.texts, place.predicted, strict=True)):
        x, is_target = place.x(position), position == place.target
        if is_target:
            yield (
                f'<rect x="{x - chip / 2:.1f}" y="{TOP - 48}" width="{chip:.1f}" height="36" rx="3" '
                f'fill="{colours.warm}"/>'
            )
        ink = colours.background if is_target else colours.dim
        yield f'<text x="{x:.1f}" y="{TOP - 33}" text-anchor="middle" {font} fill="{ink}">{xml(predicted)}</text>'
        yield (f'<text x="{x:.1f}" y="{TOP - 19}" text-anchor="middle" font-size="10" fill="{ink}">{figure}</text>')
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
        bar = bars[position]
        if bar is not None:
            height = max(1.0, MASS * bar.size)
            words = f"><title>{xml(bar.words)}</title></rect>" if bar.words else "/>"
            yield (
                f'<rect x="{x - 9:.1f}" y="{top + 24:.1f}" width="18" height="{height:.1f}" fill="{bar.colour}" '
                f'opacity="{bar.opacity:g}"{words}<text x="{x:.1f}" y="{top + 35 + height:.1f}" text-anchor="middle" '
                f'font-size="10" fill="{colours.dim}">{bar.label}</text>'
            )


def _legend(
    analysis: Analysis, graph: RouteGraph, place: Place, colours: Colours, ink: Ink, effect_ink: EffectInk | None
) -> list[str]:
    what = "flow into the target" if ink == "flow" else "local contribution"
    kinds = (
        f'<tspan fill="{colours.attention}">— attention</tspan>   <tspan fill="{colours.text}">| residual</tspan>   '
        f'<tspan fill="{colours.ffn}">■ feed-forward</tspan>   width and opacity: {what}'
    )
    lines = [
        *([kinds] if effect_ink is None else effect_ink.legend(place)),
        xml(
            f"{analysis.model.name} · threshold {graph.threshold:.4g} · {graph.n_token_edges} edges between tokens · "
            f"adds up ✓ {analysis.proof.max_relative_error:.0e}"
        ),
    ]
    if any(edge.kind == "mixer" for edge in graph.edges):
        lines.append(f'<tspan fill="{colours.mixer}">┄ {MIXER_WORDS}</tspan>')
    return lines


def _lines(legend: list[str], place: Place, colours: Colours) -> Iterator[str]:
    for row, line in enumerate(legend):
        y = place.height - 26 - LINE * (len(legend) - 2) + LINE * row
        yield f'<text x="{LEFT}" y="{y:.0f}" font-size="10" fill="{colours.dim}" xml:space="preserve">{line}</text>'


def _words(analysis: Analysis, edge: Edge, unit: UnitEffect | None) -> str:
    heads = "".join(f", head {head} {weight:.2g}" for head, weight in edge.heads[:4])
    effect = "" if unit is None else effect_words(unit)
    kind = MIXER_WORDS if edge.kind == "mixer" else edge.kind
    figures = f"{edge.weight:.2g}, flow {edge.flow:.2g}{f', {effect}' if effect else ''}{heads}"
    return f"{kind} {_ends(analysis, edge)}: {figures}"


def _ends(analysis: Analysis, edge: Edge) -> str:
    texts = (visible(analysis.tokens[node.position].text) for node in (edge.source, edge.target))
    return f"{' → '.join(texts)}, {edge.source} → {edge.target}"
