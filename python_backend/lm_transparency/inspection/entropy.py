"""The entropy of attention rows: 0 bits for attention to one key, log₂ n for equal attention to n keys."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ..analysis.result import Analysis
from ..protocol.heads import HeadEntropyResult
from ..trace.trace import check_heads
from .asking import question
from .tokens import place_of


@question
def inspect_entropy(analysis: Analysis, layer: int, query: int) -> HeadEntropyResult:
    """The entropy of every head's attention at `query`. Raises `TransparencyError` for an index out of range."""
    query, _ = place_of(analysis, layer, query)
    check_heads(analysis.trace, layer)
    rows = analysis.trace.layers[layer].attention.probabilities(queries=slice(query, query + 1))[:, 0, : query + 1]
    return HeadEntropyResult(layer, query, entropy(rows), math.log2(query + 1))


def entropy(rows: Float[Tensor, "head key"]) -> Float[np.ndarray, "head"]:
    """−Σ p log₂ p of each row, in bits; a key without attention adds nothing."""
    p = rows.double()
    return -(p * p.clamp_min(1e-300).log2()).sum(dim=-1).cpu().numpy()
