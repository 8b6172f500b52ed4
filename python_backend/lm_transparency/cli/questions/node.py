"""`inspect node`: the lens of a state, and the tokens that its block promotes and suppresses."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...protocol.nodes import parse_node
from .question import Ask, Question, reading

if TYPE_CHECKING:
    from ...analysis.result import Analysis
    from ...protocol.inspection import NodeTokensResult


def _read(arguments: argparse.Namespace) -> Ask:
    parse_node(arguments.what)

    def ask(analysis: Analysis) -> NodeTokensResult:
        from ...inspection.nodes import inspect_node

        k = arguments.top_k
        return inspect_node(analysis, arguments.what, top_k=k, update_k=k, **reading(arguments, analysis))

    return ask


def _lines(analysis: Analysis, found: NodeTokensResult) -> Iterable[str]:
    from .lines import token, update_lines

    readout = analysis.trace.anatomy.readout
    yield f"{found.node}  {token(analysis, found.node.position)}"
    if found.top:
        yield "\nlens"
        for s in found.top:
            change = f"{'↑' if s.rank_change > 0 else '↓'}{abs(s.rank_change)}" if s.rank_change else ""
            figure = "" if readout.task == "value" else f"{100 * (s.probability or 0.0):7.3f} %"
            yield f"  {readout.shown(s.text):<16} {figure}  logit {s.logit:8.3f}  {change}"
    yield from update_lines(analysis, found.update, "")


QUESTION = Question(
    "node",
    "NODE",
    "X0_3, A22_3, M22_3 or I22_3: the lens of its state, the tokens that its block promotes",
    _read,
    _lines,
)
