"""A process that computes beside an editor, and leaves the processor to it. Nothing heavy is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Of 20: on a processor that others want as well, about a tenth of it. Less, and with two cores the editor waits for
#: its keys; more, and an analysis would starve.
_NICENESS = 10
_is_low = False


def lower_priority() -> None:
    """From now on this process, the threads it starts and its children run when the editor has nothing to do.

    To be called before there are threads: on Linux each has a niceness of its own.
    """
    global _is_low
    _is_low = True
    if sys.platform == "win32":
        import psutil

        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        return
    os.nice(_NICENESS)
    # Linux may share the processor between sessions first, whatever the niceness of those in them
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(_NICENESS))


@contextmanager
def leaving_a_core() -> Generator[None]:
    """In a process of low priority, what this thread computes meanwhile leaves one core to the editor.

    With a thread on every core, each waits for the one that the editor interrupts: what is typed and what is computed
    are both slower. Imports torch.
    """
    if not _is_low:
        yield
        return
    import torch

    before, most = torch.get_num_threads(), max(1, n_cores() - 1)
    # to set the number that is set costs torch a new pool
    if before <= most:
        yield
        return
    torch.set_num_threads(most)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def n_cores() -> int:
    """Of which this process may use every one."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
