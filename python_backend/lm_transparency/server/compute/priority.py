"""Work that gives way: speculative work runs on threads niced permanently, work that a user waits for never does.

An unprivileged process cannot raise its priority again, and Linux may weigh whole sessions (autogroups) before
niceness, so neither the process nor its session is changed. Nothing heavy is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Of 19. A request waits for the layer that such a thread computes: on cores that others keep busy that takes twice as
#: long as at 0 with 5, eight times with 10, nineteen times with 19.
_NICENESS = 5
#: Rounds that a thread of libgomp spins before it sleeps; it would be 300,000, which is a time slice or more. On cores
#: that others want each part of a computation then waits for a thread that waits by spinning: twenty times as long.
_SPINS = 1000
#: OpenMP whose threads may come to another thread's team.
_LENDING = ("libiomp", "libomp")

_is_beside_editor = False


def wait_asleep() -> None:
    """Let the threads of a computation sleep while they wait for each other. To be called before torch is imported."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(_SPINS))


def work_beside_editor() -> None:
    """Let `leaving_a_core` leave one from now on: an editor runs on this machine."""
    global _is_beside_editor
    _is_beside_editor = True


def step_back() -> None:
    """Nice the calling thread and the threads it starts permanently. Only has an effect on Linux.

    Only there do threads have a niceness of their own, and those of an OpenMP team take that of the thread they compute
    for.
    """
    if sys.platform == "linux" and not _lends_threads():
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, min(19, os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS))


def _lends_threads() -> bool:
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        return True
    return any(name in maps for name in _LENDING)


@contextmanager
def leaving_a_core() -> Generator[None]:
    """Leave one core to the editor for what this thread computes inside.

    With a thread on every core, each waits for the one that the editor interrupts, and both typing and computing are
    slower. Imports torch.
    """
    if not _is_beside_editor:
        yield
        return
    import torch

    before, most = torch.get_num_threads(), max(1, n_cores() - 1)
    # setting the current number again would cost torch a new pool
    if before <= most:
        yield
        return
    torch.set_num_threads(most)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def n_cores() -> int:
    """The CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
