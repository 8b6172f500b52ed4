"""The parts of one decoder block: its sublayers, and what connects each of them to the residual stream."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import TransparencyError
from .experts import Experts
from .facts import OUTPUT_BIAS
from .linear import bias_of, like_input, precision_of, weight_in_out
from .norms import FrozenNorm


@dataclass(frozen=True)
class Sublayer:
    """The step between a sublayer and the residual stream: a norm, if any, and a multiplier."""

    norm_module: nn.Module | None
    norm: FrozenNorm | None
    multiplier: float

    def linear(self, parts: Float[Tensor, "*part d_model"]) -> Float[Tensor, "*part d_model"]:
        """Parts of the sublayer's output turned into parts of what is added, up to the norm's scale s_t."""
        parts = parts if self.norm is None else self.norm.linear(parts)
        return parts if self.multiplier == 1 else parts * self.multiplier

    def bias(
        self, bias: Float[Tensor, "d_model"] | None, scale: Float[Tensor, "position"] | None, n_positions: int
    ) -> Float[Tensor, "position d_model"] | None:
        """A bias of the sublayer and the norm's own shift, as added at every position; None where there is neither."""
        added = None
        if bias is not None:
            row = self.linear(bias)
            added = row.expand(n_positions, -1) if scale is None else scale[:, None] * row
        if self.norm is not None and bool(self.norm.shift.any()):
            shift = (self.norm.shift * self.multiplier).expand(n_positions, -1)
            added = shift if added is None else added + shift
        return added


class Absent(nn.Module):
    """Stands for a sublayer that a block does not have."""


ABSENT = Absent()


@dataclass(frozen=True)
class Mixer:
    """The module that moves information between tokens without attention probabilities, and its multiplier."""

    module: nn.Module
    multiplier: float


@dataclass(frozen=True)
class Carried:
    """How the residual enters the two sums of a block where it is not the state itself.

    It is the output of `norm` on the state before attention, and of the block's `ffn_norm` before the feed-forward
    block, or the state where `norm` is None; times a number or a gain per channel.
    """

    norm: nn.Module | None
    multiplier: float | Float[Tensor, "d_model"]
    mid_multiplier: float | Float[Tensor, "d_model"]


@dataclass(frozen=True)
class Block:
    """One decoder block, taken apart.

    A missing sublayer is `Absent`. `mixer`: linear attention, a state space or a short convolution in place of
    attention or beside it. `ffn_beside`: a second feed-forward module, whose output is added to the first's.
    `down_projection`: the output weights of its neurons, None where it has none of its own; it is `ffn` itself where
    the layer before it is not part of `ffn`. `experts`: the experts of a mixture of experts.
    """

    module: nn.Module
    attention: nn.Module
    output_projection: nn.Module
    ffn: nn.Module
    ffn_norm: nn.Module
    down_projection: nn.Module | None
    after_attention: Sublayer
    after_ffn: Sublayer
    mixer: Mixer | None = None
    ffn_beside: nn.Module | None = None
    experts: Experts | None = None
    carried: Carried | None = None

    @property
    def has_attention(self) -> bool:
        return not isinstance(self.attention, Absent)

    @property
    def has_ffn(self) -> bool:
        return not isinstance(self.ffn, Absent)

    @property
    def dtype(self) -> torch.dtype:
        """The precision that W_O is multiplied in; a quantised one may be coarser than the residual stream."""
        return precision_of(self.output_projection) if self.has_attention else like_input(self.module).dtype

    def w_o(self, n_heads: int) -> Float[Tensor, "head d_head d_model"]:
        """The map from a head's value to the residual stream, float32: W_O and the step behind it (`Sublayer`)."""
        weight = self.after_attention.linear(weight_in_out(self.output_projection).float())
        return weight.reshape(n_heads, -1, weight.shape[-1])

    def b_o(self) -> Float[Tensor, "d_model"] | None:
        """The bias of the output projection, float32; None where there is none."""
        bias = bias_of(self.output_projection)
        if bias is not None:
            return bias
        # some keep it beside the matrix
        beside = getattr(self.attention, OUTPUT_BIAS, None)
        return beside.detach().float() if isinstance(beside, Tensor) else None

    def w_out(self) -> Float[Tensor, "neuron d_model"]:
        """The output of each neuron to the residual stream at activation 1, float32. Raises `TransparencyError`."""
        return self.after_ffn.linear(weight_in_out(self.neurons()).float())

    def b_out(self) -> Float[Tensor, "d_model"] | None:
        """The bias of the feed-forward block's output, float32; None where there is none."""
        return bias_of(self.neurons())

    def neurons(self) -> nn.Module:
        """The output weights of the neurons. Raises `TransparencyError("modelUnsupported")` where there are none."""
        if not self.has_ffn:
            raise TransparencyError("invalidParams", "This layer has no feed-forward block.", "Choose another layer.")
        if self.experts is not None:
            raise TransparencyError(
                "invalidParams",
                "This feed-forward block has experts, and each of them has neurons of its own.",
                "Look into its experts first, then into the neurons of one of them.",
            )
        if self.down_projection is None:
            raise TransparencyError(
                "modelUnsupported",
                f"The neurons of {type(self.module).__name__} cannot be told apart yet.",
                "Its contribution, and what it promotes and suppresses, are exact.",
            )
        return self.down_projection
