"""An analysis as a file: JSON, CSV and SVG of one target's graph, a page that opens without VS Code,
dense arrays, a report for people, and a run file that can be run again.

Text in, text out: where it is written is the command line's or the editor's business.
"""

from __future__ import annotations

from ..analysis import Analysis
from ..inspection.named import Named
from ..routes.graph import RouteGraph, route_graph
from .document import as_json
from .svg import Appearance, Ink, as_svg
from .table import as_csv


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
    """The graph of `target` as `json`, `csv` or `svg`. Raises `TransparencyError` as `route_graph` does."""
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
    """A graph that is there as `json`, `csv` or `svg`; `named` goes into the JSON."""
    if form == "json":
        return as_json(analysis, graph, top_k, named)
    if form == "csv":
        return as_csv(analysis, graph)
    return as_svg(analysis, graph, ink=ink, appearance=appearance)
