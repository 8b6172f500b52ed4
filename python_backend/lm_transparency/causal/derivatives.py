"""Functions with their own values and a derivative that makes them linear maps of the states they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import Function

from .metric import precise

#: Where an activation's ratio at 0 is read from.
_NEAR_ZERO = 1e-3


class Switched(Function):
    """`forward(constant, switch)`: the constant, which `switch` (1, or one 1 per position) multiplies."""

    @staticmethod
    def forward(ctx: Any, constant: Float[Tensor, "*shape"], switch: Float[Tensor, "*position"]) -> Tensor:
        ctx.save_for_backward(constant)
        ctx.per_position, ctx.device = switch.dim() > 0, switch.device
        return constant.detach().clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (constant,) = ctx.saved_tensors
        product = precise(grads[0]) * precise(constant)
        # one sum per position, or one in all
        found = product.movedim(-2, 0).flatten(1).sum(dim=1) if ctx.per_position else product.sum()
        return None, found.to(ctx.device)


class Halved(Function):
    """`forward(factor, n)`: one of n factors of a product, each with 1/n of its derivative."""

    @staticmethod
    def forward(ctx: Any, factor: Tensor, n: int) -> Tensor:
        ctx.n = n
        return factor.view_as(factor)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0] / ctx.n, None


class Ratio(Function):
    """`forward(function, x)`: function(x) as x · [function(x)/x], the bracket fixed."""

    @staticmethod
    def forward(ctx: Any, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        found = function(x)
        near = torch.full((1,), _NEAR_ZERO, dtype=x.dtype, device=x.device)
        at_zero = precise(function(near)) / precise(near)
        # kept as a number of its own: the model may go on to write into either state
        ctx.save_for_backward(torch.where(x == 0, at_zero, precise(found) / precise(x)).to(x.dtype))
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (ratio,) = ctx.saved_tensors
        return None, grads[0] * ratio


class Norm(Function):
    """`forward(x, weight, bias, n_dims, eps, centred, function)`: a norm over the last dimensions, its scale fixed.

    `function(x, weight, bias)` gives its value; `centred`: it takes the mean away.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        n_dims: int,
        eps: float,
        centred: bool,
        function: Callable[..., Tensor],
    ) -> Tensor:
        dims = tuple(range(-n_dims, 0))
        states = precise(x)
        states = states - states.mean(dims, keepdim=True) if centred else states
        scale = (states.square().mean(dims, keepdim=True) + eps).rsqrt()
        ctx.save_for_backward(scale, weight)
        ctx.dims, ctx.centred, ctx.bias_shape = dims, centred, None if bias is None else bias.shape
        return function(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        scale, weight = ctx.saved_tensors
        back = (grads[0] if weight is None else grads[0] * weight) * scale
        if ctx.centred:
            back = back - back.mean(ctx.dims, keepdim=True)
        of_bias = None if ctx.bias_shape is None else grads[0].sum_to_size(ctx.bias_shape)
        return back.to(grads[0].dtype), None, of_bias, None, None, None, None
