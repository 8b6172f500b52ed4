"""Conversion between the wire and the protocol: camelCase JSON to checked params, and results to JSON."""

from __future__ import annotations

import base64
import math
import reprlib
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


def read(cls: type[T], params: Any, key: Callable[[str], str] = camel_case) -> T:
    """`params` (a JSON object, or None) as `cls`. Unknown fields are ignored, and null means left out.

    `key`: from a field's name to its key in `params`. Fields may hold other messages, and lists of them. Raises
    `TransparencyError("invalidParams")`, which names the field by its path and the values that it takes.
    """
    given: Any = {} if params is None else params
    if not isinstance(given, Mapping):
        raise TransparencyError("invalidParams", f"The params are {type(given).__name__}, not an object.")
    return _read(cls, given, key, "")


def _read(cls: type[T], given: Mapping[Any, Any], key: Callable[[str], str], path: str) -> T:
    values: dict[str, Any] = {}
    for name, hint, is_required in _readable(cls):
        at = f"{path}{key(name)}"
        value = given.get(key(name))
        if value is not None:
            values[name] = _check(at, value, hint, key)
        elif is_required and not _takes_none(hint):
            raise TransparencyError("invalidParams", f"{at!r} is missing.")
        elif is_required:
            values[name] = None
    return cls(**values)


@cache
def _readable(cls: type) -> list[tuple[str, Any, bool]]:
    """The name and type of each field, and whether it has no default."""
    hints = typing.get_type_hints(cls)
    return [
        (field.name, hints[field.name], field.default is MISSING and field.default_factory is MISSING)
        for field in fields(cls)
    ]


def _takes_none(wanted: Any) -> bool:
    return isinstance(wanted, types.UnionType) and types.NoneType in get_args(wanted)


def _check(at: str, value: Any, wanted: Any, key: Callable[[str], str]) -> Any:
    """`value` of the field `at` as what the annotation `wanted` asks for."""
    if isinstance(wanted, types.UnionType):
        if value is None and _takes_none(wanted):
            return None
        (wanted,) = (part for part in get_args(wanted) if part is not types.NoneType)
    kind = get_origin(wanted)
    if kind is Literal:
        if value not in get_args(wanted):
            said = _SHORT.repr(value)
            raise TransparencyError("invalidParams", f"{at!r} is {said}.", f"It takes one of {get_args(wanted)}.")
        return value
    if kind in _LISTS:
        if not isinstance(value, list):
            raise _wrong(at, value, "list")
        items: list[Any] = value
        read_items = [_check(f"{at}[{i}]", item, get_args(wanted)[0], key) for i, item in enumerate(items)]
        return tuple(read_items) if kind is tuple else read_items
    if is_dataclass(wanted):
        if not isinstance(value, Mapping):
            raise _wrong(at, value, "object")
        return _read(typing.cast("type", wanted), typing.cast("Mapping[Any, Any]", value), key, f"{at}.")
    if wanted is float and isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(at, value)
    # bool is an int in Python, but not on the wire
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise _wrong(at, value, wanted.__name__)
    return value


_LISTS = (list, tuple, Collection)

#: Foreign values may be as large and as deep as a message.
_SHORT = reprlib.Repr()


def _finite(at: str, value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        raise TransparencyError("invalidParams", f"{at!r} is too large.") from None
    if not math.isfinite(number):
        raise TransparencyError("invalidParams", f"{at!r} is {number}.", "It takes a finite number.")
    return number


def _wrong(at: str, value: Any, wanted: str) -> TransparencyError:
    return TransparencyError("invalidParams", f"{at!r} is {type(value).__name__}, not {wanted}.")
