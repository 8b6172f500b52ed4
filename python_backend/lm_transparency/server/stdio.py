"""The server on stdin and stdout: streams reserved for the protocol, and a process that ends with its client.

Only the standard library is imported before the streams are safe.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from ..printable import PrintableFormatter
from .compute.allocator import use_one_arena
from .compute.progressing import telling

if TYPE_CHECKING:
    from ..session.session import Session

#: A package that the server itself needs is missing; the last line on stderr names it.
EXIT_DEPENDENCY_MISSING = 3

EXIT_USAGE = 2

#: Seconds that running work may take to stop its child processes, such as a download, before the process ends.
_GRACE = 0.3

#: Bytes of a line that are read at once.
_LONGEST_LINE = 8192


def serve(session_factory: Callable[[], Session] | None = None, *, trace_budget: int = 0) -> NoReturn:
    """Serve one client on stdin and stdout. The process ends with `exit` or with the end of stdin, whatever is
    running.

    `trace_budget`: as for `new_session`.
    """
    stdin, stdout = _take_streams()
    log_to_stderr()
    be_quiet()
    use_one_arena()
    try:
        with telling(partial(os.write, 2)):
            from .app import build_server
            from .compute.backend import Backend, new_session
            from .language.reader import Reader
    except ImportError as error:
        missing = error.name or str(error)
        _say(f"The Python package {missing} cannot be imported by {sys.executable}; the backend needs it.")
        os._exit(EXIT_DEPENDENCY_MISSING)
    backend = Backend(session_factory or partial(new_session, trace_budget))

    def leave(code: int = 0) -> NoReturn:
        backend.stop(_GRACE)
        # a thread in C code, or in a driver, would block an ordinary exit
        os._exit(code)

    _leave_on_signals(leave)
    server = build_server(backend, Reader(backend), leave, on_quit=leave)
    server.protocol.set_writer(_Output(stdout, leave))
    asyncio.run(server.protocol.converse(_Input(stdin, leave)))
    leave()


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Duplicates of stdin and stdout; afterwards fd 0 is empty and fd 1 is stderr, for Python, C and children."""
    if sys.stdin is None or sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        _say("The backend speaks over stdin and stdout, and one of them is closed.")
        os._exit(EXIT_USAGE)
    nothing = os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None and nothing != 2:  # pyright: ignore[reportUnnecessaryComparison]
        os.dup2(nothing, 2)
    taken = os.dup(0), os.dup(1)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    if nothing > 2:
        os.close(nothing)
    # stdout's buffer goes to stderr too, where no encoding fails
    sys.stdout = sys.stderr
    if os.name == "posix":
        for fd in taken:
            os.set_blocking(fd, True)
    return open(taken[0], "rb"), open(taken[1], "wb")


def be_quiet() -> None:
    """Turn off progress bars, which do not belong in a log, and requests of libraries to their makers."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def log_to_stderr() -> None:
    """One line per record, from INFO up, without bodies of messages, which hold prompts. A crash logs where it was."""
    faulthandler.enable(2)
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(_is_news)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # pygls logs whole bodies at INFO, and they hold prompts
    logging.getLogger("pygls").setLevel(logging.WARNING)


def _is_news(record: logging.LogRecord) -> bool:
    """An error reply has reached the client; pygls logs its traceback nevertheless."""
    error = record.exc_info[1] if record.exc_info else None
    return not (record.name.startswith("pygls") and type(error).__name__ == "JsonRpcException")


def _leave_on_signals(leave: Callable[[int], NoReturn]) -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, lambda got, _frame: leave(128 + got))


def _say(line: str) -> None:
    try:
        os.write(2, (line + "\n").encode())
    except OSError:
        return


class _Input:
    """stdin whose end ends the process, also while the event loop is blocked."""

    def __init__(self, stream: BinaryIO, leave: Callable[[], Any]) -> None:
        self._stream = stream
        self._leave = leave
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stdin")

    async def readline(self) -> bytes:
        return await self._read(self._stream.readline, _LONGEST_LINE)

    async def readexactly(self, size: int) -> bytes:
        return await self._read(self._stream.read, size)

    async def _read(self, read: Callable[[int], bytes], size: int) -> bytes:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: self._watched(read(size)))

    def _watched(self, data: bytes) -> bytes:
        if not data:
            timer = threading.Timer(1.0, self._leave)
            timer.daemon = True
            timer.start()
        return data


class _Output:
    """stdout for pygls; a client that no longer reads counts as gone."""

    def __init__(self, stream: BinaryIO, leave: Callable[[], Any]) -> None:
        self._stream = stream
        self._leave = leave

    def write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
            self._stream.flush()
        except OSError:
            self._leave()

    def flush(self) -> None:
        """Every write is flushed already."""

    def close(self) -> None:
        """The process ends with the stream."""
