"""The matrix of a linear module of any kind: against the module itself, and against float64 by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from lm_transparency.model.linear import bias_of, device_of, is_linear, precision_of, sizes, weight_in_out


class Wrapped(nn.Module):
    """A linear module that hides its matrix."""

    def __init__(self, d_in: int, d_out: int, bias: bool) -> None:
        super().__init__()
        self.in_features, self.out_features = d_in, d_out
        self.left, self.right = nn.Linear(d_in, 5, bias=False), nn.Linear(5, d_out, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.right(self.left(x)) * 3


class Rounding(nn.Linear):
    """Rounds its input to 8 bits, as quantised kernels do."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        scale = input.abs().amax(dim=-1, keepdim=True).clamp_min(1e-9) / 127
        return super().forward((input / scale).round() * scale)


MAKERS: list[Callable[[], nn.Module]] = [
    lambda: nn.Linear(12, 7),
    lambda: nn.Linear(12, 7, bias=False),
    lambda: Conv1D(7, 12),
    lambda: Wrapped(12, 7, bias=True),
    lambda: Wrapped(12, 7, bias=False),
    lambda: Wrapped(1500, 7, bias=True),
]


@pytest.mark.parametrize("make", MAKERS)
def test_weight_and_bias_do_what_the_module_does(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(1)
    module = make()
    d_in, d_out = sizes(module)
    x = torch.randn(9, d_in)
    weight, bias = weight_in_out(module), bias_of(module)
    assert weight.shape == (d_in, d_out)
    assert is_linear(module)
    with torch.no_grad():
        made = module(x)
    assert torch.allclose(x @ weight + (0 if bias is None else bias), made, atol=1e-4)
    assert precision_of(module) == torch.float32


def test_a_bias_far_larger_than_the_weights_costs_them_no_digits() -> None:
    module = Wrapped(12, 7, bias=True)
    with torch.no_grad():
        assert module.right.bias is not None
        module.right.bias.copy_(torch.full((7,), 1e4))
        wanted = (3 * module.right.weight.double() @ module.left.weight.double()).T
    assert float((weight_in_out(module) - wanted).abs().max() / wanted.abs().max()) < 1e-4


def test_a_replaced_forward_and_a_subclass_are_asked_and_not_read() -> None:
    module = nn.Linear(6, 4, bias=False)
    plain = weight_in_out(module).clone()
    forward = module.forward
    module.forward = lambda x: 2 * forward(x)  # type: ignore[method-assign]
    assert torch.allclose(weight_in_out(module), 2 * plain, atol=1e-6)


def test_a_module_that_rounds_its_input_counts_as_coarse() -> None:
    torch.manual_seed(0)
    assert precision_of(Rounding(64, 32)) == torch.bfloat16
    assert precision_of(nn.Linear(64, 32).to(torch.float16)) == torch.float16


def test_what_is_no_matrix_is_not_linear() -> None:
    assert not any(is_linear(x) for x in (nn.LayerNorm(4), nn.Dropout(), nn.Conv1d(3, 4, 2), None, 3))


@pytest.mark.parametrize("kind", ["cpu_offload", "disk_offload"])
def test_offloaded_weights_are_the_very_same(kind: str, tmp_path: Any) -> None:
    import accelerate

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 6), nn.Linear(6, 4, bias=False))
    wanted = [p.detach().clone() for p in model.parameters()]
    if kind == "cpu_offload":
        accelerate.cpu_offload(model, execution_device=torch.device("cpu"))
    else:
        accelerate.disk_offload(model, str(tmp_path), execution_device=torch.device("cpu"))
    assert {p.device.type for p in model.parameters()} == {"meta"}
    first, second = model
    assert device_of(first) == torch.device("cpu")
    assert torch.equal(weight_in_out(first), wanted[0].T)
    assert torch.equal(weight_in_out(second), wanted[2].T)
    bias = bias_of(first)
    assert bias is not None
    assert torch.equal(bias, wanted[1])
    assert bias_of(second) is None
    assert {p.device.type for p in model.parameters()} == {"meta"}
