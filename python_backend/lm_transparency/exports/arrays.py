"""All contributions of an analysis, dense, before thresholding."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ambient import guarded
from ..analysis.result import Analysis
from ..routes.contributions import each_layer
from ..watch import Watch

_ROWS = ("attention_residual", "attention_bias", "ffn", "ffn_residual")


@guarded
def as_arrays(analysis: Analysis, watch: Watch | None = None) -> dict[str, Any]:
    """`attention` [layer, query, key, head], 0 in layers without heads; the others [layer, position]; float32.

    `mixer` is present where the model has one.
    """
    n_tokens, n_heads = analysis.trace.n_tokens, analysis.trace.n_heads
    layers = list(each_layer(analysis.trace, watch or Watch()))
    attention = np.zeros((len(layers), n_tokens, n_tokens, n_heads), dtype=np.float32)
    for index, layer in enumerate(layers):
        attention[index, ..., : layer.attention.shape[-1]] = layer.attention
    names = (*_ROWS, "mixer") if any(block.mixer for block in analysis.trace.anatomy.blocks) else _ROWS
    rows = {name: np.stack([getattr(layer, name) for layer in layers]).astype(np.float32) for name in names}
    return {"attention": attention, **rows}
