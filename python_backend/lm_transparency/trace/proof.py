"""The proof, measured on every analysis: the parts of each sublayer sum to what the model computed.

See docs/method.md#proof.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..ambient import pinned
from .sums import Sums, worse

#: Largest relative error that rounding explains, by the model's precision (docs/method.md#proof).
TOLERANCES = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 2e-2}

#: The rounding of float32 in the random direction of `outputs_error`.
_TRIAL_ROUNDING = 3e-5


Part = Literal["attention", "ffn", "layer"]


@dataclass(frozen=True)
class LayerError:
    """`‖whole − Σ parts‖₂ / ‖whole‖₂`, the largest over positions, for the sublayers of one layer and for the layer.

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
        # a NaN is worse than any number, and comparisons do not find it
        return "attention" if self.attention != self.attention or self.attention > self.ffn else "ffn"

    @property
    def largest(self) -> float:
        """The error that the proof judges: the larger one of the sublayers."""
        errors = {"attention": self.attention, "ffn": self.ffn, "layer": self.whole}
        return errors[self.worst_part] or 0.0

    def worst_of(self, other: LayerError) -> LayerError:
        """The larger errors of two sets of rows of one layer."""
        if self.attention is None or self.ffn is None or other.attention is None or other.ffn is None:
            return replace(self, whole=worse(self.whole, other.whole))
        errors = (worse(self.attention, other.attention), worse(self.ffn, other.ffn), worse(self.whole, other.whole))
        return LayerError(*errors)

    def with_heads(self, error: float) -> LayerError:
        """With `error` of the head outputs (`outputs_error`) combined with that of their sum."""
        if self.attention is None:
            return replace(self, whole=worse(self.whole, error))
        return replace(self, attention=worse(self.attention, error), whole=worse(self.whole, error))


@dataclass(frozen=True)
class Proof:
    """The error of each layer and overall, and the tolerance that rounding explains."""

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

    @property
    def is_finite(self) -> bool:
        return all(map(math.isfinite, self.per_layer))

    def sentence(self) -> str:
        """The sentence for the user where the proof does not hold."""
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

    `weights`: α times the scale of any norm behind it (`LayerRecord.weights`); `w_o`: from `Block.w_o`.
    """
    # heads side by side: one large product is faster than one per head
    return (weights @ values).transpose(0, 1).flatten(1) @ w_o.flatten(0, 1)


def over_heads(
    first: Float[Tensor, "head query x"], second: Float[Tensor, "head x d_model"]
) -> Float[Tensor, "query d_model"]:
    """Σ_h first_h · second_h, without copying either into another order."""
    return torch.addbmm(first.new_empty(()), first, second, beta=0)


@lru_cache(maxsize=1)
@pinned()
def trial_direction(d_model: int, device: torch.device) -> Float[Tensor, "d_model"]:
    """Random signs, the same every time."""
    signs = torch.randint(0, 2, (d_model,), generator=torch.Generator().manual_seed(0))
    return signs.to(device, torch.float32) * 2.0 - 1.0


def outputs_error(
    weights: Float[Tensor, "head query key"],
    along: Float[Tensor, "head key"],
    heads_wrote: Float[Tensor, "query d_model"],
    whole: Float[Tensor, "query d_model"],
) -> float:
    """How far the weighted sum of the head outputs is from `heads_wrote`, in one random direction (Freivalds, 1977).

    `along`: u·r of the head outputs, with r the `trial_direction`. Returns the largest |Σ w·(u·r) − wrote·r| /
    max(‖whole‖, ‖wrote‖) over queries. On average this is as large as the error itself, without a sum over keys, heads
    and d_model. 0 where the rounding of the test itself explains it.
    """
    direction = trial_direction(whole.shape[-1], whole.device)
    if whole.device.type == "cpu":
        from .compiled_errors import trial_error

        largest = trial_error(*(x.numpy() for x in (weights, along, heads_wrote, direction, whole)))
    else:
        off = weights.transpose(0, 1).flatten(1) @ along.flatten() - heads_wrote @ direction
        # where large parts cancel, the state is smaller than what was added up
        size = torch.maximum(whole.norm(dim=-1), heads_wrote.norm(dim=-1))
        largest = float((off.abs() / size.clamp_min(torch.finfo(torch.float32).tiny)).max())
    return 0.0 if largest <= _TRIAL_ROUNDING else largest


def layer_error(sums: Sums, heads_wrote: Float[Tensor, "query d_model"] | None) -> LayerError:
    """The proof of one layer: the relative errors of its two sublayers (of both in one, in a parallel block).

    `heads_wrote`: see `attention_output`, at the positions of `sums`; None where the block has no attention.
    """
    # imported here, because importing compiles
    from .compiled_errors import relative_error, sublayer_errors

    # in numpy: waking torch's threads takes longer than this little work
    before, mid, ffn, post = (_on_cpu(x) for x in (sums.entered, sums.mid, sums.ffn, sums.post))
    added = [_on_cpu(x) for x in (heads_wrote, sums.bias, sums.mixer) if x is not None]
    wrote = sum(added, np.zeros_like(before)) if len(added) != 1 else added[0]
    if sums.parallel:
        return LayerError(None, None, relative_error(post, before + wrote, ffn))
    if sums.carried is sums.mid:
        return LayerError(*sublayer_errors(before, wrote, mid, ffn, post))
    # a state that is changed before the second sum is not the first sum any more
    of_ffn = relative_error(post, _on_cpu(sums.carried), ffn)
    return LayerError(relative_error(mid, before, wrote), of_ffn, of_ffn)


def _on_cpu(states: Float[Tensor, "position d_model"]) -> Float[np.ndarray, "position d_model"]:
    return (states if states.device.type == "cpu" else states.cpu()).numpy()
