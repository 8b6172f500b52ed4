"""`inspect neuron`: one neuron of a feed-forward block or of an expert."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...errors import TransparencyError
from .question import Ask, Question, block, reading

if TYPE_CHECKING:
    from ...analysis.result import Analysis
    from ...protocol.ffn import NeuronResult


def _read(arguments: argparse.Namespace) -> Ask:
    at = block(arguments.what)
    neuron = at.neuron
    if neuron is None:
        raise TransparencyError(
            "invalidParams", f"{arguments.what!r} does not name a neuron.", "Neurons are M22_3#831."
        )

    def ask(analysis: Analysis) -> NeuronResult:
        from ...inspection.experts import inspect_expert_neuron
        from ...inspection.ffn import inspect_neuron

        k, read = arguments.top_k, reading(arguments, analysis)
        if at.expert:
            return inspect_expert_neuron(analysis, at.layer, at.expert, neuron, at.position, top_k=k, **read)
        return inspect_neuron(analysis, at.layer, neuron, at.position, top_k=k, **read)

    return ask


def _lines(analysis: Analysis, found: NeuronResult) -> Iterable[str]:
    from .lines import expert_name, token, update_lines

    share, whose = found.share, f"{expert_name(found.expert)}, " if found.expert else ""
    yield (
        f"neuron {share.neuron} of {whose}layer {found.layer} at {token(analysis, found.position)} (position "
        f"{found.position}): activation {share.activation:+.4f}, contribution {share.contribution:.5f}"
    )
    yield from update_lines(analysis, found.update, "")
    yield "\nactivation by position"
    for position, activation in enumerate(found.activations):
        yield f"  {position:<4} {token(analysis, position):<16} {activation:+.4f}"


QUESTION = Question(
    "neuron",
    "NEURON",
    "'M22_3#831', or 'M22_3@5#17' in an expert: the tokens that it promotes, its activations",
    _read,
    _lines,
)
