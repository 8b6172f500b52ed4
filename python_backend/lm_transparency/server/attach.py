"""`attach`: join the server of this user and environment, or start it, and bridge it to stdin and stdout.

A line of its own, `MARKER` and a JSON object, ends any earlier output. Nothing heavy is imported.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..files.json_files import NotJson, decode_json
from ..version import __version__
from .runtime_files import GREETING, NotPrivate, Place, connect, is_running, locked, place, read_ended, unknown_end

#: Begins the last line before the protocol's stream.
MARKER = "lm-transparency attached "
#: Begins the line on stderr that says how a server ended unexpectedly.
ENDED = "lm-transparency ended "

#: A line on stderr that only says that this bridge is alive.
ALIVE = b"lm-transparency alive\n"

#: The server ended unexpectedly; the line `ENDED` says how.
EXIT_SERVER_ENDED = 5
#: One of the standard streams cannot be used.
EXIT_USAGE = 2
#: The folder or the socket is not this user's alone, or the server did not start.
EXIT_REFUSED = 6

_LOG_S = 0.3
#: Seconds between two signs of life of the bridge, whatever the server does.
_ALIVE_S = 5.0
#: Seconds that a server may take to read the last words of a client that has left.
_LAST_WORDS_S = 5.0
_CHUNK = 1 << 18


def attach(server_arguments: list[str]) -> int:
    """Bridge until either side ends; returns the exit code, 0 for an expected end.

    `server_arguments` go to a server that has to be started.
    """
    if sys.stdin is None or sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        return _say("The backend is spoken to over stdin and stdout, and one of them is closed.", EXIT_USAGE)
    _plug_stderr()
    try:
        files = place()
        connection, greeting, started = _join(files, server_arguments)
    except NotPrivate as error:
        return _say(str(error), EXIT_REFUSED)
    except _NotStarted as error:
        return _say(str(error), error.code)
    process_id: int = greeting["processId"]
    marker = {"version": __version__, "processId": process_id, "started": started}
    try:
        _write_all(1, f"\n{MARKER}{json.dumps(marker)}\n".encode())
    except OSError as error:
        connection.close()
        return _say(f"Standard output cannot be written: {error.strerror}.", EXIT_USAGE)
    if _bridge(connection, files.log):
        return 0
    ended = read_ended(files, process_id, patience=2.0)
    if ended is None and not is_running(process_id):
        # no record: the process above the server was killed, too
        ended = unknown_end(process_id)
    if ended is None or ended["code"] == 0:
        return 0
    return _say(ENDED + json.dumps(ended), EXIT_SERVER_ENDED)


class _NotStarted(Exception):
    def __init__(self, message: str, code: int = EXIT_REFUSED) -> None:
        super().__init__(message)
        self.code = code


def _join(files: Place, arguments: list[str]) -> tuple[socket.socket, dict[str, Any], bool]:
    # once more: the server that was found may have been about to end
    for _ in range(3):
        connection, started = connect(files), False
        if connection is None:
            # if two start at once, the second finds what the first has started
            with locked(files):
                connection = connect(files)
                if connection is None:
                    _start(files, arguments)
                    connection, started = connect(files), True
        greeting = _greeting(connection) if connection is not None else None
        if connection is not None and greeting is not None:
            return connection, greeting, started
    raise _NotStarted("The server ended as soon as it was asked; the log may say why: " + str(files.log))


def _greeting(connection: socket.socket) -> dict[str, Any] | None:
    """The server's first line, and not a byte more; None where it hangs up instead."""
    line = b""
    try:
        while not line.endswith(b"\n"):
            byte = connection.recv(1)
            if not byte:
                return None
            line += byte
    except ConnectionError:
        return None
    try:
        greeting: Any = decode_json(line[len(GREETING) :])
    except NotJson as error:
        raise _NotStarted(f"The server's first line {error.reason}.") from None
    if not isinstance(greeting, dict):
        raise _NotStarted("The server's first line is not a greeting of this version.")
    return greeting


def _start(files: Place, arguments: list[str]) -> None:
    """Start the server and wait until it listens, or has ended with a reason."""
    ready, told = os.pipe()
    log = os.open(files.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    command = [sys.executable, "-u", "-m", "lm_transparency.server.shared", "--ready", str(told), *arguments]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            pass_fds=(told,),
            # in a session of its own, since this one ends with the link
            start_new_session=True,
        )
    finally:
        os.close(told)
        os.close(log)
    with open(ready, "rb") as pipe:
        for line in iter(pipe.readline, b""):
            if line == b"ready\n":
                # the pipe ends only with the server, so its end is not awaited
                return
            # what it says of its progress
            _tell(line)
    code = process.wait()
    words = files.log.read_text("utf-8", "replace").strip().splitlines()
    raise _NotStarted(words[-1][:500] if words else "The server ended without a message.", code or EXIT_REFUSED)


def _bridge(connection: socket.socket, log: Path) -> bool:
    """Copy both ways, and the server's log to stderr; returns whether the client ended it."""
    client_ended = threading.Event()

    def upwards() -> None:
        try:
            while data := os.read(0, _CHUNK):
                connection.sendall(data)
        except OSError:
            pass
        client_ended.set()
        # one way only: a server whose output no longer arrives would not read the client's last words
        _shut(connection, socket.SHUT_WR)

    def downwards(data: bytes) -> None:
        try:
            if not client_ended.is_set():
                _write_all(1, data)
        except OSError:
            client_ended.set()

    def leave(_number: int, _frame: Any) -> None:
        client_ended.set()
        _shut(connection, socket.SHUT_RDWR)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, leave)
    threading.Thread(target=upwards, daemon=True).start()
    end = float("inf")
    alive_at = time.monotonic()
    # a server started in the foreground logs elsewhere
    with open(log if log.exists() else os.devnull, "rb") as lines:
        lines.seek(0, os.SEEK_END)
        while time.monotonic() < end:
            if client_ended.is_set():
                end = min(end, time.monotonic() + _LAST_WORDS_S)
            try:
                heard = bool(select.select([connection], [], [], _LOG_S)[0])
                data = connection.recv(_CHUNK) if heard else b""
            except OSError:
                break
            if heard and not data:
                break
            downwards(data)
            _tell(lines.read())
            if time.monotonic() - alive_at > _ALIVE_S:
                alive_at = time.monotonic()
                _tell(ALIVE)
        _tell(lines.read())
    return client_ended.is_set()


def _shut(connection: socket.socket, how: int) -> None:
    with suppress(OSError):
        connection.shutdown(how)


def _plug_stderr() -> None:
    """Where it is closed, no file that is opened takes its place."""
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        nothing = os.open(os.devnull, os.O_WRONLY)
        if nothing != 2:
            os.dup2(nothing, 2)
            os.close(nothing)


def _tell(lines: bytes) -> None:
    """On stderr, whose state is no reason to end."""
    with suppress(OSError):
        _write_all(2, lines)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _say(line: str, code: int) -> int:
    _tell(f"{line}\n".encode())
    return code
