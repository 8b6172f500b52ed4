"""An analysis as a file: a graph as JSON, CSV, SVG or page, dense arrays, a report, and a run file.

The page opens without VS Code; a run file can be run again. Functions return text: the command line or the editor
decides where to write it.
"""

from __future__ import annotations

from typing import get_args

from ..analysis.result import Analysis
from ..errors import TransparencyError, check_choice
from ..inspection.known_effects import known_effects
from ..inspection.named import Named
from ..protocol.effects import EffectsResult
from ..protocol.inspection import Appearance, Ink
from ..routes.graph import RouteGraph, route_graph
from .document import as_json
from .svg import as_svg
from .table import as_csv

#: The formats of a graph by name, for API, command line and server.
FORMATS = ("json", "csv", "svg")


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
    known = None if effects is None else known_effects(analysis, effects, graph.target)
    if form == "json":
        return as_json(analysis, graph, top_k, named, known)
    if form == "csv":
        return as_csv(analysis, graph, known)
    return as_svg(analysis, graph, ink=ink, appearance=appearance, effects=known)


def _check(form: str, ink: str, appearance: str, top_k: int) -> None:
    check_choice("The format", form, FORMATS)
    check_choice("ink", ink, get_args(Ink))
    check_choice("appearance", appearance, get_args(Appearance))
    if top_k < 1:
        raise TransparencyError("invalidParams", f"top_k is {top_k}.", "It takes 1 or more.")
