"""How far memory rises while something runs, with freed memory returned to the system before."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..model.memory import give_back

T = TypeVar("T")

_SAMPLE_S = 0.004


def with_peak(work: Callable[[], T]) -> tuple[T, int]:
    """The result of `work`, and by how many bytes the resident memory of this process rose at its peak.

    By Linux's own mark (VmHWM), reset before; elsewhere sampled every few milliseconds.
    """
    # reused memory would not count
    gc.collect()
    give_back()
    before = _resident()
    if _reset_mark():
        result = work()
        return result, _mark() - before
    highest, done = before, threading.Event()

    def sample() -> None:
        nonlocal highest
        while not done.wait(_SAMPLE_S):
            highest = max(highest, _resident())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        result = work()
    finally:
        done.set()
        thread.join()
    return result, highest - before


def _resident() -> int:
    import psutil

    return psutil.Process().memory_info().rss


def _reset_mark() -> bool:
    try:
        # 5: the peak of resident memory (proc(5))
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _mark() -> int:
    lines = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
