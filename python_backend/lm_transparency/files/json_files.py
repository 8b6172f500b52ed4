"""JSON from any source: read with limits, or refused with one reason.

Where a key is given twice, the last value counts, as in every JSON reader. Text is returned as it was spelt, except
where `strict` refuses it.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

from ..errors import Kind, TransparencyError
from .reading import read_bytes

#: The most bytes of a file, unless the caller knows better.
MOST_BYTES = 64 << 20
#: Levels of nesting. Python's own limit depends on the depth of the caller, and on its version.
MOST_LEVELS = 200
#: Digits of an integer: the most that Python converts by default.
MOST_DIGITS = 4300

_TOO_LONG = "has a number that is too long"
_HALF_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class NotJson(ValueError):
    """`reason` completes "it …" or "the line …". `at`: the wrong character, where it is a single one."""

    def __init__(self, reason: str, at: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.at = at


def decode_json(text: str | bytes, *, strict: bool = True) -> Any:
    """The value that `text` (bytes: UTF-8, with or without a byte order mark) spells.

    `strict`: refuse NaN, infinite numbers and half a surrogate pair. Raises `NotJson`.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise NotJson(f"is not UTF-8: byte {error.start} cannot be read") from None
    try:
        value: Any = json.loads(
            text.removeprefix("\ufeff"),
            parse_int=_PARSE_INT,
            parse_float=_finite if strict else None,
            parse_constant=_no_number if strict else None,
        )
    except json.JSONDecodeError as error:
        where = f"in line {error.lineno}, column" if "\n" in text else "at column"
        raise NotJson(f"is not JSON: {error.msg} {where} {error.colno}", error.pos) from None
    except NotJson:
        raise
    except RecursionError:
        raise NotJson("is nested too deeply") from None
    except ValueError:
        # Python's own limit
        raise NotJson(_TOO_LONG) from None
    if _levels(value) > MOST_LEVELS:
        raise NotJson("is nested too deeply")
    if (
        strict
        and (_HALF_ESCAPE.search(text) or not _is_whole_text(text))
        and not all(map(_is_whole_text, _texts(value)))
    ):
        raise NotJson("has half of a character (a lone surrogate)")
    return value


def parse_json(
    text: str | bytes, name: str, *, kind: Kind = "invalidParams", remedy: str = "", strict: bool = True
) -> Any:
    """Like `decode_json`. Raises `TransparencyError(kind)`, which begins with `name` and ends with `remedy`."""
    try:
        return decode_json(text, strict=strict)
    except NotJson as error:
        raise TransparencyError(kind, f"{name} {error.reason}.", remedy) from error


def read_json(
    path: Path,
    *,
    kind: Kind = "invalidParams",
    remedy: str = "",
    strict: bool = True,
    most: int = MOST_BYTES,
    pipes: bool = False,
) -> Any:
    """The value in the file at `path`, which has at most `most` bytes. `pipes`: it may also be a pipe or a device.

    Raises `TransparencyError(kind)` for a file that cannot be read, is too large or is not JSON.
    """
    try:
        return decode_json(read_bytes(path, most=most, pipes=pipes), strict=strict)
    except NotJson as error:
        raise TransparencyError(kind, f"{path} {error.reason}.", remedy) from error
    except OSError as error:
        raise TransparencyError(kind, f"{path} cannot be read: {error.strerror}.", remedy) from error


def read_object(
    path: Path, *, kind: Kind = "invalidParams", remedy: str = "", strict: bool = True, most: int = MOST_BYTES
) -> dict[str, Any]:
    """Like `read_json`, for a file that holds an object."""
    value = read_json(path, kind=kind, remedy=remedy, strict=strict, most=most)
    if not isinstance(value, dict):
        raise TransparencyError(kind, f"{path} does not hold a JSON object.", remedy)
    return value


def object_or_none(path: Path, *, strict: bool = False, most: int = MOST_BYTES) -> dict[str, Any] | None:
    """The object in the file at `path`; None where none can be read: for caches and listings."""
    try:
        return read_object(path, strict=strict, most=most)
    except TransparencyError:
        return None


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise NotJson(_TOO_LONG)
    return int(digits)


#: The first versions of Python 3.10 convert any number of digits, in time that grows with their square.
_PARSE_INT = None if hasattr(sys, "get_int_max_str_digits") else _whole


def _finite(digits: str) -> float:
    value = float(digits)
    return value if abs(value) != float("inf") else _no_number(digits)


def _no_number(spelling: str) -> NoReturn:
    raise NotJson(f"has the number {spelling[:20]}, which is not finite")


def _levels(value: Any) -> int:
    """Levels of nesting, as far as they matter."""
    level, levels = [value], 0
    while level and levels <= MOST_LEVELS:
        inside = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list))]
        level = [child for children in inside for child in children if isinstance(child, (dict, list))]
        levels += 1
    return levels


def _texts(value: Any) -> list[str]:
    found: list[str] = []
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, dict):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            left += one
    return found


def _is_whole_text(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
