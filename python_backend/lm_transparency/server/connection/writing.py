"""Results that may be large, written as JSON away from the event loop."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from ...prompts.pace import steps

#: Items of a list that are written in one call, which stops every thread.
_PART = 500


class Written:
    """A result that is JSON already."""

    def __init__(self, body: bytes) -> None:
        self.body = body


def written(result: Any, plain: Callable[[Any], Any]) -> Written:
    """`result` as JSON, list by list and part by part. `plain`: an object as JSON's own values."""
    return Written("".join(_parts(result, plain)).encode())


def _parts(value: Any, plain: Callable[[Any], Any]) -> Iterator[str]:
    if isinstance(value, list) and len(value) > _PART:
        mark = "["
        for at in steps(range(0, len(value), _PART), 0):
            yield mark + _json(value[at : at + _PART], plain)[1:-1]
            mark = ", "
        yield "]"
    elif isinstance(value, dict) and value:
        mark = "{"
        for key, item in value.items():
            yield f"{mark}{json.dumps(key)}: "
            yield from _parts(item, plain)
            mark = ", "
        yield "}"
    elif value is None or isinstance(value, list | dict | str | int | float):
        yield _json(value, plain)
    else:
        yield from _parts(plain(value), plain)


def _json(value: Any, plain: Callable[[Any], Any]) -> str:
    return json.dumps(value, default=plain, allow_nan=False)
