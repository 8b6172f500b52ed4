"""All contributions of an analysis, dense, before thresholding."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis import Analysis
from ..routes.contributions import each_layer
from ..watch import Watch

_NAMES = ("attention", "attention_residual", "attention_bias", "ffn", "ffn_residual")


def as_arrays(analysis: Analysis, watch: Watch | None = None) -> dict[str, Any]:
    """`attention` [layer, query, key, head], the others [layer, position]; float32."""
    layers = list(each_layer(analysis.trace, watch or Watch()))
    return {name: np.stack([getattr(layer, name) for layer in layers]).astype(np.float32) for name in _NAMES}
