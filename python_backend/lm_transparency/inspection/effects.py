"""What caused a prediction: effects of the run's units on a logit, a difference of logits or a log-probability."""

from __future__ import annotations

from collections.abc import Sequence

from ..ambient import guarded
from ..analysis.result import Analysis
from ..causal.agreement import rank_agreement, sign_agreement
from ..causal.circuit import carried
from ..causal.effects import DEFAULT, Asking, Budget, Effects, effects, with_share
from ..causal.units import Unit
from ..errors import TransparencyError
from ..protocol.effects import EffectsResult, EffectsTiming, FaithfulnessResult, How, MetricKind, ShareProof
from ..routes.graph import RouteGraph
from ..watch import Watch
from .asking import question
from .metrics import asking_about, effect_shown, metric_shown, units_named

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
    if any(one.model.model is not analysis.model.model for one in references):
        raise TransparencyError(
            "invalidParams", "A reference is a run of another model.", "Analyze its prompt with the same loaded model."
        )
    asking, notes = asking_about(
        analysis, position, metric, target, contrast, how, watch or Watch(), [one.trace for one in references]
    )
    at = asking.metric.position
    named = [] if units is None else [units_named(analysis, text, at) for text in units]
    budget = budget or DEFAULT
    if units is None:
        found = effects(asking, analysis.contributions, asking.metric, budget, partial=partial)
    else:
        found = _named(asking, named, partial)
    drawn = None if units is not None or found.stopped else _faithfulness(analysis, asking, found)
    return EffectsResult(
        position=at,
        metric=metric_shown(analysis, asking.metric, found.value),
        units=tuple(effect_shown(analysis, one) for one in found.effects),
        faithfulness=drawn,
        proof=ShareProof(None if found.shares is None else found.shares.error),
        timing=EffectsTiming(analysis.forward_s, found.backward_s, found.measured_s, found.n_measured),
        notices=(*notes, *found.notices, found.stopped) if found.stopped else (*notes, *found.notices),
        complete=not found.stopped,
    )


def _named(asking: Asking, named: Sequence[tuple[Unit, ...]], partial: bool) -> Effects:
    result = Effects(
        asking.value, [asking.started(units) for units in named], asking.backward_s, notices=asking.notices
    )
    result.measure(asking, partial=partial)
    if not result.stopped and any(len(units) == 1 and units[0].kind == "token" for units in named):
        result.shares, result.notices = asking.shares, asking.notices
    result.effects = [with_share(one, result.shares) for one in result.effects]
    return result


def _faithfulness(analysis: Analysis, asking: Asking, found: Effects) -> FaithfulnessResult:
    """Faithfulness of the drawing at its automatic threshold, and agreement on the edges predicted strongest."""
    edges = [one for one in found.effects if one.kind == "edge" and one.predicted is not None]
    edges = sorted(edges, key=lambda one: -abs(one.predicted or 0.0))[:_AGREEING]
    pairs = [(one.predicted or 0.0, one.measured) for one in edges if one.measured is not None]
    return faithfulness(asking, analysis.routes(asking.metric.position, None), pairs)


@guarded
def faithfulness(asking: Asking, graph: RouteGraph, pairs: Sequence[tuple[float, float]]) -> FaithfulnessResult:
    """How much of m the attention edges of `graph` carry. `pairs`: (predicted, measured) effects of edges."""
    routes = [(e.target.layer, e.target.position, e.source.position) for e in graph.edges if e.kind == "attention"]
    share = carried(asking.model, asking.trace, asking.metric, routes, asking.watch)
    return FaithfulnessResult(len(pairs), sign_agreement(pairs), rank_agreement(pairs), share.kept, share.removed)
