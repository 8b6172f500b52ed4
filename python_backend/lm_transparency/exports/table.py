"""The kept edges of a graph as CSV (RFC 4180), one edge per line."""

from __future__ import annotations

import csv
import io

from ..ambient import guarded
from ..analysis.result import Analysis
from ..printable import csv_cell
from ..protocol.effects import EffectsResult
from ..protocol.nodes import Node
from ..routes.graph import MIXER_WORDS, Edge, RouteGraph
from .effects import EdgeEffects

COLUMNS = ("source", "target", "kind", "layer", "source_token", "target_token", "weight", "flow", "heads", "threshold")
#: After the others, where effects are known.
EFFECT_COLUMNS = (
    "effect_measured",
    "effect_predicted",
    "effect_how",
    "effect_metric",
    "effect_target",
    "effect_contrast",
)


@guarded
def as_csv(analysis: Analysis, graph: RouteGraph, effects: EffectsResult | None = None) -> str:
    """One line per edge.

    `weight` and `flow` as in `routes.graph.Edge`; `heads` as `head:weight` separated by spaces, strongest first;
    `threshold`: the graph's, the same in each line. Token texts are cells from `printable.csv_cell`. `effects`: those
    of the graph's target, in columns of their own: empty where an edge's is not known, `effect_how` what it was set to,
    the metric the same in each line. Where there are edges of a mixer, a last column `note` says what they are.
    """
    notes = any(edge.kind == "mixer" for edge in graph.edges)
    known = None if effects is None else EdgeEffects(effects)
    out = io.StringIO()
    # lines end in CR LF, as the format requires
    rows = csv.writer(out)
    rows.writerow((*COLUMNS, *(() if known is None else EFFECT_COLUMNS), *(("note",) if notes else ())))
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
                *(() if known is None else _effect(edge, known)),
                *((MIXER_WORDS if edge.kind == "mixer" else "",) if notes else ()),
            )
        )
    return out.getvalue()


def _effect(edge: Edge, known: EdgeEffects) -> tuple[str, ...]:
    unit, metric = known.of(edge), known.found.metric
    figures = (None, None) if unit is None else (unit.measured, unit.predicted)
    return (
        *("" if figure is None else repr(figure) for figure in figures),
        "" if unit is None else csv_cell(unit.how),
        metric.kind,
        csv_cell(metric.target.text),
        "" if metric.contrast is None else csv_cell(metric.contrast.text),
    )


def _text(analysis: Analysis, node: Node) -> str:
    return csv_cell(analysis.tokens[node.position].text)
