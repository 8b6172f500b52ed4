"""Files that are complete or absent, and writing in place where a path is not a file of its own.

A link is followed: its target is replaced, and the link stays. A pipe, a device and a descriptor (`/dev/stdout`, a
shell's `>(…)`) are written in place. So is a file with several names (hard links), which replacing would separate, and
one that cannot be replaced because its folder is read-only or it is mounted by itself.
"""

from __future__ import annotations

import errno
import glob
import io
import os
import re
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ..errors import TransparencyError
from .reading import expanded

Write = Callable[[IO[bytes]], Any]

_DESCRIPTORS = re.compile(r"/dev/fd|/proc/(?:self|\d+)/fd|/proc/\d+/task/\d+/fd")
_LINKS = 40
#: Characters of a name that the temporary file's name shares: a name has room for 255 bytes.
_NAME = 40
#: A file that may be written, in a place where no other file can take its name.
_IN_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV)


def write_atomically(path: Path, write: Write) -> None:
    """Let `write` fill the file at `path` completely or not at all; nothing is left behind where that fails.

    Raises `TransparencyError("invalidParams")` where the place cannot be written to, and `BrokenPipeError` where the
    reader of a pipe is gone.
    """
    path = expanded(path)
    try:
        write_file(path, write)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise not_written(path, error) from error


def not_written(path: Path, error: OSError) -> TransparencyError:
    """The error for a file that could not be written."""
    if error.errno == errno.ENOENT and not path.parent.exists():
        reason, remedy = f"there is no folder {path.parent}", "Make it, or choose another place."
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        reason, remedy = "the disk is full", "Make room, or choose another place."
    else:
        reason, remedy = error.strerror or str(error) or type(error).__name__, "Choose another place."
    return TransparencyError("invalidParams", f"{path} cannot be written: {reason}.", remedy)


def write_file(path: Path, write: Write) -> None:
    """Like `write_atomically`. Raises `OSError`."""
    if is_stream(path):
        content = _all_of(write)
        with open_stream(path) as file:
            file.write(content)
        return
    try:
        before = os.stat(path)
    except FileNotFoundError:
        # also a link to a missing file
        replace_file(Path(os.path.realpath(path)), write)
        return
    if stat.S_ISDIR(before.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    target = Path(os.path.realpath(path))
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if before.st_nlink > 1:
        _overwrite(target, _all_of(write))
        return
    try:
        replace_file(target, write)
    except OSError as error:
        if error.errno not in _IN_PLACE:
            raise
        _overwrite(target, _all_of(write))


def is_stream(path: Path) -> bool:
    """Whether the file at `path` is written in place and cannot be rewound: a pipe, a device, a descriptor."""
    if _descriptor(path) is not None:
        return True
    try:
        kind = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(kind) and not stat.S_ISDIR(kind)


def open_stream(path: Path) -> IO[bytes]:
    """The `is_stream` path opened for writing. Raises `OSError`."""
    descriptor = _descriptor(path)
    # never created: what exists is written to
    handle = os.open(path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0)) if descriptor is None else os.dup(descriptor)
    return os.fdopen(handle, "wb")


def replace_file(path: Path, write: Write, *, sync: bool = True) -> None:
    """Write beside `path`, which is not followed where it is a link, and rename; an existing file's mode is kept.

    `sync`: it is on the disk when this returns. Raises `OSError`.
    """
    temporary = path.with_name(f".{path.name[:_NAME]}.{secrets.token_hex(8)}.tmp")
    # an unpredictable name, and no link in its place
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(temporary, flags | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            _keep_owner_and_mode(path, handle)
            write(file)
            file.flush()
            if sync:
                _sync(handle)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if sync:
        sync_directory(path.parent)


def remove_left_over(*paths: Path) -> None:
    """Remove what `replace_file` left beside `paths` where it was killed. Only for the holder of their lock."""
    for path in paths:
        for unfinished in path.parent.glob(f".{glob.escape(path.name[:_NAME])}.*.tmp"):
            with suppress(OSError):
                unfinished.unlink()


def open_private(path: Path) -> IO[bytes]:
    """An ordinary file of ours opened for appending; never the target of a link in its place. Raises `OSError`."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o666), "ab")


def sync_directory(directory: Path) -> None:
    """Sync the directory, after which a rename survives a power cut."""
    if os.name == "nt":
        return
    # a directory that cannot be opened or synced (some network and user file systems) is as safe as it gets
    with suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise


def _keep_owner_and_mode(path: Path, handle: int) -> None:
    try:
        before = os.lstat(path)
    except FileNotFoundError:
        return
    if os.name == "nt" or not stat.S_ISREG(before.st_mode):
        return
    made = os.fstat(handle)
    if (before.st_uid, before.st_gid) != (made.st_uid, made.st_gid):
        # EPERM: written in place, where replacing would change the owner
        os.fchown(handle, before.st_uid, before.st_gid)
    os.fchmod(handle, stat.S_IMODE(before.st_mode))


def _overwrite(path: Path, content: bytes) -> None:
    """Write in place; a full disk is noticed before a byte of the old content is touched."""
    with os.fdopen(os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0)), "wb") as file:
        before = os.fstat(file.fileno()).st_size
        if hasattr(os, "posix_fallocate") and content:
            try:
                os.posix_fallocate(file.fileno(), 0, len(content))
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    file.truncate(before)
                    raise
        file.write(content)
        file.flush()
        file.truncate(len(content))
        _sync(file.fileno())


def _all_of(write: Write) -> bytes:
    # all of it first: a failure leaves the old content, and a pipe cannot be rewound
    content = io.BytesIO()
    write(content)
    return content.getvalue()


def _descriptor(path: Path) -> int | None:
    """The open descriptor of this process that `path` names (`/dev/stdout`, `/dev/fd/63`), through links."""
    if os.name == "nt":
        return None
    at = os.path.abspath(path)
    for _ in range(_LINKS):
        folder, name = os.path.realpath(os.path.dirname(at)), os.path.basename(at)
        if _DESCRIPTORS.fullmatch(folder) and name.isdecimal() and _is_own(folder):
            return int(name)
        try:
            at = os.path.join(folder, os.readlink(os.path.join(folder, name)))
        except OSError:
            return None
    return None


def _is_own(folder: str) -> bool:
    return folder == "/dev/fd" or os.path.realpath("/proc/self/fd") == folder
