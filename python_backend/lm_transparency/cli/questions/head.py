"""`inspect head`: the keys that a head attends to from one query, why, and its output."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...errors import TransparencyError
from .question import Ask, Question, reading

if TYPE_CHECKING:
    from ...analysis.result import Analysis
    from ...protocol.heads import HeadResult


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--query", type=int, default=-1, metavar="P", help="position; negative from the end")
    parser.add_argument(
        "--key", type=int, default=None, metavar="P", help="position (default: the key that contributes most)"
    )


def _read(arguments: argparse.Namespace) -> Ask:
    match = re.fullmatch(r"[Ll]?(\d+)\.[Hh]?(\d+)", arguments.what)
    if match is None:
        raise TransparencyError("invalidParams", f"{arguments.what!r} is not a head.", "Heads are LAYER.HEAD, 23.4.")
    layer, head = int(match[1]), int(match[2])

    def ask(analysis: Analysis) -> HeadResult:
        from ...inspection.heads import inspect_head

        return inspect_head(
            analysis,
            layer,
            head,
            arguments.query,
            arguments.key,
            top_k=arguments.top_k,
            **reading(arguments, analysis),
        )

    return ask


def _lines(analysis: Analysis, found: HeadResult) -> Iterable[str]:
    from .lines import names, token, update_lines

    at = found.key
    yield (
        f"head {found.layer}.{found.head} at {token(analysis, found.query)} (position {found.query}) looks at "
        f"{token(analysis, at.position)} (position {at.position})"
    )
    yield (
        f"  score {at.score:.3f}, probability {at.probability:.4f}, rank {found.rank + 1} of {found.query + 1}, "
        f"contribution {at.contribution:.4f}"
    )
    yield f"  query reads as {names(analysis, found.query_reads)}"
    yield f"  key reads as   {names(analysis, found.key_reads)}"
    yield "\nkeys that contribute most"
    for key in found.keys:
        name = f"{key.position} {token(analysis, key.position)}"
        yield f"  {name:<20} contribution {key.contribution:.4f}  attention {key.probability:.4f}"
    yield from update_lines(analysis, found.update, "the head")
    yield from update_lines(analysis, found.part, "this key's part")


QUESTION = Question(
    "head",
    "L.H",
    "23.4: the keys that the head attends to from --query, why, and the tokens it promotes",
    _read,
    _lines,
    _add_options,
)
