"""The process above the server: it waits for the server's end and records how it ended."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from .runtime_files import Place, unknown_end, write_ended

_KEPT_LINES = 20
_LOOK_S = 0.5
#: Checks until a killed process must have ended.
_DYING = 10


def keep(files: Place) -> int:
    """Return in a child that becomes the server; the parent waits and ends as the child does. Linux, macOS.

    Returns the parent's process id, by which the child knows whether it still exists.
    """
    # counted before: only a kill during the server's life is its own
    oom_kills = _oom_kills()
    supervisor = os.getpid()
    child = os.fork()
    if child == 0:
        return supervisor
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: os.kill(child, got))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _leave_as(child, files, oom_kills)


def ended_well(files: Place, supervisor: int) -> None:
    """Record the server's own, expected end where the process above it was killed and cannot."""
    if os.getppid() != supervisor:
        with suppress(OSError):
            write_ended(files, {**unknown_end(os.getpid()), "code": 0})


def _leave_as(child: int, files: Place, oom_kills: int) -> NoReturn:
    recent = deque([oom_kills], maxlen=_DYING)
    while True:
        recent.append(_oom_kills())
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        time.sleep(_LOOK_S)
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    code = None if number else os.WEXITSTATUS(status)
    record = {
        **unknown_end(child),
        "code": code,
        "signal": signal.Signals(number).name if number else None,
        # the counters are the machine's: a kill at the time of this one is assumed to be the same
        "outOfMemory": number == signal.SIGKILL and _oom_kills() > recent[0],
        "lines": _last_lines(files.log),
    }
    try:
        write_ended(files, record)
    finally:
        os._exit(128 + number if number else code or 0)


def _oom_kills() -> int:
    """How many processes the kernel has killed for lack of memory since it started; 0 where unknown."""
    try:
        with open("/proc/vmstat", encoding="ascii") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("oom_kill "))
    except (OSError, ValueError):
        return 0


def _last_lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    # a crash writes where every thread was, the crashed one first
    crashes = [at for at, line in enumerate(lines) if line.startswith("Fatal Python error")]
    begin = crashes[-1] if crashes else -_KEPT_LINES
    return [line[:500] for line in lines[begin:][:_KEPT_LINES]]


if sys.platform == "win32":
    raise ImportError("there is no fork on Windows")
