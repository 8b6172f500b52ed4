"""The effects of units of a run on a prediction: predicted by a gradient, measured by interventions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .values import Float32, Uint32

#: What a unit is set to: the default of its kind, nothing, or its mean over the prompt's positions after the first.
How = Literal["default", "zero", "mean"]
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
class FaithfulnessResult:
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
    faithfulness: FaithfulnessResult | None
    proof: ShareProof
    timing: EffectsTiming
    #: What could not be done, and why.
    notices: tuple[str, ...] = ()
    #: Whether everything was measured that was asked for.
    complete: bool = True


@dataclass(frozen=True, kw_only=True)
class MetricChoice:
    """The number m that effects are counted in. `position` None: that of the model's answer. `target` None: the
    predicted token. Tokens are named by their text or as `#ID`. `how`: what removed units are set to. `behind`: a
    client asks by itself, so any other request goes first.
    """

    run_id: str
    position: int | None = None
    metric: MetricKind = "logit"
    target: str | None = None
    contrast: str | None = None
    how: How = "default"
    behind: bool = False
    work_done_token: str = ""


@dataclass(frozen=True, kw_only=True)
class PredictEffectsParams(MetricChoice):
    """Predicts the effects of all units with one backward pass. `top`: units listed of each kind. `shares`: with those
    of the tokens, which take another pass; the strongest tokens are then those with the largest shares.
    """

    top: int = 60
    shares: bool = True


@dataclass(frozen=True)
class PredictEffectsResult:
    """`edge…`: the edges predicted strongest, strongest first. `heads` [layer, head]: each head's, summed over
    positions; `ffn` [layer, position]; `tokens`, `shares` [position]. Arrays end at `position`. None where the model
    has no gradient, or the metric no shares.

    `units`: the strongest heads, blocks, neurons, experts and tokens, none measured; of each kind those to measure
    first come first. `share_error`: as in `ShareProof`.
    """

    position: int
    metric: MetricValue
    edge_layer: Uint32
    edge_query: Uint32
    edge_key: Uint32
    edge_effect: Float32
    heads: Float32 | None
    ffn: Float32 | None
    tokens: Float32 | None
    shares: Float32 | None
    units: tuple[UnitEffect, ...]
    share_error: float | None
    notices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MeasureEffectsParams(MetricChoice):
    """Measures `units` (docs/effects.md#units), the first ones first, for about `seconds`."""

    units: list[str] = field(default_factory=list[str])
    seconds: float = 0.25


@dataclass(frozen=True)
class MeasureEffectsResult:
    """`units`: those that were measured in time, at least one. Whoever asked asks for the rest."""

    units: tuple[UnitEffect, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class KnockOutParams(MetricChoice):
    """Runs the model without `unit`, one or several (`U+U`). `top_k`: outputs before and after that are listed."""

    unit: str
    top_k: int = 6


@dataclass(frozen=True)
class OutputChange:
    """An output's probability (None for a regression) and logit in the clean run and in the changed one."""

    id: int
    text: str
    before: float | None
    after: float | None
    logit_before: float
    logit_after: float


@dataclass(frozen=True)
class KnockOutResult:
    """`outputs`: the most probable before or after, most probable before first; with target and contrast."""

    effect: UnitEffect
    metric: MetricValue
    outputs: tuple[OutputChange, ...]


@dataclass(frozen=True, kw_only=True)
class FaithfulnessParams(MetricChoice):
    """How far a drawing holds m. `threshold` None: the automatic one. `predicted`, `measured`: effects of the same
    edges, those predicted strongest.
    """

    threshold: float | None = None
    renormalize: bool = True
    predicted: list[float] = field(default_factory=list[float])
    measured: list[float] = field(default_factory=list[float])
