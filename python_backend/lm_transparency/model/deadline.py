"""Native code that may not end, on a thread that can be left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Late(Exception):
    """A result did not come in time. Its computation runs on, without anyone waiting for it."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """`work()`, which lets other threads run. Raises what it raises, and `Late`."""
    found: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            failed.append(error)

    # a thread that is left behind keeps no process alive
    thread = threading.Thread(target=run, name="native", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise Late
    return found[0]
