"""The effects of units of a run on a prediction: predicted by a gradient, measured by interventions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MetricKind = Literal["logit", "logprob"]
UnitKind = Literal["edge", "edge_head", "head", "head_all", "ffn", "neuron", "expert", "bias", "residual", "token"]


@dataclass(frozen=True)
class Output:
    """A token of the vocabulary, or a label of a classifier."""

    id: int
    text: str


@dataclass(frozen=True)
class MetricValue:
    """The number m that effects are counted in, and its value in the clean run: the logit (or log-probability) of
    `target`, less that of `contrast` where there is one.
    """

    kind: MetricKind
    target: Output
    contrast: Output | None
    value: float


@dataclass(frozen=True)
class UnitEffect:
    """The effect of one unit, or of several at once, on m: m(clean) − m(without it). Positive supports the target.

    `unit`: its name (docs/effects.md#units). `text`: the tokens that it stands between or at. `how`: what it was set to
    (`zero`, `mean`) or, of a token, that attention to it was `knocked out`. `predicted`: gradient · (part − baseline).
    `measured`, `kl`: of a real run without it; KL(clean ‖ changed) of the next-token distributions, in nats. `share`:
    the conserved share of a token or bias in m. None: not asked for, or not known.
    """

    unit: str
    kind: UnitKind
    text: str
    how: str
    predicted: float | None
    measured: float | None
    kl: float | None
    share: float | None


@dataclass(frozen=True)
class Faithfulness:
    """How far predictions and the drawing agree with measurements.

    `n`: edges measured of those predicted strongest; `sign`, `rho`: the fraction of equal signs, and Spearman's rank
    correlation of |predicted| with |measured|. `kept`: (m(drawn edges alone) − m(none)) / (m(all) − m(none)), with all
    other attention edges at their mean; `removed`: the same with the drawn edges taken out.
    """

    n: int
    sign: float | None
    rho: float | None
    kept: float | None
    removed: float | None


@dataclass(frozen=True)
class ShareProof:
    """`share_error`: |m − Σ shares| / Σ |share|; None where there are no shares."""

    share_error: float | None


@dataclass(frozen=True)
class EffectsTiming:
    """Seconds. `n_measured`: runs that were changed."""

    forward_s: float
    backward_s: float
    measured_s: float
    n_measured: int


@dataclass(frozen=True)
class EffectsResult:
    """Effects on the prediction at `position`; in each kind of unit the strongest first. Kinds do not compare."""

    position: int
    metric: MetricValue
    units: tuple[UnitEffect, ...]
    faithfulness: Faithfulness | None
    proof: ShareProof
    timing: EffectsTiming
    #: What could not be done, and why.
    notices: tuple[str, ...] = ()
    #: Whether everything was measured that was asked for.
    complete: bool = True
