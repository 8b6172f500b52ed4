"""The files at which the server of a user and an environment is found: a private folder, a socket, a lock, its end.

POSIX only, and only the standard library, so that `attach` starts at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files.json_files import object_or_none
from ..files.writing import replace_file
from ..version import __version__

#: Names the private folder; by default `/tmp/lm-transparency-UID`, which is the same in every session of a user.
FOLDER_VARIABLE = "LM_TRANSPARENCY_RUNTIME_DIR"

#: Variables that decide on which devices a server computes and which files it finds; each combination has its own
#: server.
DECIDING = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE")

#: Begins the first line that the server writes to a client; a JSON object follows on it.
GREETING = b"lm-transparency "

_SHARED = "/tmp"

# a socket's path may have 107 bytes, 103 on macOS
_LONGEST = 103


class NotPrivate(Exception):
    """The folder, or the listener in it, does not belong to this user alone. The message is a sentence."""


@dataclass(frozen=True)
class Place:
    """The files of one server."""

    socket: Path
    lock: Path
    log: Path
    ended: Path


def place() -> Place:
    """The files for this user and environment; the folder is made where it is missing.

    Raises `NotPrivate` where the folder is someone else's, or open to others.
    """
    folder = _folder()
    name = _identity()
    files = Place(*(folder / f"{name}.{kind}" for kind in ("sock", "lock", "log", "ended")))
    if len(os.fsencode(files.socket)) > _LONGEST:
        raise NotPrivate(f"The path {folder} is too long for a socket; name a shorter one in {FOLDER_VARIABLE}.")
    return files


def _folder() -> Path:
    given = os.environ.get(FOLDER_VARIABLE)
    folder = Path(given or f"{_SHARED}/lm-transparency-{os.getuid()}")
    try:
        _make_private(folder)
        return folder
    except NotPrivate:
        # anyone may take a name in /tmp, and only they can give it back; the home belongs to the user
        home = None if given else _home()
        if home is None:
            raise
        _make_private(home)
        return home


def _home() -> Path | None:
    try:
        home = Path.home()
        return home / ".cache" / "lm-transparency" / "run" if home.stat().st_uid == os.getuid() else None
    except (OSError, RuntimeError):
        return None


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        above = folder.parent.stat().st_mode
    except OSError as error:
        raise NotPrivate(f"The folder {folder} cannot be made: {error.strerror}.") from error
    remedy = f"Remove it, or name another in {FOLDER_VARIABLE}."
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise NotPrivate(f"{folder} is not a folder of this user. {remedy}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise NotPrivate(f"The folder {folder} is open to other users. {remedy}")
    if above & stat.S_IWOTH and not above & stat.S_ISVTX:
        raise NotPrivate(f"Other users can put another folder in the place of {folder}. {remedy}")


def _identity() -> str:
    package = os.stat(Path(__file__).parent)
    parts = [__version__, sys.prefix, package.st_dev, package.st_ino, *(os.environ.get(name) for name in DECIDING)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@contextmanager
def locked(files: Place, wait: bool = True) -> Generator[bool]:
    """Hold the lock that guards starting and ending; yields whether it was acquired. It ends with its process."""
    held = os.open(files.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(held)


def connect(files: Place) -> socket.socket | None:
    """A connection to the server; None where none listens. Raises `NotPrivate` for another user's."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(files.socket))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    if peer_uid(connection) != os.getuid():
        connection.close()
        raise NotPrivate(f"Another user listens on {files.socket}.")
    return connection


def peer_uid(connection: socket.socket) -> int:
    """The user at the other end, according to the kernel."""
    if sys.platform == "darwin":
        # struct xucred: version, uid, …
        return struct.unpack("II", connection.getsockopt(0, 1, 8))[1]
    return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]


def write_ended(files: Place, record: dict[str, Any]) -> None:
    """How the server ended, written in one step."""
    replace_file(files.ended, lambda file: file.write(json.dumps(record).encode("ascii")), sync=False)


def unknown_end(process_id: int) -> dict[str, Any]:
    """The record of an unobserved end."""
    return {"processId": process_id, "code": None, "signal": None, "outOfMemory": False, "lines": []}


def is_running(process_id: int) -> bool:
    """Whether a process of this user exists and has not ended."""
    try:
        os.kill(process_id, 0)
        status = Path(f"/proc/{process_id}/stat")
        return not status.exists() or status.read_text("utf-8", "replace").rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def read_ended(files: Place, process_id: int, patience: float) -> dict[str, Any] | None:
    """How that process ended; None where that is unknown after `patience` seconds."""
    end = time.monotonic() + patience
    while True:
        record = object_or_none(files.ended)
        if record is not None and record.get("processId") == process_id:
            return record
        if time.monotonic() >= end:
            return None
        time.sleep(0.05)
