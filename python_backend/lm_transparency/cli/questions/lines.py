"""Text shared by several questions: a token, an update, neurons."""

from __future__ import annotations

from collections.abc import Iterable

from ...analysis.result import Analysis
from ...model.tokens import visible
from ...protocol.ffn import NeuronShare
from ...protocol.inspection import TokenScore, Update


def token(analysis: Analysis, position: int) -> str:
    return visible(analysis.tokens[position].text)


def names(analysis: Analysis, scores: tuple[TokenScore, ...]) -> str:
    """Tokens of a state, each with its probability."""
    readout = analysis.trace.anatomy.readout
    return "  ".join(f"{readout.shown(s.text)} {readout.figure(s.probability or 0.0, s.logit)}" for s in scores)


def update_lines(analysis: Analysis, update: Update, whose: str) -> Iterable[str]:
    """The promoted and suppressed tokens. `whose`: the subject of the headings."""
    readout = analysis.trace.anatomy.readout
    what = " labels" if readout.classifies else ""
    for name, scores in ((f"promotes{what}", update.promoted), (f"suppresses{what}", update.suppressed)):
        if scores:
            yield f"\n{whose} {name}".replace("\n ", "\n")
            yield from (f"  {readout.shown(s.text):<16} {s.logit:+9.3f}" for s in scores)


def neuron_lines(neurons: tuple[NeuronShare, ...]) -> Iterable[str]:
    for n in neurons:
        yield f"  neuron {n.neuron:<6} contribution {n.contribution:.5f}  activation {n.activation:+.4f}"


def expert_name(expert: str) -> str:
    return f"expert {expert}" if expert.isdecimal() else expert.replace("shared", "shared expert ").rstrip()
