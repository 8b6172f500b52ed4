"""The proof, measured on every analysis: the parts of each sublayer sum to what the model computed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .trace import Trace

#: Largest relative error that rounding explains, by the model's precision (method.md, section 2).
TOLERANCES = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 2e-2}

#: What float32 may lose in the random direction of `outputs_error`.
_TRIAL_ROUNDING = 3e-5


@dataclass(frozen=True)
class Proof:
    """`‖whole − Σ parts‖₂ / ‖whole‖₂`, the largest over positions and sublayers, for each layer and overall."""

    per_layer: tuple[float, ...]
    tolerance: float

    @property
    def max_relative_error(self) -> float:
        return self.per_layer[self.worst_layer]

    @property
    def worst_layer(self) -> int:
        # a NaN is worse than any number; max() of the errors alone would pass over it
        return max(range(len(self.per_layer)), key=lambda i: (math.isnan(self.per_layer[i]), self.per_layer[i]))

    @property
    def holds(self) -> bool:
        # a comparison with NaN is False: an overflow fails the proof
        return self.max_relative_error <= self.tolerance

    def sentence(self) -> str:
        """What to tell a person when the proof does not hold."""
        return (
            f"The parts do not sum to what the model computed: layer {self.worst_layer} is off by "
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


def layer_error(trace: Trace, layer: int, heads_wrote: Float[Tensor, "query d_model"] | None) -> float:
    """The proof of one layer: the larger relative error of its two sublayers (one, in a parallel block).

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
        return _relative(post, moved + ffn)
    return worse(_relative(mid, moved), _relative(post, beside + ffn))


def _relative(whole: Float[np.ndarray, "position d_model"], parts: Float[np.ndarray, "position d_model"]) -> float:
    error, norm = (np.sqrt(np.einsum("td,td->t", x, x, dtype=np.float64)) for x in (whole - parts, whole))
    return float((error / np.maximum(norm, np.finfo(np.float64).tiny)).max())


def worse(a: float, b: float) -> float:
    """The larger error; a NaN is larger than any number."""
    # max() would let a NaN in second place pass
    return a if a != a or a > b else b
