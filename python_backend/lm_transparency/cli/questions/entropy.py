"""`inspect entropy`: the entropy of the attention of each head in a layer."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...errors import TransparencyError
from .question import Ask, Question

if TYPE_CHECKING:
    from ...analysis.result import Analysis
    from ...protocol.heads import HeadEntropyResult


def _read(arguments: argparse.Namespace) -> Ask:
    match = re.fullmatch(r"A(\d+)_(-?\d+)", arguments.what)
    if match is None:
        raise TransparencyError(
            "invalidParams", f"{arguments.what!r} is not an attention block.", "Blocks are A<layer>_<position>."
        )
    layer, query = int(match[1]), int(match[2])

    def ask(analysis: Analysis) -> HeadEntropyResult:
        from ...inspection.entropy import inspect_entropy

        return inspect_entropy(analysis, layer, query)

    return ask


def _lines(analysis: Analysis, found: HeadEntropyResult) -> Iterable[str]:
    from .lines import token

    at = f"{token(analysis, found.query)} (query {found.query})"
    yield f"layer {found.layer} at {at}: at most {found.most:.3f} bits\n"
    for head, bits in enumerate(found.entropy.tolist()):
        yield f"  head {head:<3} {bits:.3f} bits"


QUESTION = Question(
    "entropy", "NODE", "A23_4: the entropy of each head's attention at this position, in bits", _read, _lines
)
