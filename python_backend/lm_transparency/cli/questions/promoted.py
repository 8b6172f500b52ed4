"""`inspect promoted`: the tokens that each of several units raises most."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .question import Ask, Question, reading

if TYPE_CHECKING:
    from ...analysis.result import Analysis
    from ...protocol.inspection import PromotedResult


def _read(arguments: argparse.Namespace) -> Ask:
    from ...causal.units import parse_units

    units = [name.strip() for name in arguments.what.split(",")]
    for name in units:
        parse_units(name)

    def ask(analysis: Analysis) -> PromotedResult:
        from ...inspection.promoted import inspect_promoted

        return inspect_promoted(analysis, units, top_k=arguments.top_k, **reading(arguments, analysis))

    return ask


def _lines(analysis: Analysis, found: PromotedResult) -> Iterable[str]:
    shown = analysis.trace.anatomy.readout.shown
    for one in found.units:
        yield f"{one.unit:<20} " + ("  ".join(shown(score.text) for score in one.promoted) or "adds nothing")


QUESTION = Question(
    "promoted",
    "UNITS",
    "'M22_3#831,23.0@4': the tokens that each head, neuron, expert, edge or block promotes",
    _read,
    _lines,
)
