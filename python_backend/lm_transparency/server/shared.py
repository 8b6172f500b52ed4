"""The server that several windows share, on a Unix socket: it outlives their connections, and ends by itself.

`python -m lm_transparency.server.shared` is what `attach` starts; it says on fd `--ready` that it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from .keeper import keep
from .place import GREETING, Place, locked, peer_uid, place
from .priority import work_beside_editor
from .progressing import telling

if TYPE_CHECKING:
    from ..session import Session
    from .backend import Backend
    from .protocol.models import ClientOptions
    from .rpc import AnsweringServer

logger = logging.getLogger(__name__)

#: How long a client may take to read the last words.
_LAST_WORDS_S = 1.0


@dataclass(frozen=True)
class Patience:
    """Seconds. `grace`: after the last client left; `rest`: from unload to exit."""

    grace: float = 30.0
    rest: float = 600.0


def main(arguments: list[str] | None = None, session_factory: Callable[[], Session] | None = None) -> NoReturn:
    """Serve until nobody needs it any more."""
    parser = argparse.ArgumentParser(prog="python -m lm_transparency.server.shared")
    parser.add_argument("--ready", type=int, default=-1)
    parser.add_argument("--trace-memory", type=int, default=0)
    parser.add_argument("--low-priority", action="store_true")
    for name in ("grace", "rest"):
        parser.add_argument(f"--{name}", type=float, default=getattr(Patience, name))
    given = parser.parse_args(arguments)
    factory = partial(_session, given.trace_memory * 1_000_000)
    files = place()
    if given.low_priority:
        work_beside_editor()
    keep(files)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _serve(files, Patience(given.grace, given.rest), given.ready, session_factory or factory)


def _session(trace_budget: int) -> Session:
    from .backend import new_session

    return new_session(trace_budget)


def _serve(files: Place, patience: Patience, ready: int, session_factory: Callable[[], Session]) -> NoReturn:
    from .stdio import EXIT_DEPENDENCY_MISSING, be_quiet, log_to_stderr

    log_to_stderr()
    be_quiet()
    try:
        with telling(lambda line: os.write(ready, line)) if ready >= 0 else nullcontext():
            from . import app  # noqa: F401  # pyright: ignore[reportUnusedImport]
            from .backend import Backend
    except ImportError as error:
        missing = error.name or str(error)
        print(f"The Python package {missing} cannot be imported by {sys.executable}; the backend needs it.")
        os._exit(EXIT_DEPENDENCY_MISSING)
    backend = Backend(session_factory)
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_Shared(files, patience, backend).serve(ready))
    backend.stop(0.3)
    # a thread in C code, or in a driver, would keep an ordinary exit waiting
    os._exit(0)


class _Shared:
    """All connections of the process, and when it may end."""

    def __init__(self, files: Place, patience: Patience, backend: Backend) -> None:
        self._files = files
        self._patience = patience
        self._backend = backend
        self._clients: set[_Client] = set()
        self._over = asyncio.Event()
        now = time.monotonic()
        self._left_at = self._busy_at = now
        # client id → until when its coming back is waited for
        self._lost: dict[str, float] = {}
        self._idle_s = 30 * 60.0

    async def serve(self, ready: int) -> None:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._files.socket.unlink(missing_ok=True)
        listening.bind(str(self._files.socket))
        self._files.socket.chmod(0o600)
        server = await asyncio.start_unix_server(self._connected, sock=listening, backlog=64)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._over.set)
        logger.info("Listening, process %d.", os.getpid())
        if ready >= 0:
            os.write(ready, b"ready\n")
            os.close(ready)
        watching = asyncio.create_task(self._watch())
        await self._over.wait()
        watching.cancel()
        self._stop_listening(server)
        for client in list(self._clients):
            client.close()
        end = time.monotonic() + _LAST_WORDS_S
        while time.monotonic() < end and not all(client.is_flushed for client in self._clients):
            await asyncio.sleep(0.01)

    def _stop_listening(self, server: asyncio.Server) -> None:
        # without the lock another server may be starting, and the socket be its
        with locked(self._files, wait=False) as held:
            if held:
                self._files.socket.unlink(missing_ok=True)
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if peer_uid(writer.get_extra_info("socket")) != os.getuid():
            logger.warning("A connection of another user was refused.")
            writer.close()
            return
        client = _Client(reader, writer, self._backend, self._said_hello, self._over.set)
        self._clients.add(client)
        try:
            await client.serve()
        finally:
            self._clients.discard(client)
            self._left(client)

    def _said_hello(self, client: _Client) -> None:
        options = client.options
        self._idle_s = options.idle_minutes * 60
        self._lost.pop(options.client_id, None)
        for other in list(self._clients):
            if other is not client and options.client_id and other.options.client_id == options.client_id:
                # the same window, whose link broke without a word
                other.drop()

    def _left(self, client: _Client) -> None:
        now = self._left_at = time.monotonic()
        client_id = client.options.client_id
        is_back = any(other.options.client_id == client_id for other in self._clients)
        if client_id and not client.said_goodbye and not is_back:
            self._lost[client_id] = now + (client.options.away_minutes * 60 or float("inf"))
        logger.info("A client %s; %d left.", "left" if client.said_goodbye else "was lost", len(self._clients))

    async def _watch(self) -> None:
        while not self._over.is_set():
            silences = [client.options.silence_s / 4 for client in self._clients if client.options.silence_s]
            period = min(1.0, self._patience.grace / 4, *silences)
            before = time.monotonic()
            await asyncio.sleep(period)
            now = time.monotonic()
            # a loop that was held up has not read what its clients sent meanwhile
            if now - before < 2 * period + 1:
                self._end_silent(now)
            if not self._backend.is_idle:
                self._busy_at = now
            await self._rest(now)

    def _end_silent(self, now: float) -> None:
        for client in list(self._clients):
            silent = now - client.heard_at
            if 0 < client.options.silence_s < silent:
                logger.info("A client has been silent for %.0f s.", silent)
                client.drop()

    async def _rest(self, now: float) -> None:
        idle = now - self._busy_at
        if self._idle_s and idle > self._idle_s:
            await self._backend.unload_all()
            if idle > self._idle_s + self._patience.rest:
                logger.info("Idle; ending.")
                self._over.set()
        if not self._clients and now > max(self._left_at + self._patience.grace, *self._lost.values(), 0):
            logger.info("No client is left; ending.")
            self._over.set()


class _Client:
    """One connection: a language server of its own on the backend that all share."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        backend: Backend,
        on_hello: Callable[[_Client], None],
        on_quit: Callable[[], None],
    ) -> None:
        from .app import build_server
        from .protocol.models import ClientOptions

        self._reader = reader
        self._writer = writer
        self._backend = backend
        self.options = ClientOptions()
        self.said_goodbye = False
        self.heard_at = time.monotonic()

        def hello(options: ClientOptions) -> None:
            self.options = options
            on_hello(self)

        self._server: AnsweringServer = build_server(backend, self._on_exit, on_hello=hello, on_quit=on_quit)

    async def serve(self) -> None:
        """Until the client leaves, is lost, or is closed."""
        from pygls.io_ import run_async

        greeting = {"processId": os.getpid()}
        self._writer.write(GREETING + json.dumps(greeting).encode() + b"\n")
        protocol = self._server.protocol
        protocol.set_writer(self)
        report = self._server.report_server_error
        try:
            await run_async(threading.Event(), self, protocol, error_handler=report)  # pyright: ignore[reportArgumentType]
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            if not self.said_goodbye:
                self._backend.abandon(protocol)
            self._server.leave()
            self._writer.close()

    def close(self) -> None:
        """The reader ends, and with it `serve`; what was written before still goes out, if the client reads."""
        self._writer.close()

    def drop(self) -> None:
        """As `close`, for a client that no longer reads."""
        self._writer.transport.abort()

    @property
    def is_flushed(self) -> bool:
        return self._writer.transport.get_write_buffer_size() == 0

    # what pygls reads from and writes to

    async def readline(self) -> bytes:
        line = await self._reader.readline()
        self.heard_at = time.monotonic()
        return line

    async def readexactly(self, size: int) -> bytes:
        data = await self._reader.readexactly(size)
        self.heard_at = time.monotonic()
        return data

    def write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    def _on_exit(self, _code: int) -> None:
        self.said_goodbye = True
        self.close()


if __name__ == "__main__":
    main()
