"""An analysis as a file: a graph as JSON, CSV, SVG or page, dense arrays, a report, and a run file.

The page opens without VS Code; a run file can be run again. Functions return text: the command line or the editor
decides where to write it.
"""

from __future__ import annotations

from typing import get_args

from ..analysis.result import Analysis
from ..errors import TransparencyError, check_choice
from ..inspection.named import Named
from ..routes.graph import RouteGraph, route_graph
from .document import as_json
from .svg import Appearance, Ink, as_svg
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
) -> str:
    """The graph of `target` in one of `FORMATS`. Raises `TransparencyError` as `route_graph` and `graph_text` do."""
    _check(form, ink, appearance, top_k)
    graph = route_graph(analysis.contributions, target, threshold, renormalize=renormalize)
    return graph_text(analysis, graph, form, ink=ink, appearance=appearance, top_k=top_k)


def graph_text(
    analysis: Analysis,
    graph: RouteGraph,
    form: str,
    *,
    ink: Ink = "flow",
    appearance: Appearance = "light",
    top_k: int = 10,
    named: Named | None = None,
) -> str:
    """A given graph in one of `FORMATS`; `named` goes into the JSON.

    Raises `TransparencyError("invalidParams")` for an unknown format, ink or appearance.
    """
    _check(form, ink, appearance, top_k)
    if form == "json":
        return as_json(analysis, graph, top_k, named)
    if form == "csv":
        return as_csv(analysis, graph)
    return as_svg(analysis, graph, ink=ink, appearance=appearance)


def _check(form: str, ink: str, appearance: str, top_k: int) -> None:
    check_choice("The format", form, FORMATS)
    check_choice("ink", ink, get_args(Ink))
    check_choice("appearance", appearance, get_args(Appearance))
    if top_k < 1:
        raise TransparencyError("invalidParams", f"top_k is {top_k}.", "It takes 1 or more.")
