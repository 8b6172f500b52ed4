"""Effects as a list in words, for the terminal and for language models."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from ..analysis.result import Analysis
from ..model.tokens import visible
from ..protocol.effects import EffectsResult, Output, UnitEffect

_ARROW = " → "
_TITLES = {
    "edge": "edges",
    "edge_head": "heads of edges",
    "head": "heads",
    "head_all": "heads at all positions",
    "ffn": "feed-forward blocks",
    "neuron": "neurons",
    "expert": "experts",
    "bias": "biases",
    "residual": "residual states",
    "token": "tokens",
}


def effect_lines(analysis: Analysis, found: EffectsResult) -> Iterator[str]:
    """The lines of a list: the metric, units by kind, agreement and time."""

    def name(output: Output) -> str:
        return analysis.trace.anatomy.readout.shown(output.text)

    metric = found.metric
    words = {"logit": "logit", "logprob": "log-probability"}[metric.kind]
    less = "" if metric.contrast is None else f" less that of {name(metric.contrast)}"
    at = visible(analysis.tokens[found.position].text)
    yield f"m = {metric.value:+.4f}: the {words} of {name(metric.target)}{less}, after {at} (position {found.position})"
    yield "An effect is m − m without the unit. Positive supports the target. Kinds do not compare with each other."
    yield from found.notices
    for kind, units in groupby(found.units, key=lambda effect: effect.kind):
        yield f"\n{_TITLES[kind]}"
        yield f"  {'measured':>9}  {'predicted':>9}  {'KL':>8}  {'share':>8}  unit"
        yield from (_line(unit) for unit in units)
    yield from _agreement(found)
    timing = found.timing
    yield (
        f"\n{timing.n_measured} changed runs in {timing.measured_s:.2f} s; forward {timing.forward_s:.2f} s, "
        f"gradient {timing.backward_s:.2f} s"
    )


def _agreement(found: EffectsResult) -> Iterator[str]:
    if found.proof.share_error is not None:
        yield f"\nShares of tokens, positions and biases sum to m: error {found.proof.share_error:.0e} of their sizes."
    drawing = found.faithfulness
    if drawing is None:
        return
    if drawing.sign is not None and drawing.rho is not None:
        yield (
            f"\nOf the {drawing.n} edges predicted strongest, {100 * drawing.sign:.0f} % have the measured sign; rank "
            f"correlation of sizes {drawing.rho:.2f}."
        )
    if drawing.kept is not None and drawing.removed is not None:
        yield (
            f"The drawn edges alone carry {_percent(drawing.kept)} of m, all others {_percent(drawing.removed)} "
            "(edges left out at their mean; single effects do not add up)."
        )


def _percent(part: float) -> str:
    # adding 0 takes the sign off a zero
    return f"{round(100 * part) + 0} %"


def _line(unit: UnitEffect) -> str:
    def figure(value: float | None, form: str) -> str:
        return "—" if value is None else format(value, form)

    how = f" ({unit.how})" if unit.how else ""
    return (
        f"  {figure(unit.measured, '+.4f'):>9}  {figure(unit.predicted, '+.4f'):>9}  {figure(unit.kl, '.4f'):>8}  "
        f"{figure(unit.share, '+.4f'):>8}  "
        f"{unit.unit}  {_ARROW.join(map(visible, unit.text.split(_ARROW)))}{how}"
    )
