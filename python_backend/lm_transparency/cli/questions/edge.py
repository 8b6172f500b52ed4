"""`inspect edge`: an attention edge by head."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...errors import TransparencyError
from .question import Ask, Question

if TYPE_CHECKING:
    from ...analysis.result import Analysis
    from ...protocol.heads import EdgeHeadsResult


def _read(arguments: argparse.Namespace) -> Ask:
    match = re.fullmatch(r"(?:attention:)?(?:X0|I(\d+))_(-?\d+)>[AI](\d+)_(-?\d+)", arguments.what)
    if match is None or int(match[3]) != (0 if match[1] is None else int(match[1]) + 1):
        raise TransparencyError(
            "invalidParams", f"{arguments.what!r} is not an attention edge.", "Edges are X0_2>A0_5 or I22_2>A23_13."
        )
    layer, query, key = int(match[3]), int(match[4]), int(match[2])

    def ask(analysis: Analysis) -> EdgeHeadsResult:
        from ...inspection.heads import inspect_edge

        return inspect_edge(analysis, layer, query, key)

    return ask


def _lines(analysis: Analysis, found: EdgeHeadsResult) -> Iterable[str]:
    import numpy as np

    from .lines import token

    yield (
        f"{token(analysis, found.key)} → {token(analysis, found.query)}  layer {found.layer}, from position "
        f"{found.key} to {found.query}: contribution {found.weight:.4f}\n"
    )
    for head in np.argsort(-found.heads.contribution).tolist():
        yield (
            f"  head {head:<3} contribution {found.heads.contribution[head]:.4f}  "
            f"attention {found.heads.probability[head]:.4f}  rank {found.heads.rank[head] + 1} of {found.query + 1}"
        )


QUESTION = Question(
    "edge", "EDGE", "'I22_2>A23_13': every head's contribution, attention probability and rank", _read, _lines
)
