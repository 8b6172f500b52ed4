"""A lens that is fitted in the background, by the process that has the model."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.options import ModelChoice


@dataclass(frozen=True, kw_only=True)
class EstimateFitParams(ModelChoice):
    """How long a fit of this model's lens takes: a few passes are measured. Loads the model, as the fit would."""

    work_done_token: str = ""


@dataclass(frozen=True)
class EstimateFitResult:
    """`fitted`: sequences that the lens that is here was fitted on; 0 without one. `sequence_seconds`: that each takes
    while nothing else computes.
    """

    fitted: int
    sequence_seconds: float


@dataclass(frozen=True, kw_only=True)
class FitLensParams(ModelChoice):
    """Fits a Jacobian lens on `sequences` sampled from the model, or goes on with the one that is here; None: until its
    readings settle. Any other request goes first. Cancelled, or with another model loaded, what is done is kept.

    `partial_result_token`: of a `FitLensResult` for each sequence that is kept; from the first one on the lens reads.
    """

    sequences: int | None = None
    work_done_token: str = ""
    partial_result_token: str = ""


@dataclass(frozen=True)
class FitLensResult:
    """`sequences`: that the lens is fitted on. `changing`: the share of top tokens that still change, where known."""

    sequences: int
    changing: float | None = None
