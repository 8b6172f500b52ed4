"""Reading a file that may be anything: no wait for a pipe, no more bytes than are allowed."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """`path` with `~` and `~user` as the shell reads them; as it stands where there is no such user, or no home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def read_bytes(path: Path, *, most: int, pipes: bool = False) -> bytes:
    """All of an ordinary file. `pipes`: also of a pipe or a device, until it ends.

    Raises `OSError`, whose `strerror` says what is wrong, also for more than `most` bytes.
    """
    # opening a pipe that nobody writes to would wait
    waits = 0 if pipes else getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(path, os.O_RDONLY | waits | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:
        raise OSError(errno.EINVAL, "the name holds a NUL character") from error
    try:
        status = os.fstat(handle)
        kind = status.st_mode
        if stat.S_ISDIR(kind):
            raise OSError(errno.EISDIR, "it is a folder")
        if not stat.S_ISREG(kind) and not pipes:
            raise OSError(errno.EINVAL, "it is not an ordinary file")
        with open(handle, "rb", closefd=False) as file:
            # as many bytes are set aside as are asked for; a file of no size may be one that the system makes up
            found = file.read((min(most, status.st_size) if status.st_size else most) + 1)
    finally:
        os.close(handle)
    if len(found) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes")
    return found
