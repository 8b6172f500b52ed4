"""How far predicted effects agree with measured ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: (predicted, measured).
Pairs = Sequence[tuple[float, float]]


def sign_agreement(pairs: Pairs) -> float | None:
    """The fraction of pairs with one sign; None for no pairs."""
    return float(np.mean([(a > 0) == (b > 0) for a, b in pairs])) if pairs else None


def rank_agreement(pairs: Pairs, *, signed: bool = False) -> float | None:
    """Spearman's correlation of |predicted| with |measured|, or of the effects; None for fewer than three pairs or ties
    alone.
    """
    if len(pairs) < 3:
        return None
    a, b = (np.array(column) if signed else np.abs(column) for column in zip(*pairs, strict=True))
    a, b = _ranks(a), _ranks(b)
    if a.std() == 0 or b.std() == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0; equal values share the mean of their places."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    return ((ends - counts + ends - 1) / 2)[inverse]
