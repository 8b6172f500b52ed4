"""How long work is watched: progress out, cancellation in. Passed down through every layer that takes time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from .errors import Cancelled

#: stage, done, total (total 0: not known)
Report = Callable[[str, int, int], None]


class Watch:
    """Hands progress to `report`; `cancel()` from any thread makes the next `step` or `check` raise `Cancelled`."""

    def __init__(self, report: Report | None = None) -> None:
        self._report = report
        self._cancelled = threading.Event()
        self._abandoned = threading.Event()
        self._finishing = False

    @property
    def is_abandoned(self) -> bool:
        return self._abandoned.is_set()

    def cancel(self) -> None:
        self._cancelled.set()

    def abandon(self) -> None:
        """Nobody waits any more: as `cancel`, but what runs inside of `finishing` may come to its end."""
        self._abandoned.set()

    @contextmanager
    def finishing(self) -> Generator[None]:
        """Work worth ending though nobody waits: who was lost comes back and asks for it again."""
        self._finishing = True
        try:
            yield
        finally:
            self._finishing = False

    def check(self) -> None:
        """Raises `Cancelled` once `cancel` was called."""
        if self._cancelled.is_set() or (self._abandoned.is_set() and not self._finishing):
            raise Cancelled

    def step(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Report progress and check for cancellation."""
        self.check()
        if self._report is not None:
            self._report(stage, done, total)
