"""Loops over foreign text that stop themselves: the thread that runs them sets how long they may take."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TypeVar

from ..errors import Cancelled, TransparencyError

T = TypeVar("T")

#: Steps between two checks of the clock.
_EVERY = 256
#: Characters searched without a pause.
_PART = 50_000

_of_thread = threading.local()


class TooSlow(TransparencyError):
    """A file that would block an editor."""

    def __init__(self) -> None:
        super().__init__(
            "promptTooLong",
            "The file takes too long to read.",
            "Split it into smaller files, or select a part of it.",
        )


class Pace:
    """How much processor time a piece of work may take, in seconds, and whether it is still wanted.

    Processor time, so that a thread which waits for others does not count as slow.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._called_off = threading.Event()

    def call_off(self) -> None:
        """Stop the work, from any thread."""
        self._called_off.set()

    @contextmanager
    def kept(self) -> Generator[None]:
        """Let `steps` of this thread keep this pace."""
        end = time.thread_time() + self._seconds

        def look() -> None:
            if self._called_off.is_set():
                raise Cancelled
            if time.thread_time() > end:
                raise TooSlow

        before = getattr(_of_thread, "look", None)
        _of_thread.look = look
        try:
            yield
        finally:
            _of_thread.look = before


def steps(items: Iterable[T], every: int = _EVERY) -> Iterable[T]:
    """`items`, one after the other. Raises `TooSlow` or `Cancelled` in between, where a pace is set."""
    look: Callable[[], None] | None = getattr(_of_thread, "look", None)
    return items if look is None else _looking(items, look, every)


def _looking(items: Iterable[T], look: Callable[[], None], every: int) -> Generator[T]:
    left = 0
    for item in items:
        left -= 1
        if left < 0:
            look()
            left = every
        yield item


def matches(pattern: re.Pattern[str], text: str, start: int = 0, longest: int = 0) -> Iterable[re.Match[str]]:
    """`pattern.finditer(text, start)`, part by part, because a search that finds nothing blocks all threads.

    For a pattern whose matches have at most `longest` characters, or do not cross a line's end (0).
    """
    return steps(_by_parts(pattern, text, start, longest), 0)


def _by_parts(pattern: re.Pattern[str], text: str, start: int, longest: int) -> Generator[re.Match[str]]:
    while True:
        end = start + _PART
        if longest == 0:
            end = text.find("\n", end)
        if end < 0 or end >= len(text):
            yield from pattern.finditer(text, start)
            return
        behind = end
        for match in pattern.finditer(text, start, min(end + longest, len(text))):
            if match.start() >= end > start and longest:
                break
            behind = max(behind, match.end())
            yield match
        start = behind if longest else end + 1
