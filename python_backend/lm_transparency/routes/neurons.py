"""The neurons of a feed-forward block, each a part of the residual (docs/method.md#feed-forward-blocks)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..trace.trace import Trace
from .contributions import Contributions, inverse
from .kernels import part_proximities, row_proximities


@dataclass(frozen=True)
class Neurons:
    """Every neuron of one block at one position, each a part of its own: contributions + residual + bias = 1.

    `activation`: the factor of the neuron's output weights (in gated blocks act(gate)·up).
    """

    activation: Float[np.ndarray, "neuron"]
    contribution: Float[np.ndarray, "neuron"]
    residual: float
    bias: float


def activations(trace: Trace, layer: int, positions: slice = slice(None)) -> Float[Tensor, "position neuron"]:
    """The input of the feed-forward block's output weights, float32: recorded, or computed from the residual."""
    block, record = trace.anatomy.blocks[layer], trace.layers[layer]
    if record.activation is not None:
        return record.activation[positions].float()
    caught: list[Tensor] = []

    def catch(_module: Any, inputs: tuple[Tensor, ...]) -> None:
        caught.append(inputs[0])

    handle = block.neurons().register_forward_pre_hook(catch)
    try:
        with torch.no_grad():
            state = record.mid[positions][None]
            # a block without a norm before it reads the residual itself
            block.ffn(state if block.ffn_norm is block.ffn else block.ffn_norm(state))
    finally:
        handle.remove()
    return caught[0][0].float()


def neurons(
    trace: Trace,
    contributions: Contributions,
    layer: int,
    position: int,
    activation: Float[Tensor, "neuron"] | None = None,
) -> Neurons:
    """The contributions of every neuron to the residual after the layer.

    `activation`: of these neurons, if already known.
    """
    block, record = trace.anatomy.blocks[layer], trace.layers[layer]
    if activation is None:
        activation = activations(trace, layer, slice(position, position + 1))[0]
    post = record.post[position].float()
    scale = None if record.ffn_scale is None else record.ffn_scale[position : position + 1]
    near = part_proximities(post, activation if scale is None else activation * scale, block.w_out())
    biases = block.after_ffn.bias(block.b_out(), scale, 1)
    bias = 0.0 if biases is None else float(row_proximities(post[None], biases)[0])
    # the rest of the row, mainly the residual, is the recorded total without the block as one part
    block_near = float(row_proximities(post[None], record.ffn[position].float()[None])[0])
    rest = max(0.0, float(contributions.ffn_total[layer, position]) - block_near)
    share = float(inverse(np.asarray(near.sum() + bias + rest)))
    return Neurons(activation.cpu().numpy(), near * share, rest * share, bias * share)
