"""Effects that come from elsewhere (a panel, a file, a caller), checked against the run that they are shown with."""

from __future__ import annotations

from dataclasses import replace

from ..ambient import guarded
from ..analysis.result import Analysis
from ..causal.effects import Effect
from ..errors import TransparencyError
from ..printable import whole_characters
from ..protocol.effects import EffectsResult, Output, UnitEffect
from ..trace.trace import position_of
from .asking import all_finite
from .metrics import effect_shown, units_named
from .tokens import check_token

#: Units that effects may have: more than a panel of any size asks for.
_MOST_UNITS = 100_000


@guarded
def known_effects(analysis: Analysis, found: EffectsResult, position: int) -> EffectsResult:
    """`found`, with the names and texts that this run has for its units and tokens.

    Raises `TransparencyError`: `invalidParams` for effects on another position than `position`, for units or tokens
    that this run does not have, and for numbers that are not finite; `invalidPosition`.
    """
    if len(found.units) > _MOST_UNITS:
        raise TransparencyError("invalidParams", f"{len(found.units)} units are named.", f"Name up to {_MOST_UNITS}.")
    if not all_finite(found):
        raise TransparencyError(
            "invalidParams", "The effects hold a number that is not finite.", "Measure the effects again."
        )
    n_tokens = analysis.trace.n_tokens
    at, position = position_of(found.position, n_tokens), position_of(position, n_tokens)
    if at != position:
        raise TransparencyError(
            "invalidParams",
            f"The effects are on the prediction at position {at}, and the graph leads to position {position}.",
            "Take effects and graph of the same position.",
        )
    metric = found.metric
    contrast = None if metric.contrast is None else _output(analysis, metric.contrast.id)
    return replace(
        found,
        position=at,
        metric=replace(metric, target=_output(analysis, metric.target.id), contrast=contrast),
        notices=tuple(map(whole_characters, found.notices)),
        units=tuple(_unit(analysis, unit, at) for unit in found.units),
    )


def _output(analysis: Analysis, number: int) -> Output:
    check_token(analysis, number)
    return Output(number, analysis.model.output_text(number))


def _unit(analysis: Analysis, given: UnitEffect, last: int) -> UnitEffect:
    units = units_named(analysis, given.unit, last)
    how = whole_characters(given.how)
    shown = effect_shown(analysis, Effect(units, how, given.predicted, given.measured, given.kl, given.share))
    if shown.kind != given.kind:
        raise TransparencyError(
            "invalidParams", f"{shown.unit} is of kind {shown.kind}, not {given.kind}.", "Measure the effects again."
        )
    return shown
