"""How glibc keeps the memory that the backend frees."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

#: glibc's `M_ARENA_MAX`.
_ARENA_MAX = -8


def use_one_arena() -> None:
    """Let all threads share one heap; to be called before threads start.

    An analysis consists of many small tensors, which would be scattered over one heap per thread, and memory freed
    there returns to the system only in pieces.
    """
    if sys.platform == "linux":
        # no other C library has it
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
