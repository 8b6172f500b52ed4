"""How the backend's memory is kept: what glibc gives back, and what Python's collector looks at."""

from __future__ import annotations

import ctypes
import gc
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


def keep_imports() -> None:
    """Leave what is there by now out of every later collection. A collection holds up all threads, and of the million
    objects that PyTorch and transformers bring none is ever garbage. To be called once they are imported.
    """
    gc.freeze()
