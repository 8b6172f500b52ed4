"""An analysis as a file: a graph as JSON or CSV, figures as SVG or PDF, a page, dense arrays, a report, and a run file.

The page opens without VS Code; a run file can be run again. Functions return text, or bytes: the command line or the
editor decides where to write it.
"""

from __future__ import annotations

from typing import get_args

from ..analysis.result import Analysis
from ..errors import TransparencyError, check_choice
from ..inspection.known_effects import known_effects
from ..inspection.named import Named
from ..lens.maps import LOGIT, LensMaps
from ..protocol.effects import EffectsResult
from ..protocol.inspection import Appearance, FigureView, Ink
from ..routes.graph import RouteGraph, route_graph
from ..version import __version__
from ..watch import Watch
from .attribution import as_attribution
from .document import as_json
from .drawing.pdf import as_pdf
from .drawing.svg import as_svg
from .figures import Subject, figure
from .look import Look
from .table import as_csv

#: The formats of a graph that are text, by name, for API, command line and server.
FORMATS = ("json", "csv", "svg", "attribution")
#: Those that are figures.
FIGURES = ("svg", "pdf")


def export_text(
    analysis: Analysis,
    form: str,
    *,
    target: int,
    threshold: float,
    renormalize: bool = True,
    ink: Ink = "flow",
    appearance: Appearance = "light",
    top_k: int = 10,
    effects: EffectsResult | None = None,
) -> str:
    """The graph of `target` in one of `FORMATS`. Raises `TransparencyError` as `route_graph` and `graph_text` do."""
    _check(form, ink, appearance, top_k)
    graph = route_graph(analysis.contributions, target, threshold, renormalize=renormalize)
    return graph_text(analysis, graph, form, ink=ink, appearance=appearance, top_k=top_k, effects=effects)


def export_figure(
    analysis: Analysis,
    form: str,
    *,
    target: int,
    threshold: float,
    renormalize: bool = True,
    view: FigureView = "routes",
    ink: Ink = "flow",
    appearance: Appearance = "light",
    width_mm: float | None = None,
    kept: bool = False,
    caption: bool = False,
    layer: int | None = None,
    head: int | None = None,
    tokens: tuple[int, ...] = (),
    normalize: bool = True,
    lens: LensMaps = LOGIT,
    effects: EffectsResult | None = None,
    watch: Watch | None = None,
) -> bytes:
    """A figure for a paper: `svg` or `pdf` of a view (`routes`, `lens`, `heads`, the `map` of a `layer` and a `head`,
    or a `chart` of `tokens` through the layers).

    `width_mm`: 85 for one column of a journal, 178 for two; None: as wide as it needs. `kept`: columns that carry
    nothing fold to slivers with their number. `caption`: model, prompt, method and version stand under the figure.
    `lens`: what the lens and the chart read with.
    Raises `TransparencyError` for an unknown choice, and as `route_graph`, `figure_file` and the inspections do.
    """
    graph = route_graph(analysis.contributions, target, threshold, renormalize=renormalize)
    return figure_file(
        analysis,
        graph,
        form,
        Look(appearance, width_mm, kept, caption),
        Subject(view, ink, layer, head, tokens, normalize, lens),
        effects=effects,
        watch=watch,
    )


def figure_file(
    analysis: Analysis,
    graph: RouteGraph,
    form: str,
    look: Look,
    subject: Subject,
    *,
    effects: EffectsResult | None = None,
    watch: Watch | None = None,
) -> bytes:
    """A figure in one of `FIGURES`.

    Raises `TransparencyError` as `figure` does, and `dependencyMissing` where a package for it is not installed.
    """
    check_choice("The format", form, FIGURES)
    check_choice("ink", subject.ink, get_args(Ink))
    known = None if effects is None else known_effects(analysis, effects, graph.target)
    drawing = figure(analysis, graph, look, subject, effects=known, watch=watch)
    if form == "pdf":
        return as_pdf(drawing, f"LM Transparency {__version__}")
    return as_svg(drawing).encode("utf-8")


def graph_text(
    analysis: Analysis,
    graph: RouteGraph,
    form: str,
    *,
    ink: Ink = "flow",
    appearance: Appearance = "light",
    top_k: int = 10,
    named: Named | None = None,
    effects: EffectsResult | None = None,
) -> str:
    """A given graph in one of `FORMATS`; `named` goes into the JSON, `effects` of its target into every format.

    Raises `TransparencyError("invalidParams")` for an unknown format, ink or appearance, and for the ink of effects
    without any; and as `known_effects`.
    """
    _check(form, ink, appearance, top_k)
    if form == "svg":
        return figure_file(analysis, graph, form, Look(appearance), Subject(ink=ink), effects=effects).decode("utf-8")
    known = None if effects is None else known_effects(analysis, effects, graph.target)
    if form == "json":
        return as_json(analysis, graph, top_k, named, known)
    if form == "attribution":
        return as_attribution(analysis, graph, known)
    return as_csv(analysis, graph, known)


def _check(form: str, ink: str, appearance: str, top_k: int) -> None:
    check_choice("The format", form, FORMATS)
    check_choice("ink", ink, get_args(Ink))
    check_choice("appearance", appearance, get_args(Appearance))
    if top_k < 1:
        raise TransparencyError("invalidParams", f"top_k is {top_k}.", "It takes 1 or more.")
