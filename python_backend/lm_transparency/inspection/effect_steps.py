"""Effects step by step, as the panel asks for them: all predicted, then a few at a time measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..analysis.result import Analysis
from ..causal.effects import OPENED, Asking, Effect, Effects, by_share, ranked
from ..errors import TransparencyError
from ..model.readout import Readout
from ..protocol.effects import KnockOutResult, MeasureEffectsResult, OutputChange, PredictEffectsResult
from .asking import question
from .metrics import effect_shown, metric_shown, units_named

#: Units that one question may name.
_MOST_UNITS = 256


@question
def predict_effects(analysis: Analysis, asking: Asking, top: int, *, with_shares: bool = True) -> PredictEffectsResult:
    """The predicted effects of all units, from one backward pass, and shares, from another."""
    known, shares = asking.all_predicted, asking.shares if with_shares else None
    listed = {} if known is None else ranked(known)
    if shares is not None:
        listed["token"] = by_share(shares, listed.get("token", []))
    listed |= asking.inside([one.units[0] for one in listed.get("ffn", [])[:OPENED]])
    for kind in ("bias", "residual"):
        listed.pop(kind, None)
    edges = None if known is None else known.edges
    none = np.zeros(0)
    return PredictEffectsResult(
        position=asking.metric.position,
        metric=metric_shown(analysis, asking.metric, asking.value),
        edge_layer=none if edges is None else edges.layer,
        edge_query=none if edges is None else edges.query,
        edge_key=none if edges is None else edges.key,
        edge_effect=none if edges is None else edges.effect,
        heads=None if known is None else known.heads.sum(axis=1),
        ffn=None if known is None else known.ffn,
        tokens=None if known is None else known.tokens,
        shares=None if shares is None else shares.tokens.float().cpu().numpy(),
        units=tuple(effect_shown(analysis, one) for found in listed.values() for one in found[:top]),
        share_error=None if shares is None else shares.error,
        notices=asking.notices,
    )


@question
def measure_effects(analysis: Analysis, asking: Asking, units: Sequence[str], seconds: float) -> MeasureEffectsResult:
    """The measured effects of the first of `units`, for about `seconds`. What was measured when a watch is cancelled
    is returned. Raises `TransparencyError("invalidParams")`, and `Cancelled` before anything was measured.
    """
    if not 1 <= len(units) <= _MOST_UNITS:
        raise TransparencyError("invalidParams", f"{len(units)} units are named.", f"Name 1 to {_MOST_UNITS}.")
    if not seconds > 0:
        raise TransparencyError("invalidParams", f"'seconds' is {seconds}.", "It takes more than 0.")
    named = [units_named(analysis, text, asking.metric.position) for text in units]
    started: list[Effect] = []
    for one in named:
        asking.watch.check()
        started.append(asking.started(one))
    found = Effects(asking.value, started)
    found.measure(asking, seconds, partial=True)
    # a unit that nothing was done to was not reached
    reached = [one for one in found.effects if one.how]
    if not reached:
        asking.watch.check()
        raise TransparencyError("outOfMemory", found.stopped or "Nothing could be measured.")
    return MeasureEffectsResult(tuple(effect_shown(analysis, one) for one in reached), asking.notices)


@question
def knock_out(analysis: Analysis, asking: Asking, unit: str, top_k: int) -> KnockOutResult:
    """The prediction with and without `unit`. Raises `TransparencyError("invalidParams")`."""
    started = asking.started(units_named(analysis, unit, asking.metric.position))
    clean, metric = asking.engine.clean, asking.metric
    effect, changed = asking.measured(started)
    readout = analysis.trace.anatomy.readout
    before, after = (_probabilities(readout, logits) for logits in (clean, changed))
    order = [torch.argsort(-logits)[:top_k].tolist() for logits in (clean, changed)]
    named = [metric.target] if metric.contrast is None else [metric.target, metric.contrast]
    shown = sorted(dict.fromkeys([*order[0], *order[1], *named]), key=lambda i: -float(clean[i]))
    return KnockOutResult(
        effect=effect_shown(analysis, effect),
        metric=metric_shown(analysis, metric, asking.value),
        outputs=tuple(
            OutputChange(
                i,
                analysis.model.output_text(i),
                None if before is None else float(before[i]),
                None if after is None else float(after[i]),
                float(clean[i]),
                float(changed[i]),
            )
            for i in shown
        ),
    )


def _probabilities(readout: Readout, logits: Float[Tensor, "output"]) -> Float[Tensor, "output"] | None:
    return None if readout.task == "value" else readout.probability(logits, logits.logsumexp(dim=-1))
