"""The statistics of the page: rank agreement, overlap of the strongest, and bootstrap intervals over prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lm_transparency.causal.agreement import rank_agreement

#: Resamples of an interval, and the seed that makes it the same on every run.
RESAMPLES, SEED = 2000, 0


@dataclass(frozen=True)
class Figure:
    """A statistic over `n` prompts with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


def spearman(scores: Sequence[float], truth: Sequence[float], *, signed: bool = False) -> float | None:
    """Spearman's correlation of sizes, or of signed values; None where one side is constant."""
    return rank_agreement(list(zip(scores, truth, strict=True)), signed=signed)


def overlap(scores: Sequence[float], truth: Sequence[float], k: int) -> float | None:
    """The share of the `k` largest |truth| among the `k` largest |scores|; None for `k` units or fewer.

    Ties are broken at random: the expected overlap.
    """
    if len(truth) <= k:
        return None
    return float((_chosen(scores, k) * _chosen(truth, k)).sum() / k)


def _chosen(values: Sequence[float], k: int) -> np.ndarray:
    """The probability of each value to be among the `k` largest in size."""
    sizes = np.abs(values)
    least = np.sort(sizes)[-k]
    above, at = sizes > least, sizes == least
    return above + at * (k - above.sum()) / at.sum()


def bootstrap(
    values: Sequence[float | None], statistic: Callable[..., np.ndarray] = np.mean, *, seed: int = SEED
) -> Figure | None:
    """`statistic` over prompts, and the 2.5th and 97.5th percentile of it over resampled prompts; None for no value."""
    known = np.array([value for value in values if value is not None])
    if not len(known):
        return None
    picks = np.random.default_rng(seed).integers(len(known), size=(RESAMPLES, len(known)))
    low, high = np.percentile(statistic(known[picks], axis=1), (2.5, 97.5))
    return Figure(float(statistic(known)), float(low), float(high), len(known))


def mean_over(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The mean of a curve over its range, by trapezoids: ∫ values d(sizes) / range."""
    return float(np.trapezoid(values, sizes) / (sizes[-1] - sizes[0]))


def covered(candidates: Sequence[str], truth: dict[str, float], k: int) -> float:
    """The share of the `k` units with the largest |truth| that are `candidates`."""
    strongest = sorted(truth, key=lambda unit: -abs(truth[unit]))[:k]
    return sum(unit in set(candidates) for unit in strongest) / len(strongest)
