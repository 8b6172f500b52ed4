"""The metric of a question about effects, and effects as they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from jaxtyping import Float
from torch import Tensor

from ..ambient import guarded
from ..analysis.result import Analysis
from ..causal.checking import checked
from ..causal.effects import Asking, Effect
from ..causal.metric import Metric
from ..causal.units import Unit, parse_units
from ..errors import TransparencyError, check_choice
from ..model.naming import Meant, number_named
from ..protocol.effects import How, MetricKind, MetricValue, Output, UnitEffect
from ..trace.outputs import logits_at
from ..trace.trace import Trace, position_of
from ..watch import Watch
from .tokens import output_meant


def units_named(analysis: Analysis, text: str, last: int) -> tuple[Unit, ...]:
    """The units of `U` or `U+U`, checked. `last`: the position that m is read at. Raises `TransparencyError`."""
    return tuple(checked(analysis.trace, unit, last) for unit in parse_units(text))


@guarded
def asking_about(
    analysis: Analysis,
    position: int | None,
    kind: MetricKind,
    target: str | None,
    contrast: str | bool | None,
    how: How,
    watch: Watch,
    references: Sequence[Trace] = (),
) -> tuple[Asking, tuple[str, ...]]:
    """The gradient and the engine for m, as `inspect_effects` describes it, and notes on tokens that were named.

    Raises as `inspect_effects`.
    """
    check_choice("metric", kind, get_args(MetricKind))
    check_choice("how", how, get_args(How))
    model, trace = analysis.model.model, analysis.trace
    at = position_of(analysis.target if position is None else position, trace.n_tokens)
    metric, notes = _metric_asked(analysis, at, logits_at(model, trace, at), kind, target, contrast)
    return Asking(model, trace, metric, how, watch, references), notes


def _metric_asked(
    analysis: Analysis,
    position: int,
    logits: Float[Tensor, "output"],
    kind: MetricKind,
    target: str | None,
    contrast: str | bool | None,
) -> tuple[Metric, tuple[str, ...]]:
    """m as it was asked for, of the `logits` at `position`, and notes on tokens that were named.

    Raises `TransparencyError("invalidParams")`.
    """
    likely = [Meant(i) for i in logits.float().topk(min(2, len(logits))).indices.tolist()]
    wanted = likely[0] if target is None else output_meant(analysis, target)
    other: Meant | None = None
    if contrast is True:
        # the most probable of the others
        other = next((one for one in likely if one.id != wanted.id), None)
        if other is None:
            raise TransparencyError(
                "invalidParams",
                f"{analysis.model.name} has one output, so there is no runner-up.",
                "Ask for no contrast.",
            )
    elif isinstance(contrast, str):
        other = output_meant(analysis, contrast)
    if other is not None and other.id == wanted.id:
        raise TransparencyError(
            "invalidParams", "Target and contrast are the same token.", "Choose another contrast, or leave it out."
        )
    # the answer names the tokens, so a number says nothing new
    named = [(wanted, target), (other, contrast)]
    texts = [one for one, name in named if one and not (isinstance(name, str) and number_named(name) == one.id)]
    notes = tuple(one.note for one in texts if one.note)
    readout = analysis.trace.anatomy.readout
    return Metric(position, wanted.id, None if other is None else other.id, kind, readout), notes


def metric_shown(analysis: Analysis, metric: Metric, value: float) -> MetricValue:
    def output(number: int) -> Output:
        return Output(number, analysis.model.output_text(number))

    contrast = None if metric.contrast is None else output(metric.contrast)
    return MetricValue(metric.kind, output(metric.target), contrast, value)


def effect_shown(analysis: Analysis, effect: Effect) -> UnitEffect:
    return UnitEffect(
        unit="+".join(map(str, effect.units)),
        kind=effect.kind,
        text="; ".join(_text(analysis, unit) for unit in effect.units),
        how=effect.how,
        predicted=effect.predicted,
        measured=effect.measured,
        kl=effect.kl,
        share=effect.share,
    )


def _text(analysis: Analysis, unit: Unit) -> str:
    """The tokens that a unit stands between or at; empty for a head at all positions."""
    if unit.position is None:
        return ""
    here = analysis.tokens[unit.position].text
    return here if unit.key is None else f"{analysis.tokens[unit.key].text} → {here}"
