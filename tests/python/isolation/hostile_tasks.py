"""Tasks for a child process that succeed, fail, or never end."""

from __future__ import annotations

import os
import time
from typing import Any

from lm_transparency.errors import TransparencyError


def add(a: int, b: int) -> int:
    return a + b


def process_id() -> int:
    return os.getpid()


def loaded_modules() -> list[str]:
    import sys

    return sorted(sys.modules)


def spin() -> None:
    while True:
        pass


def wait() -> None:
    time.sleep(600)


def wait_without_python() -> None:
    """Holds the interpreter's lock, as native code does."""
    import re

    re.match("(a|a)*b", "a" * 200)


def fill() -> int:
    blocks: list[bytearray] = []
    while True:
        blocks.append(bytearray(b"x" * 10_000_000))


def one_block() -> int:
    return len("x" * 10**12)


def long_answer(length: int) -> str:
    return "x" * length


def refuse() -> None:
    raise TransparencyError("modelUnsupported", "It is of no use.", "Choose another.")


def raise_base_exception() -> None:
    class Panic(BaseException):
        pass

    raise Panic("index out of bounds\nmore lines")


def leave() -> None:
    raise SystemExit(0)


def die() -> None:
    os.abort()


def no_data() -> Any:
    return {1, 2}


def print_much() -> int:
    print("x" * 100_000)
    os.write(1, b"y" * 100_000)
    return 1
