"""Code that may not end, on a thread that can be left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ..watch import Watch

T = TypeVar("T")

#: Seconds between two looks at whether the work was cancelled.
_CHECK_S = 0.1


class Late(Exception):
    """A result did not come in time. Its computation runs on, without anyone waiting for it."""


def within(seconds: float, work: Callable[[], T], watch: Watch | None = None) -> T:
    """`work()`, which lets other threads run. Raises what it raises, `Late`, and `Cancelled` where `watch` does."""
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
    if watch is None:
        thread.join(seconds)
    else:
        end = time.monotonic() + seconds
        while thread.is_alive() and time.monotonic() < end:
            watch.check()
            thread.join(_CHECK_S)
    if failed:
        raise failed[0]
    if not found:
        raise Late
    return found[0]
