"""The proof, measured on every analysis: the parts of each sublayer sum to what the model computed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .trace import Trace

#: Largest relative error that rounding explains, by the model's precision (method.md, section 2).
TOLERANCES = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 2e-2}


Part = Literal["attention", "ffn", "layer"]


@dataclass(frozen=True)
class LayerError:
    """`‖whole − Σ parts‖₂ / ‖whole‖₂`, the largest over positions, of the sublayers of one layer and of all of it.

    `attention`, `ffn` are None in a parallel block, which adds both in one step.
    """

    attention: float | None
    ffn: float | None
    whole: float

    @property
    def worst_part(self) -> Part:
        """The sublayer with the largest error; in a parallel block the layer."""
        if self.attention is None or self.ffn is None:
            return "layer"
        # a NaN is worse than any number, and no comparison finds it
        return "attention" if self.attention != self.attention or self.attention > self.ffn else "ffn"

    @property
    def largest(self) -> float:
        """What the proof goes by: the larger error of the sublayers."""
        return {"attention": self.attention, "ffn": self.ffn, "layer": self.whole}[self.worst_part]  # type: ignore[return-value]


@dataclass(frozen=True)
class Proof:
    """The error of each layer and overall, and how much of it rounding explains."""

    layers: tuple[LayerError, ...]
    tolerance: float

    @property
    def per_layer(self) -> tuple[float, ...]:
        return tuple(layer.largest for layer in self.layers)

    @property
    def max_relative_error(self) -> float:
        return self.layers[self.worst_layer].largest

    @property
    def worst_layer(self) -> int:
        # a NaN is worse than any number; max() of the errors alone would pass over it
        errors = self.per_layer
        return max(range(len(errors)), key=lambda i: (math.isnan(errors[i]), errors[i]))

    @property
    def worst_part(self) -> Part:
        return self.layers[self.worst_layer].worst_part

    @property
    def holds(self) -> bool:
        # a comparison with NaN is False: an overflow fails the proof
        return self.max_relative_error <= self.tolerance

    def sentence(self) -> str:
        """What to tell a person when the proof does not hold."""
        part = {"attention": "the attention of ", "ffn": "the feed-forward block of ", "layer": ""}[self.worst_part]
        return (
            f"The parts do not sum to what the model computed: {part}layer {self.worst_layer} is off by "
            f"{self.max_relative_error:.1e} of its norm (tolerance {self.tolerance:.0e}). "
            "The routes of this analysis cannot be trusted."
        )


def attention_output(
    weights: Float[Tensor, "head query key"],
    values: Float[Tensor, "head key d_head"],
    w_o: Float[Tensor, "head d_head d_model"],
) -> Float[Tensor, "query d_model"]:
    """Σ_{s,h} w_{h,t,s} · v_{h,s} · W_O^h, float32: what the heads of a layer write, without the bias.

    `weights`: α, with the scale of a norm behind it (`LayerRecord.weights`); `w_o` as `Block.w_o` gives it.
    """
    return (weights @ values).transpose(0, 1).flatten(1) @ w_o.flatten(0, 1)


def attention_bias(trace: Trace, layer: int) -> Float[Tensor, "position d_model"] | None:
    """What the biases of an attention block add to the residual at every position; None where there are none."""
    block, record = trace.anatomy.blocks[layer], trace.layers[layer]
    return block.after_attention.bias(block.b_o(), record.attention_scale, trace.n_tokens)


def layer_error(trace: Trace, layer: int, heads_wrote: Float[Tensor, "query d_model"]) -> LayerError:
    """The proof of one layer: the relative errors of its two sublayers (of both in one, in a parallel block).

    `heads_wrote`: see `attention_output`.
    """
    record = trace.layers[layer]
    # in numpy: for so little work, waking torch's threads takes longer than the work
    attention = heads_wrote.cpu().numpy()
    bias = attention_bias(trace, layer)
    if bias is not None:
        attention = attention + bias.cpu().numpy()
    pre, mid, ffn, post = (x.float().cpu().numpy() for x in (record.pre, record.mid, record.ffn, record.post))
    if trace.anatomy.parallel:
        return LayerError(None, None, _relative(post, pre + attention + ffn))
    after_attention = pre + attention
    whole = _relative(post, after_attention + ffn)
    return LayerError(_relative(mid, after_attention), _relative(post, mid + ffn), whole)


def _relative(whole: Float[np.ndarray, "position d_model"], parts: Float[np.ndarray, "position d_model"]) -> float:
    error, norm = (np.sqrt(np.einsum("td,td->t", x, x, dtype=np.float64)) for x in (whole - parts, whole))
    return float((error / np.maximum(norm, np.finfo(np.float64).tiny)).max())
