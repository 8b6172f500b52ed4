"""The oracle: the definition of a contribution, plain and slow. Only tests call it, to check every kernel against it.

prox(x, y) = max(clip, ‖y‖ − ‖y − x‖). The contribution of a part is its proximity divided by the sum of all parts'
proximities (docs/method.md#contribution; Ferrando & Voita, arXiv 2403.00824, section 2, with the L1 norm).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def proximity(
    parts: Float[np.ndarray, "*part d"], whole: Float[np.ndarray, "d"], *, norm: int = 1, clip: float = 0.0
) -> Float[np.ndarray, "*part"]:
    """The proximity of each part to the whole, in units of the norm (1 or 2), never below `clip`."""
    distance = np.linalg.norm(whole - parts, ord=norm, axis=-1)
    return np.maximum(clip, np.linalg.norm(whole, ord=norm) - distance)


def contributions(
    parts: Float[np.ndarray, "part d"], whole: Float[np.ndarray, "d"], *, norm: int = 1, clip: float = 0.0
) -> Float[np.ndarray, "part"]:
    """The share of each part in the whole. Sums to 1; all 0 where no part has a positive proximity."""
    near = proximity(parts, whole, norm=norm, clip=clip)
    total = near.sum()
    return near / total if total > 0 else np.zeros_like(near)
