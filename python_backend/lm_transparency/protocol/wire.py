"""Conversion between the wire and the protocol: camelCase JSON to checked params, and results to JSON."""

from __future__ import annotations

import base64
import math
import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from ..errors import TransparencyError
from .values import Column, Named, Numbers, Unbounded

T = TypeVar("T")

_PLAIN = (int, str, float, types.NoneType)


def camel_case(name: str) -> str:
    """`edge_layer` → `edgeLayer`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def to_wire(message: Any) -> Any:
    """A protocol message, or a list or map of them, as plain JSON values with camelCase keys.

    Arrays become columns; `protocol.values` lists the other effects of a field's annotation.
    """
    if is_dataclass(message):
        written = _written(type(message))
        return {key: write(getattr(message, name)) for name, key, write in written}
    if isinstance(message, list | tuple):
        # a list of plain values needs no visit to each item
        return list(message) if all(type(item) in _PLAIN for item in message) else [to_wire(item) for item in message]
    if isinstance(message, Mapping):
        return {str(key): to_wire(value) for key, value in message.items()}
    return message


def marked(hint: Any) -> Any:
    """The mark from `protocol.values` in a field's annotation; None for most fields."""
    for part in (hint, *get_args(hint)):
        if get_origin(part) is Annotated:
            return next((mark for mark in part.__metadata__ if isinstance(mark, _MARKS)), None)
    return None


_MARKS = (Column, Numbers, Unbounded, Named)


@cache
def _written(cls: type) -> list[tuple[str, str, Callable[[Any], Any]]]:
    """The name of each field, its key on the wire, and the function that writes its value."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return [(field.name, camel_case(field.name), _writer(marked(hints[field.name]))) for field in fields(cls)]


def _writer(mark: Any) -> Callable[[Any], Any]:
    if isinstance(mark, Column):
        return lambda values: None if values is None else _column(values, mark.dtype)
    if isinstance(mark, Numbers):
        return lambda values: values.tolist()
    if isinstance(mark, Unbounded):
        return lambda value: None if math.isinf(value) else value
    return str if isinstance(mark, Named) else to_wire


def _column(values: Any, dtype: str) -> dict[str, Any]:
    """An array or a tensor as a `NumericArray`."""
    import numpy as np

    array = np.ascontiguousarray(np.asarray(values), dtype=np.dtype(dtype).newbyteorder("<"))
    return {"dtype": dtype, "shape": list(array.shape), "data": base64.b64encode(array.tobytes()).decode("ascii")}


def read(cls: type[T], params: Any) -> T:
    """`params` (a JSON object, or None) as `cls`. Unknown fields are ignored, and null means left out.

    Raises `TransparencyError("invalidParams")`, which names the field and the values that it takes.
    """
    given: Any = {} if params is None else params
    if not isinstance(given, Mapping):
        raise TransparencyError("invalidParams", f"The params are {type(given).__name__}, not an object.")
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for field in fields(cls):  # pyright: ignore[reportArgumentType]
        name = camel_case(field.name)
        if name in given and given[name] is not None:
            values[field.name] = _check(name, given[name], hints[field.name])
        elif field.default is MISSING and field.default_factory is MISSING:
            raise TransparencyError("invalidParams", f"The params lack {name!r}.")
    return cls(**values)


def _check(name: str, value: Any, wanted: Any) -> Any:
    if isinstance(wanted, types.UnionType):
        # null was handled by the caller
        (wanted,) = (part for part in get_args(wanted) if part is not types.NoneType)
    if get_origin(wanted) is Literal:
        if value not in get_args(wanted):
            raise TransparencyError("invalidParams", f"{name!r} is {value!r}.", f"It takes one of {get_args(wanted)}.")
        return value
    if get_origin(wanted) in (list, Collection):
        if not isinstance(value, list):
            raise TransparencyError("invalidParams", f"{name!r} is {type(value).__name__}, not list.")
        return [_check(name, item, get_args(wanted)[0]) for item in value]
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise TransparencyError("invalidParams", f"{name!r} is too large.") from None
    # bool is an int in Python, but not on the wire
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise TransparencyError("invalidParams", f"{name!r} is {type(value).__name__}, not {wanted.__name__}.")
    return value
