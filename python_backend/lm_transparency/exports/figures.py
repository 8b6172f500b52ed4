"""Figures of an analysis: what a view of the panel shows, as one drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict, get_args

from ..analysis.result import Analysis
from ..errors import TransparencyError, check_choice
from ..lens.maps import LOGIT, LensMaps
from ..protocol.effects import EffectsResult
from ..protocol.inspection import Appearance, FigureView, Ink
from ..routes.graph import RouteGraph
from ..watch import Watch
from .chart_figure import chart_figure
from .drawing.shapes import Drawing
from .heads_figure import heads_figure
from .lens_figure import lens_figure
from .look import Look
from .map_figure import map_figure
from .routes_figure import carried_by, routes_figure


@dataclass(frozen=True)
class Subject:
    """What a figure shows. `layer`, `head`: of a map; `head` None: all heads together. `tokens`: of the vocabulary, for
    a chart; none: the most probable.
    """

    view: FigureView = "routes"
    ink: Ink = "flow"
    layer: int | None = None
    head: int | None = None
    tokens: Sequence[int] = ()
    normalize: bool = True
    lens: LensMaps = LOGIT


class _Reading(TypedDict):
    normalize: bool
    lens: LensMaps


def figure(
    analysis: Analysis,
    graph: RouteGraph,
    look: Look,
    subject: Subject,
    *,
    effects: EffectsResult | None = None,
    watch: Watch | None = None,
) -> Drawing:
    """Raises `TransparencyError("invalidParams")` for an unknown choice or a map without its layer, and as the
    inspections that the figures show.
    """
    check_choice("view", subject.view, get_args(FigureView))
    check_choice("appearance", look.appearance, get_args(Appearance))
    if subject.view == "routes":
        return routes_figure(analysis, graph, look, ink=subject.ink, effects=effects)
    if subject.view == "heads":
        return heads_figure(analysis, graph, look, ink=subject.ink, effects=effects)
    reading = _Reading(normalize=subject.normalize, lens=subject.lens)
    if subject.view == "lens":
        carried = carried_by(analysis, graph, None)
        return lens_figure(analysis, graph.target, look, carried=carried, watch=watch, **reading)
    if subject.view == "chart":
        return chart_figure(analysis, graph.target, look, tokens=subject.tokens, **reading)
    if subject.layer is None:
        raise TransparencyError(
            "invalidParams", "A map needs a layer.", "Name the layer, and a head if only one is meant."
        )
    return map_figure(analysis, subject.layer, subject.head, look)
