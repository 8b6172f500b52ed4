"""The derivatives that shares go back by: every function of a model as a linear map of what the tokens bring to it.

While a model runs, a function mode replaces derivatives, never values. A product of two states gives half to each, an
activation is its input times a fixed ratio, and attention probabilities, gates and the scales of norms are fixed. What
is added to a state and does not depend on the tokens is a bias. The last state, and so a logit, is then the sum of what
tokens and biases carry to it: m = Σ ∂m/∂x · x (Euler's theorem).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .derivatives import Halved, Norm, Ratio
from .metric import precise
from .switches import Switches

#: A torch function with the arguments it was called with.
_Call = Callable[..., Any]
_Rule = Callable[["Rules", _Call, tuple[Any, ...], dict[str, Any]], Any]

#: Marks a tensor that depends on the tokens and has no derivative: a scale, a gate, an attention probability.
_FIXED = "_lm_transparency_fixed"


class Rules(TorchFunctionMode):
    """States that carry shares are those that require a gradient; parameters must not."""

    def __init__(self, switches: Switches) -> None:
        super().__init__()
        self.switches = switches
        self._run = object()

    def __torch_function__(
        self, func: _Call, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name: str = getattr(func, "__name__", "")
        given = list(_tensors((*args, *kwargs.values())))
        carried = any(tensor.requires_grad for tensor in given)
        if not carried and name == "embedding":
            ids, table = given[:2]
            return self.switches.embedded(func(*args, **kwargs), ids, len(table))
        in_place = name.endswith("_") and not name.startswith("__")
        rule = _RULES.get(name.strip("_")) if carried else None
        if rule is None:
            found = func(*args, **kwargs)
        elif in_place and rule is not _added:
            found = args[0].copy_(rule(self, getattr(Tensor, name[:-1]), (args[0].clone(), *args[1:]), kwargs))
        else:
            found = rule(self, func, args, kwargs)
        written = args[:1] if in_place or name == "__setitem__" else ()
        self._mark(_read(name, given), _tensors((found, *written)))
        return found

    def constant(self, value: Any, like: Tensor | None = None) -> Any:
        """`value` with a switch, if it is a constant: what is added to a state is a bias."""
        if isinstance(value, int | float) and like is not None:
            number = torch.tensor(float(value), dtype=precise(like).dtype, device=like.device)
            return self.switches.bias(number) if value else value
        if not isinstance(value, Tensor) or value.requires_grad or self._is_fixed(value):
            return value
        return self.switches.bias(value) if value.is_floating_point() else value

    def _mark(self, read: list[Tensor], found: Iterator[Tensor]) -> None:
        """What is read from states, or from what is fixed, and has no derivative is fixed."""
        if any(tensor.requires_grad or self._is_fixed(tensor) for tensor in read):
            for tensor in found:
                # a choice of experts chooses among constants
                if tensor.is_floating_point() and not tensor.requires_grad:
                    setattr(tensor, _FIXED, self._run)

    def _is_fixed(self, tensor: Tensor) -> bool:
        return getattr(tensor, _FIXED, None) is self._run


def _read(name: str, given: list[Tensor]) -> list[Tensor]:
    """The tensors whose numbers, and not only their shape or type, a function reads."""
    if name.endswith("_like") or name.startswith("new_"):
        return []
    return given[:1] if name.endswith("_as") or name == "to" else given


def _tensors(given: Any) -> Iterator[Tensor]:
    for value in given:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _carries(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def _added(rules: Rules, func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A sum or a difference: a constant term is a bias."""
    like = next((value for value in (*args[:2], *kwargs.values()) if _carries(value)), None)
    # what a sum is written to stays itself
    first = args[0] if func.__name__.endswith("_") else rules.constant(args[0], like)
    rest = (rules.constant(value, like) for value in args[1:2])
    if "other" in kwargs:
        kwargs = {**kwargs, "other": rules.constant(kwargs["other"], like)}
    return func(first, *rest, *args[2:], **kwargs)


def _biased(index: int, rules: Rules, func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A linear map with a bias as its argument `index`."""
    if kwargs.get("bias") is not None:
        kwargs = {**kwargs, "bias": rules.constant(kwargs["bias"])}
    if index < len(args):
        args = (*args[:index], rules.constant(args[index]), *args[index + 1 :])
    return _halved(rules, func, args, kwargs) if index == 0 else func(*args, **kwargs)


def _joined(rules: Rules, func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return func([rules.constant(value) for value in args[0]], *args[1:], **kwargs)


def _chosen(rules: Rules, func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return func(args[0], *(rules.constant(value) for value in args[1:]), **kwargs)


def _halved(_rules: Rules, func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A product: each factor that carries shares gets the same part."""
    # a bias that is added to the product is no factor
    start = 1 if func.__name__.endswith(("addmm", "addbmm", "baddbmm", "addmv")) else 0
    factors = list(_tensors((*args[start:], *kwargs.values())))
    n_carrying = sum(factor.requires_grad for factor in factors)
    if n_carrying < 2:
        return func(*args, **kwargs)

    def part(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [part(inner) for inner in value]
        return Halved.apply(value, n_carrying) if _carries(value) else value

    return func(*args[:start], *map(part, args[start:]), **{name: part(value) for name, value in kwargs.items()})


def _by_ratio(_rules: Rules, func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of one state that is 0 at 0: the state times a fixed ratio."""
    if any(map(_carries, _tensors((*args[1:], *kwargs.values())))):
        return _fixed(_rules, func, args, kwargs)
    if "inplace" in kwargs:
        kwargs = {**kwargs, "inplace": False}
    return Ratio.apply(lambda states: func(states, *args[1:], **kwargs), args[0])


def _power(rules: Rules, func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    exponent = args[1] if len(args) > 1 else kwargs.get("exponent")
    if exponent == 2:
        return _squared(rules, func, args, kwargs)
    positive = isinstance(exponent, int | float) and exponent > 0
    return (_by_ratio if positive else _fixed)(rules, func, args, kwargs)


def _squared(rules: Rules, _func: _Call, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Any:
    """The same as by ratio. Most squares are of norms, whose scales are fixed: they are to cost nothing."""
    return _halved(rules, torch.mul, (args[0], args[0]), {})


def _clamped(rules: Rules, func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    at_zero = func(args[0].detach().flatten()[:1] * 0, *map(_detached, args[1:]), **kwargs)
    return (_fixed if bool(at_zero.any()) else _by_ratio)(rules, func, args, kwargs)


def _divided(_rules: Rules, func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return func(args[0], *map(_detached, args[1:]), **{name: _detached(value) for name, value in kwargs.items()})


def _solved(_rules: Rules, func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return func(_detached(args[0]), *args[1:], **kwargs)


def _fixed(_rules: Rules, func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with torch.no_grad():
        return func(*args, **kwargs)


def _attention(_rules: Rules, func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """torch's own attention: its probabilities are fixed, so only values carry shares."""
    named = {**dict(zip(("query", "key", "value", "attn_mask"), args, strict=False)), **kwargs}
    fixed = {name: value if name == "value" else _detached(value) for name, value in named.items()}
    return func(
        fixed.pop("query"), fixed.pop("key"), fixed.pop("value"), fixed.pop("attn_mask", None), *args[4:], **fixed
    )


def _layer_norm(rules: Rules, func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    def norm(x: Tensor, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any) -> Any:
        return Norm.apply(
            x, weight, rules.constant(bias), len(shape), eps, True, lambda s, w, b: func(s, shape, w, b, eps)
        )

    return norm(*args, **kwargs)


def _rms_norm(_rules: Rules, func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    def norm(x: Tensor, shape: Any, weight: Any = None, eps: float | None = None) -> Any:
        least = torch.finfo(x.dtype).eps if eps is None else eps
        return Norm.apply(x, weight, None, len(shape), least, False, lambda s, w, _: func(s, shape, w, eps))

    return norm(*args, **kwargs)


def _normalized(_rules: Rules, func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    def norm(x: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, **_: Any) -> Any:
        return x / x.detach().norm(p, dim, keepdim=True).clamp_min(eps)

    return norm(*args, **kwargs)


def _gated(_rules: Rules, _func: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    def glu(x: Tensor, dim: int = -1) -> Tensor:
        first, second = x.chunk(2, dim)
        return first * second.detach().sigmoid()

    return glu(*args, **kwargs)


def _named(names: str, rule: _Rule) -> dict[str, _Rule]:
    return dict.fromkeys(names.split(), rule)


#: By the name of the function, without underscores.
_RULES: dict[str, _Rule] = {
    **_named("add radd sub rsub subtract", _added),
    **_named("linear conv1d conv2d conv3d", partial(_biased, 2)),
    **_named("addmm addbmm baddbmm addmv", partial(_biased, 0)),
    **_named("cat concat stack", _joined),
    **_named("where", _chosen),
    **_named("mul rmul multiply matmul rmatmul mm bmm mv dot outer einsum", _halved),
    **_named("relu relu6 silu gelu tanh elu selu celu leaky_relu mish hardswish softsign", _by_ratio),
    **_named("erf abs log1p expm1", _by_ratio),
    **_named("clamp clip clamp_min clamp_max hardtanh", _clamped),
    **_named("pow float_power", _power),
    "square": _squared,
    **_named("div truediv divide true_divide", _divided),
    **_named("softmax log_softmax sigmoid logsigmoid hardsigmoid softplus exp exp2 log log2 logsumexp", _fixed),
    **_named("rsqrt sqrt reciprocal rdiv rtruediv rpow norm vector_norm linalg_vector_norm", _fixed),
    **_named("var std prod cumprod sin cos", _fixed),
    "linalg_solve_triangular": _solved,
    "scaled_dot_product_attention": _attention,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "normalize": _normalized,
    "glu": _gated,
}
