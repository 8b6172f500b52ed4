"""Between wire and protocol: camelCase JSON to checked params, and results back. Wrong params name their field."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

import attrs

from ..errors import TransparencyError

T = TypeVar("T")

_PLAIN = (int, str, float)


def camel_case(name: str) -> str:
    """`edge_layer` → `edgeLayer`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def to_wire(message: Any) -> Any:
    """A protocol message, or a list or map of them, as plain JSON values with camelCase keys."""
    if attrs.has(type(message)):
        return {camel_case(a.name): to_wire(getattr(message, a.name)) for a in attrs.fields(type(message))}
    if isinstance(message, list | tuple):
        # of a long list of numbers or texts, no item is looked into
        return list(message) if all(type(item) in _PLAIN for item in message) else [to_wire(item) for item in message]
    if isinstance(message, Mapping):
        return {key: to_wire(value) for key, value in message.items()}
    return message


def read(cls: type[T], params: Any) -> T:
    """`params` (a JSON object, or nothing) as `cls`; unknown fields are ignored.

    Raises `TransparencyError("invalidParams")` that names the field and what it takes.
    """
    given: Any = {} if params is None else params
    if not isinstance(given, Mapping):
        raise TransparencyError("invalidParams", f"The params are {type(given).__name__}, not an object.")
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for attribute in attrs.fields(cls):  # pyright: ignore[reportArgumentType]
        name = camel_case(attribute.name)
        if name in given and given[name] is not None:
            values[attribute.name] = _check(name, given[name], hints[attribute.name])
        elif attribute.default is attrs.NOTHING:
            raise TransparencyError("invalidParams", f"The params lack {name!r}.")
    return cls(**values)


def _check(name: str, value: Any, wanted: Any) -> Any:
    if get_origin(wanted) is Literal:
        if value not in get_args(wanted):
            raise TransparencyError("invalidParams", f"{name!r} is {value!r}.", f"It takes one of {get_args(wanted)}.")
        return value
    if get_origin(wanted) is list:
        if not isinstance(value, list):
            raise TransparencyError("invalidParams", f"{name!r} is {type(value).__name__}, not list.")
        return [_check(name, item, get_args(wanted)[0]) for item in value]
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise TransparencyError("invalidParams", f"{name!r} is too large.") from None
    # bool is an int in Python, not on the wire
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise TransparencyError("invalidParams", f"{name!r} is {type(value).__name__}, not {wanted.__name__}.")
    return value
