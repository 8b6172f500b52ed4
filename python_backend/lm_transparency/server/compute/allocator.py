"""How glibc keeps the memory that the backend frees."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

#: glibc's `M_ARENA_MAX`.
_ARENA_MAX = -8


def use_one_arena() -> None:
    """Let all threads share one heap: an analysis is many small tensors, which would lie scattered over a heap for each
    thread, and what is freed there goes back to the system in pieces only. To be called before threads are.
    """
    if sys.platform == "linux":
        # no other C library has it
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
