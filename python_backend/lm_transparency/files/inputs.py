"""Inputs that a user names: a file, a pipe, or `-` for stdin. Contents that can be read only once are remembered."""

from __future__ import annotations

import errno
import os
import stat
import sys

from .reading import expanded, read_bytes

STDIN = "-"
#: The most bytes; a device such as /dev/zero has no end.
LARGEST = 1 << 30

_once: dict[str, bytes] = {}


def input_bytes(name: str) -> bytes:
    """The whole input. Waits for a pipe that is still being written. Raises `OSError`, whose `strerror` says what is
    wrong.
    """
    if name in _once:
        return _once[name]
    if not name:
        raise OSError(errno.EINVAL, "the name is empty")
    if name == STDIN:
        _once[name] = _stdin()
        return _once[name]
    path = expanded(name)
    found = read_bytes(path, most=LARGEST, pipes=True)
    if not stat.S_ISREG(os.stat(path).st_mode):
        _once[name] = found
    return found


def forget_inputs() -> None:
    """Forget stdin: the next command has its own."""
    _once.clear()


def _stdin() -> bytes:
    found = sys.stdin.buffer.read(LARGEST + 1)
    if len(found) > LARGEST:
        raise OSError(errno.EFBIG, f"it has more than {LARGEST:,} bytes")
    return found
