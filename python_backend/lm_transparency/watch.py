"""Watching long work: progress out, cancellation in. Passed down through every layer that takes time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from .errors import Cancelled

#: stage, done, total (total 0: unknown)
Report = Callable[[str, int, int], None]


class Watch:
    """Passes progress to `report`; `cancel()` from any thread makes the next `step` or `check` raise `Cancelled`."""

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
        """The client is gone: like `cancel`, but work inside `finishing` may complete."""
        self._abandoned.set()

    @contextmanager
    def finishing(self) -> Generator[None]:
        """Work worth completing although the client is gone: it may reconnect and ask again."""
        self._finishing = True
        try:
            yield
        finally:
            self._finishing = False

    def check(self) -> None:
        """Raise `Cancelled` once `cancel` was called."""
        if self._cancelled.is_set() or (self._abandoned.is_set() and not self._finishing):
            raise Cancelled

    def step(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Report progress and check for cancellation."""
        self.check()
        if self._report is not None:
            self._report(stage, done, total)
