"""`inspect expert`: one expert of a mixture."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...errors import TransparencyError
from .question import Ask, Question, block, reading

if TYPE_CHECKING:
    from ...analysis.result import Analysis
    from ...protocol.ffn import ExpertResult


def _read(arguments: argparse.Namespace) -> Ask:
    at = block(arguments.what)
    if not at.expert or at.neuron is not None:
        raise TransparencyError("invalidParams", f"{arguments.what!r} does not name an expert.", "Experts are M22_3@5.")

    def ask(analysis: Analysis) -> ExpertResult:
        from ...inspection.experts import inspect_expert

        k = arguments.top_k
        return inspect_expert(
            analysis, at.layer, at.expert, at.position, top_k=k, neurons_k=k, **reading(arguments, analysis)
        )

    return ask


def _lines(analysis: Analysis, found: ExpertResult) -> Iterable[str]:
    from .lines import expert_name, neuron_lines, token, update_lines

    yield (
        f"{expert_name(found.expert)} of layer {found.layer} at {token(analysis, found.position)} (position "
        f"{found.position}): gate {found.gate:.4f}, contribution {found.contribution:.4f}"
    )
    if found.notice:
        yield f"  {found.notice}"
    yield from update_lines(analysis, found.update, "")
    if found.neurons:
        yield (
            f"\n{found.n_neurons} neurons together {found.neurons_total:.4f}, other experts {found.others:.4f}, "
            f"residual {found.residual:.4f}, bias {found.bias:.4f}; {found.n_contributing} contribute"
        )
        yield from neuron_lines(found.neurons)
    yield "\ngate by position"
    for position, gate in enumerate(found.gates):
        yield f"  {position:<4} {token(analysis, position):<16} {f'{gate:.4f}' if gate else '-'}"


QUESTION = Question(
    "expert",
    "EXPERT",
    "M22_3@5 or M22_3@shared: the tokens that it promotes and suppresses, its gate, its neurons",
    _read,
    _lines,
)
