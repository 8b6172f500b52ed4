"""The matrix that a linear module applies, whatever it consists of: plain, adapted (LoRA …), quantised, offloaded.

A plain layer holds its matrix. Any other module is applied to the identity, which is the one definition that holds for
every adapter and every number format. Nothing is merged or rewritten.
"""

from __future__ import annotations

import weakref
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from accelerate.utils import align_module_device
from jaxtyping import Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

_FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
#: How far a product of each precision may be from additive; beyond that its input is rounded more coarsely.
_ROUNDING = {torch.float32: 1e-5, torch.float16: 3e-3}
#: Rows of the identity applied at once, which bounds the memory of the product.
_ROWS = 1024
#: The scale of weights at which a bias becomes negligible, to tell the two apart.
_LOUD = 256.0

#: The last matrix that was computed from the identity: questions about one layer need it again.
_last: weakref.WeakKeyDictionary[nn.Module, Tensor] = weakref.WeakKeyDictionary()
_precisions: weakref.WeakKeyDictionary[nn.Module, torch.dtype] = weakref.WeakKeyDictionary()


def is_linear(module: object) -> bool:
    """Whether `module` maps vectors to vectors by one matrix, judging by its shape or its sizes."""
    if not isinstance(module, nn.Module):
        return False
    weight = getattr(module, "weight", None)
    return (isinstance(weight, Tensor) and weight.dim() == 2) or _sizes_told(module) is not None


def sizes(module: nn.Module) -> tuple[int, int]:
    """(d_in, d_out)."""
    told = _sizes_told(module)
    if told is not None:
        return told
    weight = module.weight
    assert isinstance(weight, Tensor)
    d_in, d_out = weight.shape if isinstance(module, Conv1D) else weight.shape[::-1]
    return int(d_in), int(d_out)


def weight_in_out(module: nn.Module) -> Float[Tensor, "d_in d_out"]:
    """The matrix as input × output, on the device that computes it; in a plain layer's own precision, else float32."""
    with _where_it_computes(module):
        if is_plain(module):
            return _as_in_out(module)
    weight = _last.get(module)
    if weight is None:
        weight = _adapted(module)
        if weight is None or not _agrees(module, weight):
            weight = _applied_to_identity(module)
        # layers are processed concurrently, so another thread may replace this entry at any moment
        _last.clear()
        _last[module] = weight
    return weight


def bias_of(module: nn.Module) -> Float[Tensor, "d_out"] | None:
    """The bias of `module`, float32; None where it has none."""
    with _where_it_computes(module):
        if is_plain(module):
            bias = getattr(module, "bias", None)
            return bias.detach().float() if isinstance(bias, Tensor) else None
    at_zero = _apply(module, like_input(module).new_zeros(1, sizes(module)[0]))[0]
    return at_zero if bool(at_zero.any()) else None


def precision_of(module: nn.Module) -> torch.dtype:
    """The precision that the module multiplies in, judged by how far f(x + y) is from f(x) + f(y).

    A plain layer states it. A module that rounds its input to a few bits (quantised kernels do, whatever the dtype of
    their input) counts as bfloat16, the coarsest precision that the proof knows.
    """
    if is_plain(module):
        # `is_plain` has checked that it is a tensor
        return cast(Tensor, module.weight).dtype
    if module not in _precisions:
        like = like_input(module)
        x, y = torch.randn(2, 1, sizes(module)[0], generator=torch.Generator().manual_seed(0)).to(like)
        whole, zero = _apply(module, x + y), _apply(module, torch.zeros_like(x))
        off = float((whole - _apply(module, x) - _apply(module, y) + zero).norm() / (whole - zero).norm())
        _precisions[module] = like.dtype if off < _ROUNDING.get(like.dtype, 1e-5) else torch.bfloat16
    return _precisions[module]


def like_input(module: nn.Module) -> Float[Tensor, "0"]:
    """An empty tensor of the dtype and on the device that the module computes with."""
    device = device_of(module)
    told = (getattr(part, "compute_dtype", None) for part in module.modules())
    dtype = next((dtype for dtype in told if isinstance(dtype, torch.dtype)), None)
    if dtype is None:
        tensors = [*module.parameters(), *module.buffers()]
        dtype = next((t.dtype for t in tensors if t.dtype in _FLOATS), torch.float32)
        if device.type == "cuda" and any(t.dtype == torch.int8 for t in tensors):
            # bitsandbytes multiplies 8-bit weights in float16 there
            dtype = torch.float16
    return torch.empty(0, dtype=dtype, device=device)


def device_of(module: nn.Module) -> torch.device:
    """The device that `module` computes on; an offloaded module is elsewhere, or nowhere, until it runs."""
    for part in module.modules():
        device = getattr(getattr(part, "_hf_hook", None), "execution_device", None)
        if device is not None:
            return torch.device(device if not isinstance(device, int) else f"cuda:{device}")
    tensors: list[Tensor] = [*module.parameters(), *module.buffers()]
    return next((t.device for t in tensors if t.device.type != "meta"), torch.device("cpu"))


def _sizes_told(module: nn.Module) -> tuple[int, int] | None:
    told = getattr(module, "in_features", None), getattr(module, "out_features", None)
    return told if isinstance(told[0], int) and isinstance(told[1], int) else None  # pyright: ignore[reportReturnType]


def _where_it_computes(module: nn.Module) -> AbstractContextManager[None]:
    # hardly any module is offloaded, and this is called several times per layer
    return align_module_device(module) if hasattr(module, "_hf_hook") else nullcontext()


def is_plain(module: nn.Module) -> bool:
    """Whether the weight that the module holds is all that it applies."""
    weight = getattr(module, "weight", None)
    # a tensor class of its own is a number format of its own; one on `meta` is offloaded
    if not isinstance(weight, Tensor) or type(weight) not in (nn.Parameter, Tensor):
        return False
    # a quantiser may have replaced the layer's forward; accelerate replaces it too, but only to move weights
    replaced = "forward" in vars(module) and not hasattr(module, "_hf_hook")
    hooked = replaced or bool(module._forward_pre_hooks)  # pyright: ignore[reportPrivateUsage]
    is_dense = weight.dtype in _FLOATS and weight.device.type != "meta"
    return is_dense and type(module) in (nn.Linear, Conv1D) and not hooked


def _as_in_out(module: nn.Module) -> Float[Tensor, "d_in d_out"]:
    """nn.Linear keeps its weight as output × input, transformers' Conv1D the other way round."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.detach() if isinstance(module, Conv1D) else weight.detach().T


def _adapted(module: Any) -> Float[Tensor, "d_in d_out"] | None:
    """A LoRA's base + scaling · B · A, far cheaper than the identity; None where it is not a plain LoRA."""
    base = getattr(module, "base_layer", None)
    if base is None or not hasattr(module, "get_delta_weight") or getattr(module, "lora_variant", None):
        return None
    if any(p.device.type == "meta" for p in module.parameters()):
        return None
    weight = weight_in_out(base).float()
    try:
        for name in module.active_adapters:
            delta = module.get_delta_weight(name).detach().float()
            weight = weight + (delta if isinstance(base, Conv1D) else delta.T)
    except (AttributeError, KeyError, RuntimeError):
        # an adapter whose change is not an addition of this shape: the identity is used instead
        return None
    return weight


def _agrees(module: nn.Module, weight: Float[Tensor, "d_in d_out"]) -> bool:
    """Whether `weight` gives the same as `module` on two random vectors, within the module's precision."""
    like = like_input(module)
    x = torch.randn(2, weight.shape[0], generator=torch.Generator().manual_seed(0)).to(like)
    made = _apply(module, x) - _apply(module, torch.zeros_like(x))
    off = float((made - x.float() @ weight).norm() / made.norm().clamp_min(torch.finfo(torch.float32).tiny))
    return off <= (1e-5 if like.dtype == torch.float32 else 1e-2)


def _applied_to_identity(module: nn.Module) -> Float[Tensor, "d_in d_out"]:
    d_in, _ = sizes(module)
    like = like_input(module)
    at_zero = _apply(module, like.new_zeros(1, d_in))
    # the bias is subtracted again; beside such large weights its rounding does not count
    size = _LOUD if bool(at_zero.any()) else 1.0
    rows: list[Tensor] = []
    for start in range(0, d_in, _ROWS):
        identity = like.new_zeros(min(_ROWS, d_in - start), d_in)
        identity.diagonal(start).fill_(size)
        rows.append((_apply(module, identity) - at_zero) / size)
    return torch.cat(rows)


def _apply(module: nn.Module, x: Float[Tensor, "row d_in"]) -> Float[Tensor, "row d_out"]:
    with torch.no_grad():
        made = module(x)
    return (made[0] if isinstance(made, tuple) else made).float()
