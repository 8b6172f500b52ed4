"""`$/progress` under the client's token: begin, readable reports, and always an end."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType

from lsprotocol.types import (
    PROGRESS,
    ProgressParams,
    WorkDoneProgressBegin,
    WorkDoneProgressEnd,
    WorkDoneProgressReport,
)
from pygls.protocol import LanguageServerProtocol

#: Seconds between two reports, at least.
INTERVAL = 0.05
_MEGABYTE = 1_000_000

#: The share of the remaining work that a stage takes; so the percentage only rises, whichever stages come.
_SHARES = {
    "downloading the embedded model": 0.7,
    "verifying the embedded model": 0.1,
    "converting the embedded model (once)": 0.5,
    "forward": 0.25,
    "first pass": 0.25,
    "routes": 0.1,
    "contributions": 1.0,
}
_LAYERS = {
    "forward": "Forward pass",
    "first pass": "First pass",
    "routes": "Routes into the target",
    "contributions": "Contributions",
}


class Progress:
    """A context around one request, entered and left on the event loop; `report` may be called from any thread.

    Cancelling the progress in the client's window cancels the request. An empty `token` reports nothing.
    """

    def __init__(self, protocol: LanguageServerProtocol, token: str, title: str) -> None:
        self._protocol = protocol
        self._token = token
        self._title = title
        self._open = False
        self._scale = _Scale()
        self._is_first = False
        self._latest = WorkDoneProgressReport()
        self._sent_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Progress:
        if not self._token:
            return self
        self._open = True
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        if task is not None:
            self._protocol.progress.tokens[self._token] = task  # pyright: ignore[reportArgumentType]
        self._send(WorkDoneProgressBegin(title=self._title, cancellable=True))
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if not self._open:
            return
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
        self._protocol.progress.tokens.pop(self._token, None)
        self._send(WorkDoneProgressEnd())

    def report(self, stage: str, done: int, total: int) -> None:
        """A step of the work; see `watch.Report`."""
        if stage == "first pass":
            self._is_first = True
        if self._open:
            if stage == "forward" and self._is_first:
                stage = "first pass"
            percentage = self._scale.percentage(stage, done, total)
            if not total:
                # how far it is is not known: a bar that stands still would say that nothing happens
                percentage = None
            self._latest = WorkDoneProgressReport(message=describe(stage, done, total), percentage=percentage)
            self._loop.call_soon_threadsafe(self._schedule)

    def say(self, message: str, share: float | None) -> None:
        """Report a sentence of one's own. On the event loop."""
        if self._open:
            percentage = None if share is None else int(100 * share)
            self._latest = WorkDoneProgressReport(message=message, percentage=percentage)
            self._schedule()

    def waiting(self, before: int) -> None:
        """Report that `before` requests, of any window, come before this one. On the event loop."""
        if self._open:
            what = "1 request" if before == 1 else f"{before} requests"
            self._latest = WorkDoneProgressReport(message=f"Waiting for {what} before this one")
            self._schedule()

    def _schedule(self) -> None:
        if self._open and self._timer is None:
            wait = max(0.0, self._sent_at + INTERVAL - time.monotonic())
            self._timer = self._loop.call_later(wait, self._flush)

    def _flush(self) -> None:
        self._timer = None
        self._sent_at = time.monotonic()
        self._send(self._latest)

    def _send(self, value: WorkDoneProgressBegin | WorkDoneProgressReport | WorkDoneProgressEnd) -> None:
        self._protocol.notify(PROGRESS, ProgressParams(self._token, value))


def describe(stage: str, done: int, total: int) -> str:
    """A stage of `Watch.step` in words: `Forward pass, layer 12 of 30`."""
    if stage in _LAYERS and total:
        return f"{_LAYERS[stage]}, layer {done + 1} of {total}"
    name = stage[:1].upper() + stage[1:]
    if total >= _MEGABYTE:
        return f"{name}, {done // _MEGABYTE} of {total // _MEGABYTE} MB"
    return f"{name}, {done} of {total}" if total else name


class _Scale:
    """One percentage over all stages of a request."""

    def __init__(self) -> None:
        self._stage = ""
        self._start = self._end = self._at = 0.0

    def percentage(self, stage: str, done: int, total: int) -> int:
        if stage != self._stage:
            self._stage = stage
            self._start = max(self._at, self._end)
            self._end = self._start + (100 - self._start) * _SHARES.get(stage, 0.5)
        part = done / total if total else 0.0
        self._at = max(self._at, self._start + (self._end - self._start) * part)
        return int(self._at)
