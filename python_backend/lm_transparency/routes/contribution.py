"""The definition of a contribution, plain and slow: the oracle that every kernel is checked against.

prox(x, y) = max(clip, ‖y‖ − ‖y − x‖), and a part's contribution is its proximity over the sum of all parts' (Ferrando &
Voita, arXiv 2403.00824, section 2; there with the L1 norm).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def proximity(
    parts: Float[np.ndarray, "*part d"], whole: Float[np.ndarray, "d"], *, norm: int = 1, clip: float = 0.0
) -> Float[np.ndarray, "*part"]:
    """How far each part carries towards the whole, in units of the norm (1 or 2), never below `clip`."""
    distance = np.linalg.norm(whole - parts, ord=norm, axis=-1)
    return np.maximum(clip, np.linalg.norm(whole, ord=norm) - distance)


def contributions(
    parts: Float[np.ndarray, "part d"], whole: Float[np.ndarray, "d"], *, norm: int = 1, clip: float = 0.0
) -> Float[np.ndarray, "part"]:
    """The share of each part in the whole; sums to 1, or is 0 throughout where no part carries towards the whole."""
    near = proximity(parts, whole, norm=norm, clip=clip)
    total = near.sum()
    return near / total if total > 0 else np.zeros_like(near)
