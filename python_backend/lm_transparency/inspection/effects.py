"""What caused a prediction: effects of the run's units on a logit, a difference of logits or a log-probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from jaxtyping import Float
from torch import Tensor

from ..analysis.result import Analysis
from ..causal.agreement import rank_agreement, sign_agreement
from ..causal.checking import checked
from ..causal.circuit import carried
from ..causal.effects import DEFAULT, Asking, Budget, Effect, Effects, effects
from ..causal.metric import Metric
from ..causal.parts import How
from ..causal.shares import Shares
from ..causal.units import Unit, parse_units
from ..errors import TransparencyError, check_choice
from ..model.naming import Meant
from ..protocol.effects import (
    EffectsResult,
    EffectsTiming,
    Faithfulness,
    MetricKind,
    MetricValue,
    Output,
    ShareProof,
    UnitEffect,
)
from ..trace.outputs import read_all
from ..trace.trace import Trace, position_of
from ..watch import Watch
from .asking import question
from .tokens import output_meant

#: Edges, those predicted strongest, whose predictions are compared with measurements.
_AGREEING = 20


@question
def inspect_effects(
    analysis: Analysis,
    *,
    position: int | None = None,
    metric: MetricKind = "logit",
    target: str | None = None,
    contrast: str | bool | None = None,
    how: How = "default",
    references: Sequence[Analysis] = (),
    units: Sequence[str] | None = None,
    budget: Budget | None = None,
    partial: bool = False,
    watch: Watch | None = None,
) -> EffectsResult:
    """The effects of units on the prediction at `position` (negative from the end; None: the model's answer).

    m is the logit of `target` (None: the predicted token), less that of `contrast` (True: the runner-up). Tokens are
    named by their text or as `#ID`. An effect is m(clean) − m(without the unit): positive supports the target. `units`:
    measure just these, each `U` or `U+U` (`causal.units`); otherwise the strongest of each kind, within `budget`.
    `how`: what removed units are set to; `references`: runs of the same model whose positions a mean is over.
    `partial`: once something is measured, Ctrl-C or `watch.cancel()` ends it with what is known (`complete` is False).

    Raises `TransparencyError` (`invalidParams`, `invalidPosition`, `modelUnsupported`) and, within one layer's time of
    `watch.cancel()`, `Cancelled`.
    """
    check_choice("metric", metric, get_args(MetricKind))
    check_choice("how", how, get_args(How))
    trace, watch = read_all(analysis.model.model, analysis.trace), watch or Watch()
    at = position_of(analysis.target if position is None else position, trace.n_tokens)
    named = [] if units is None else [_units(analysis, text, at) for text in units]
    wanted, notes = _metric(analysis, at, trace.logits[at], metric, target, contrast)
    if any(one.model.model is not analysis.model.model for one in references):
        raise TransparencyError(
            "invalidParams", "A reference is a run of another model.", "Analyze its prompt with the same loaded model."
        )
    asking = Asking(analysis.model.model, trace, wanted, how, watch, [one.trace for one in references])
    budget = budget or DEFAULT
    if units is None:
        found = effects(asking, analysis.contributions, wanted, budget, partial=partial)
    else:
        found = _named(asking, named, partial)
    drawn = None if units is not None or found.stopped else _faithfulness(analysis, trace, wanted, found, watch)
    return EffectsResult(
        position=at,
        metric=_shown(analysis, wanted, found.value),
        units=tuple(_effect(analysis, one) for one in found.effects),
        faithfulness=drawn,
        proof=ShareProof(None if found.shares is None else found.shares.error),
        timing=EffectsTiming(analysis.forward_s, found.backward_s, found.measured_s, found.n_measured),
        notices=(*notes, *found.notices, found.stopped) if found.stopped else (*notes, *found.notices),
        complete=not found.stopped,
    )


def _units(analysis: Analysis, text: str, last: int) -> tuple[Unit, ...]:
    return tuple(checked(analysis.trace, unit, last) for unit in parse_units(text))


def _named(asking: Asking, named: Sequence[tuple[Unit, ...]], partial: bool) -> Effects:
    started = [Effect(units, "", asking.predict(units)) for units in named]
    result = Effects(asking.value, started, asking.backward_s, notices=asking.notices)
    result.measure(asking, partial=partial)
    if not result.stopped and any(len(units) == 1 and units[0].kind == "token" for units in named):
        result.shares, result.notices = asking.shares(), asking.notices
    if result.shares is not None:
        result.effects = [_with_share(one, result.shares) for one in result.effects]
    return result


def _with_share(effect: Effect, found: Shares) -> Effect:
    if effect.kind != "token" or effect.units[1:]:
        return effect
    return replace(effect, share=float(found.tokens[effect.units[0].position or 0]))


def _faithfulness(analysis: Analysis, trace: Trace, metric: Metric, found: Effects, watch: Watch) -> Faithfulness:
    """Faithfulness of the drawing at its automatic threshold, and agreement on the edges predicted strongest."""
    edges = [one for one in found.effects if one.kind == "edge" and one.predicted is not None]
    edges = sorted(edges, key=lambda one: -abs(one.predicted or 0.0))[:_AGREEING]
    pairs = [(one.predicted or 0.0, one.measured) for one in edges if one.measured is not None]
    drawn = analysis.routes(metric.position, None).edges
    routes = [(e.target.layer, e.target.position, e.source.position) for e in drawn if e.kind == "attention"]
    share = carried(analysis.model.model, trace, metric, routes, watch)
    return Faithfulness(len(pairs), sign_agreement(pairs), rank_agreement(pairs), share.kept, share.removed)


def _metric(
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
    notes = tuple(one.note for one in (wanted, other) if one is not None and one.note)
    readout = analysis.trace.anatomy.readout
    return Metric(position, wanted.id, None if other is None else other.id, kind, readout), notes


def _shown(analysis: Analysis, metric: Metric, value: float) -> MetricValue:
    def output(number: int) -> Output:
        return Output(number, analysis.model.output_text(number))

    contrast = None if metric.contrast is None else output(metric.contrast)
    return MetricValue(metric.kind, output(metric.target), contrast, value)


def _effect(analysis: Analysis, effect: Effect) -> UnitEffect:
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
