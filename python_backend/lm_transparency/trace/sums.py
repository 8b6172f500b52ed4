"""The two sums of a layer, as recorded: the parts of a state besides the heads (docs/method.md#layers)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from .trace import EVERYWHERE, Positions, Trace, as_float32


@dataclass(frozen=True)
class Sums:
    """mid = entered + heads + bias + mixer and post = carried + ffn; a parallel block has one sum (`mid` is unused).

    All float32, at the requested positions. `carried`: `mid`, unless another state enters the second sum. `bias`,
    `mixer`: None where there is none.
    """

    parallel: bool
    entered: Float[Tensor, "position d_model"]
    bias: Float[Tensor, "position d_model"] | None
    mixer: Float[Tensor, "position d_model"] | None
    mid: Float[Tensor, "position d_model"]
    carried: Float[Tensor, "position d_model"]
    ffn: Float[Tensor, "position d_model"]
    post: Float[Tensor, "position d_model"]

    @property
    def whole(self) -> Float[Tensor, "position d_model"]:
        """The state that the heads' parts add up to."""
        return self.post if self.parallel else self.mid


def sums_of(trace: Trace, layer: int, at: Positions = EVERYWHERE) -> Sums:
    """The sums of one layer at the positions `at`."""
    record = trace.layers[layer]
    mid, bias = _float32(record.mid, at), attention_bias(trace, layer)
    return Sums(
        parallel=trace.anatomy.parallel,
        entered=_float32(record.pre if record.carried is None else record.carried, at),
        bias=None if bias is None else _float32(bias, at),
        mixer=None if record.mixer is None else _float32(record.mixer, at),
        mid=mid,
        carried=mid if record.carried_mid is None else _float32(record.carried_mid, at),
        ffn=_float32(record.ffn, at),
        post=_float32(record.post, at),
    )


def attention_bias(trace: Trace, layer: int) -> Float[Tensor, "position d_model"] | None:
    """The biases of an attention block as added to the residual at every position; None where there are none."""
    block, record = trace.anatomy.blocks[layer], trace.layers[layer]
    if record.heads is None:
        # a mixer is one part, biases included
        return None
    return block.after_attention.bias(block.b_o(), record.attention_scale, trace.n_tokens)


def worse(a: float, b: float) -> float:
    """The larger error; a NaN is larger than any number."""
    # max() would let a NaN in second place pass
    return a if a != a or a > b else b


def _float32(states: Float[Tensor, "position d_model"], at: Positions) -> Float[Tensor, "at d_model"]:
    return as_float32(states if at is EVERYWHERE else states[at])
