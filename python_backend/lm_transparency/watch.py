"""How long work is watched: progress out, cancellation in. Passed down through every layer that takes time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .errors import Cancelled

#: stage, done, total (total 0: not known)
Report = Callable[[str, int, int], None]


class Watch:
    """Hands progress to `report`; `cancel()` from any thread makes the next `step` or `check` raise `Cancelled`."""

    def __init__(self, report: Report | None = None) -> None:
        self._report = report
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        self._cancelled.set()

    def check(self) -> None:
        """Raises `Cancelled` once `cancel` was called."""
        if self._cancelled.is_set():
            raise Cancelled

    def step(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Report progress and check for cancellation."""
        self.check()
        if self._report is not None:
            self._report(stage, done, total)
