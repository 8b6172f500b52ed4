"""One line on stderr: records done, rate, and remaining time."""

from __future__ import annotations

import time

from ..streams import stderr

#: Seconds between two lines where they are overwritten, and where they stay (a log).
_TERMINAL_S, _LOG_S = 0.2, 15


class ProgressLine:
    """`before`: records from an earlier run, `errors` of them with an error."""

    def __init__(self, total: int, before: int, errors: int = 0, *, quiet: bool) -> None:
        self._total, self._done, self._before, self.errors = total, before, before, errors
        self._quiet = quiet
        self._overwrite = stderr().isatty()
        # the clock starts with the first record: loading the model is not part of the rate
        self._started: float | None = None
        self._shown = 0.0

    def add(self, *, failed: bool) -> None:
        now = time.monotonic()
        self._done += 1
        self.errors += failed
        if self._started is None:
            self._started = now
        if now - self._shown >= (_TERMINAL_S if self._overwrite else _LOG_S):
            self._shown = now
            self._show(self._line(now), last=False)

    def end(self, words: str, done: int | None = None) -> None:
        """The last line: the outcome. `done`: the number of records, where it is known better."""
        self._done = self._done if done is None else done
        self._show(f"{self._done}/{self._total} prompts{self._failed()}{words}", last=True)

    def _line(self, now: float) -> str:
        since = now - (self._started or now)
        # the clock starts with the first record
        new = self._done - self._before - 1
        if new < 1 or since <= 0:
            return f"{self._done}/{self._total} prompts{self._failed()}"
        rate = new / since
        left = round((self._total - self._done) / rate)
        eta = f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}"
        return f"{self._done}/{self._total} prompts · {rate:.1f}/s · {eta} left{self._failed()}"

    def _failed(self) -> str:
        return f" · {self.errors} with an error" if self.errors else ""

    def _show(self, line: str, *, last: bool) -> None:
        if self._quiet:
            return
        if self._overwrite:
            stderr().overwrite(line, last=last)
        else:
            stderr().write(f"{line}\n")
            stderr().flush()
