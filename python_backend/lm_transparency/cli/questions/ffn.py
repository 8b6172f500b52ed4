"""`inspect ffn`: a feed-forward block by neuron or, in a mixture of experts, by expert."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...errors import TransparencyError
from .question import Ask, Question, block, reading

if TYPE_CHECKING:
    from ...analysis.result import Analysis
    from ...protocol.ffn import FfnExpertsResult, FfnNeuronsResult


def _read(arguments: argparse.Namespace) -> Ask:
    at = block(arguments.what)
    if at.expert or at.neuron is not None:
        raise TransparencyError(
            "invalidParams",
            f"{arguments.what!r} names a part of a feed-forward block.",
            "Ask `inspect neuron` or `inspect expert` about it, or name the block alone: M<layer>_<position>.",
        )

    def ask(analysis: Analysis) -> FfnNeuronsResult | FfnExpertsResult:
        from ...inspection.experts import inspect_experts
        from ...inspection.ffn import inspect_ffn

        blocks = analysis.trace.anatomy.blocks
        if at.layer < len(blocks) and blocks[at.layer].experts is not None:
            return inspect_experts(
                analysis, at.layer, at.position, top_k=arguments.top_k, **reading(arguments, analysis)
            )
        return inspect_ffn(analysis, at.layer, at.position, top_k=arguments.top_k)

    return ask


def _lines(analysis: Analysis, found: FfnNeuronsResult | FfnExpertsResult) -> Iterable[str]:
    from ...protocol.ffn import FfnNeuronsResult
    from .lines import neuron_lines, token

    yield (
        f"feed-forward block of layer {found.layer} at {token(analysis, found.position)} (position {found.position}): "
        f"contribution {found.block_contribution:.4f}"
    )
    if isinstance(found, FfnNeuronsResult):
        yield (
            f"  {found.n_neurons} neurons together {found.neurons_total:.4f}, residual {found.residual:.4f}, "
            f"bias {found.bias:.4f}; {found.n_contributing} contribute\n"
        )
        yield from neuron_lines(found.neurons)
    else:
        yield from _expert_lines(found)


def _expert_lines(found: FfnExpertsResult) -> Iterable[str]:
    from ...model.tokens import visible
    from .lines import expert_name

    yield (
        f"  {len(found.experts)} experts together {found.experts_total:.4f}, residual {found.residual:.4f}, "
        f"bias {found.bias:.4f}; they sum to the block within {found.error:.1e}\n"
    )
    if found.notice:
        yield f"  {found.notice}\n"
    for e in found.experts:
        promoted = "  ".join(visible(s.text) for s in e.promoted[:5])
        yield f"  {expert_name(e.expert):<14} contribution {e.contribution:.4f}  gate {e.gate:.4f}  {promoted}"
    yield f"\nrouter, of {found.n_experts} experts"
    for r in found.router:
        probability = "" if r.probability is None else f"  {found.scoring} {r.probability:.4f}"
        gate = f"  gate {r.gate:.4f}" if r.gate else ""
        yield f"  expert {r.expert:<6} logit {r.logit or 0.0:+.3f}{probability}{gate}"


QUESTION = Question(
    "ffn",
    "NODE",
    "M22_3: the neurons of the feed-forward block that contribute most, or its experts",
    _read,
    _lines,
)
