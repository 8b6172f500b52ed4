"""The proof, measured on every analysis: the parts of each sublayer sum to what the model computed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .trace import Trace

#: Largest relative error that rounding explains, by the model's precision (method.md, section 2).
TOLERANCES = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 2e-2}

#: What float32 may lose in the random direction of `outputs_error`.
_TRIAL_ROUNDING = 3e-5


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
        errors = {"attention": self.attention, "ffn": self.ffn, "layer": self.whole}
        return errors[self.worst_part] or 0.0

    def with_heads(self, error: float) -> LayerError:
        """With `error` of the head outputs (`outputs_error`) beside that of what they sum to."""
        if self.attention is None:
            return replace(self, whole=worse(self.whole, error))
        return replace(self, attention=worse(self.attention, error), whole=worse(self.whole, error))


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


@lru_cache(maxsize=1)
def _signs(d_model: int, device: torch.device) -> Float[Tensor, "d_model"]:
    return (torch.randint(0, 2, (d_model,), generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0).to(device)


def outputs_error(
    weights: Float[Tensor, "head query key"],
    outputs: Float[Tensor, "head key d_model"],
    heads_wrote: Float[Tensor, "query d_model"],
    whole: Float[Tensor, "query d_model"],
) -> float:
    """How far the head outputs, weighted and summed, are from `heads_wrote`, by one random direction (Freivalds, 1977).

    The largest |(Σ w·u − wrote)·r| / max(‖whole‖, ‖wrote‖) over queries, r of random signs: on average as large as the
    error itself, without a sum over keys, heads and d_model. 0 where the rounding of the trial itself explains it.
    """
    signs = _signs(whole.shape[-1], whole.device)
    seen = (weights @ (outputs @ signs)[..., None])[..., 0].sum(dim=0)
    # where large parts cancel, the whole is no measure of what was added up
    size = torch.maximum(whole.norm(dim=-1), heads_wrote.norm(dim=-1)).clamp_min(torch.finfo(torch.float32).tiny)
    off = (seen - heads_wrote @ signs).abs() / size
    largest = float(off.max())
    return 0.0 if largest <= _TRIAL_ROUNDING else largest


def attention_bias(trace: Trace, layer: int) -> Float[Tensor, "position d_model"] | None:
    """What the biases of an attention block add to the residual at every position; None where there are none."""
    block, record = trace.anatomy.blocks[layer], trace.layers[layer]
    if record.heads is None:
        # what a mixer adds is one part, biases and all
        return None
    return block.after_attention.bias(block.b_o(), record.attention_scale, trace.n_tokens)


def layer_error(trace: Trace, layer: int, heads_wrote: Float[Tensor, "query d_model"] | None) -> LayerError:
    """The proof of one layer: the relative errors of its two sublayers (of both in one, in a parallel block).

    `heads_wrote`: see `attention_output`; None where the block has no attention.
    """
    record = trace.layers[layer]
    before = record.pre if record.carried is None else record.carried
    beside = record.mid if record.carried_mid is None else record.carried_mid
    added = [heads_wrote, attention_bias(trace, layer), record.mixer]
    # in numpy: for so little work, waking torch's threads takes longer than the work
    wrote = sum(part.float().cpu().numpy() for part in added if part is not None)
    moved = before.float().cpu().numpy() + wrote
    mid, beside, ffn, post = (x.float().cpu().numpy() for x in (record.mid, beside, record.ffn, record.post))
    if trace.anatomy.parallel:
        return LayerError(None, None, _relative(post, moved + ffn))
    # a state that enters the second sum changed (`carried_mid`) is not the first sum any more
    added_up = moved if record.carried_mid is None else beside
    return LayerError(_relative(mid, moved), _relative(post, beside + ffn), _relative(post, added_up + ffn))


def _relative(whole: Float[np.ndarray, "position d_model"], parts: Float[np.ndarray, "position d_model"]) -> float:
    error, norm = (np.sqrt(np.einsum("td,td->t", x, x, dtype=np.float64)) for x in (whole - parts, whole))
    return float((error / np.maximum(norm, np.finfo(np.float64).tiny)).max())


def worse(a: float, b: float) -> float:
    """The larger error; a NaN is larger than any number."""
    # max() would let a NaN in second place pass
    return a if a != a or a > b else b
