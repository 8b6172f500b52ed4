"""The kept edges of a graph as CSV (RFC 4180), one edge per line."""

from __future__ import annotations

import csv
import io

from ..ambient import guarded
from ..analysis.result import Analysis
from ..printable import csv_cell
from ..protocol.nodes import Node
from ..routes.graph import MIXER_WORDS, RouteGraph

COLUMNS = ("source", "target", "kind", "layer", "source_token", "target_token", "weight", "flow", "heads", "threshold")


@guarded
def as_csv(analysis: Analysis, graph: RouteGraph) -> str:
    """One line per edge.

    `weight` and `flow` as in `routes.graph.Edge`; `heads` as `head:weight` separated by spaces, strongest first;
    `threshold`: the graph's, the same in each line. Token texts are cells from `printable.csv_cell`. Where there are
    edges of a mixer, a last column `note` says what they are.
    """
    notes = any(edge.kind == "mixer" for edge in graph.edges)
    out = io.StringIO()
    # lines end in CR LF, as the format requires
    rows = csv.writer(out)
    rows.writerow((*COLUMNS, "note") if notes else COLUMNS)
    for edge in graph.edges:
        rows.writerow(
            (
                str(edge.source),
                str(edge.target),
                edge.kind,
                edge.target.layer,
                _text(analysis, edge.source),
                _text(analysis, edge.target),
                repr(edge.weight),
                repr(edge.flow),
                " ".join(f"{head}:{weight!r}" for head, weight in edge.heads),
                repr(graph.threshold),
                *((MIXER_WORDS if edge.kind == "mixer" else "",) if notes else ()),
            )
        )
    return out.getvalue()


def _text(analysis: Analysis, node: Node) -> str:
    return csv_cell(analysis.tokens[node.position].text)
