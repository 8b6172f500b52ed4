"""The server that several windows share, on a Unix socket: it outlives their connections, and ends by itself.

`attach` starts `python -m lm_transparency.server.shared`, which reports on fd `--ready` that it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from .compute.allocator import use_one_arena
from .compute.priority import work_beside_editor
from .compute.progressing import telling
from .connection.streams import open_streams
from .runtime_files import GREETING, Place, locked, peer_uid, place
from .supervisor import ended_well, keep

if TYPE_CHECKING:
    from ..protocol.models import ClientOptions
    from ..session.session import Session
    from .compute.backend import Backend
    from .connection.rpc import AnsweringServer
    from .language.reader import Reader

logger = logging.getLogger(__name__)

#: Seconds that a client may take to read the last words.
_LAST_WORDS_S = 1.0

#: Unread bytes of a client: past the first number nothing more is read from it, past the second it is lost.
_UNREAD = 32 * 1024 * 1024
_MOST_UNREAD = 8 * _UNREAD
#: Seconds without a byte read after which such a client is lost, where it has not named its own.
_UNREAD_S = 60.0

#: Errors of `accept` while there is no room for a connection, and seconds until it is tried and reported again.
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_ROOM_S = 1.0
_TELL_S = 60.0
#: Connections of this user at once.
_MOST_CLIENTS = 200


@dataclass(frozen=True)
class Patience:
    """Seconds. `grace`: after the last client left; `rest`: from unload to exit."""

    grace: float = 30.0
    rest: float = 600.0


def main(arguments: list[str] | None = None, session_factory: Callable[[], Session] | None = None) -> NoReturn:
    """Serve as long as there are clients."""
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
    supervisor = keep(files)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _serve(files, Patience(given.grace, given.rest), given.ready, session_factory or factory, supervisor)


def _session(trace_budget: int) -> Session:
    from .compute.backend import new_session

    return new_session(trace_budget)


def _serve(
    files: Place, patience: Patience, ready: int, session_factory: Callable[[], Session], supervisor: int
) -> NoReturn:
    from .stdio import EXIT_DEPENDENCY_MISSING, be_quiet, log_to_stderr

    log_to_stderr()
    be_quiet()
    use_one_arena()
    try:
        with telling(lambda line: os.write(ready, line)) if ready >= 0 else nullcontext():
            from . import app  # noqa: F401  # pyright: ignore[reportUnusedImport]
            from .compute.backend import Backend
            from .language.reader import Reader
    except ImportError as error:
        missing = error.name or str(error)
        print(f"The Python package {missing} cannot be imported by {sys.executable}; the backend needs it.")
        os._exit(EXIT_DEPENDENCY_MISSING)
    backend = Backend(session_factory)
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_Shared(files, patience, backend, Reader(backend)).serve(ready))
    backend.stop(0.3)
    ended_well(files, supervisor)
    # a thread in C code, or in a driver, would block an ordinary exit
    os._exit(0)


class _Shared:
    """All connections of the process, and when it may end."""

    def __init__(self, files: Place, patience: Patience, backend: Backend, texts: Reader) -> None:
        self._files = files
        self._patience = patience
        self._backend = backend
        self._texts = texts
        self._clients: set[_Client] = set()
        self._over = asyncio.Event()
        now = time.monotonic()
        self._left_at = self._busy_at = now
        # client id → until when its return is awaited
        self._lost: dict[str, float] = {}
        self._idle_s = 30 * 60.0

    async def serve(self, ready: int) -> None:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._files.socket.unlink(missing_ok=True)
        listening.bind(str(self._files.socket))
        self._files.socket.chmod(0o600)
        listening.listen(64)
        listening.setblocking(False)
        accepting = asyncio.create_task(self._accept(listening))
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
        accepting.cancel()
        self._stop_listening(listening)
        for client in list(self._clients):
            client.close()
        end = time.monotonic() + _LAST_WORDS_S
        while time.monotonic() < end and not all(client.is_flushed for client in self._clients):
            await asyncio.sleep(0.01)

    async def _accept(self, listening: socket.socket) -> None:
        """asyncio itself logs every failed try with a traceback, many times a second."""
        loop = asyncio.get_running_loop()
        told_at = float("-inf")
        serving: set[asyncio.Task[None]] = set()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
                reader, writer = await open_streams(connection)
            except OSError as error:
                if error.errno in _NO_ROOM:
                    if loop.time() - told_at >= _TELL_S:
                        told_at = loop.time()
                        logger.warning("A connection cannot be taken now: %s.", error.strerror)
                    await asyncio.sleep(_ROOM_S)
                continue
            task = asyncio.create_task(self._connected(reader, writer))
            serving.add(task)
            task.add_done_callback(serving.discard)

    def _stop_listening(self, listening: socket.socket) -> None:
        # without the lock another server may be starting, and own the socket
        with locked(self._files, wait=False) as held:
            if held:
                self._files.socket.unlink(missing_ok=True)
        listening.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if peer_uid(writer.get_extra_info("socket")) != os.getuid():
            logger.warning("A connection of another user was refused.")
            writer.close()
            return
        if len(self._clients) >= _MOST_CLIENTS:
            logger.warning("A connection was refused: there are %d already.", _MOST_CLIENTS)
            writer.close()
            return
        client = _Client(reader, writer, self._backend, self._texts, self._said_hello, self._over.set)
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
                # the same window, whose link broke without notice
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
            # a loop that was blocked has not read what its clients sent meanwhile
            if now - before < 2 * period + 1:
                self._end_silent(now)
            if not self._backend.is_idle:
                self._busy_at = now
            await self._rest(now)

    def _end_silent(self, now: float) -> None:
        for client in list(self._clients):
            client.look(now)
            silent = now - client.heard_at
            if 0 < client.options.silence_s < silent or (client.is_full and silent > _UNREAD_S):
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
    """One connection: a language server of its own on the shared backend."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        backend: Backend,
        texts: Reader,
        on_hello: Callable[[_Client], None],
        on_quit: Callable[[], None],
    ) -> None:
        from ..protocol.models import ClientOptions
        from .app import build_server

        self._reader = reader
        self._writer = writer
        self._backend = backend
        self.options = ClientOptions()
        self.said_goodbye = False
        self.heard_at = time.monotonic()
        self._unread_before = 0
        writer.transport.set_write_buffer_limits(high=_UNREAD)

        def hello(options: ClientOptions) -> None:
            self.options = options
            on_hello(self)

        self._server: AnsweringServer = build_server(backend, texts, self._on_exit, on_hello=hello, on_quit=on_quit)

    async def serve(self) -> None:
        """Serve until the client leaves, is lost, or is closed."""
        greeting = {"processId": os.getpid()}
        self._writer.write(GREETING + json.dumps(greeting).encode() + b"\n")
        protocol = self._server.protocol
        protocol.set_writer(self)
        try:
            await protocol.converse(self)
        except ConnectionError:
            pass
        finally:
            if not self.said_goodbye:
                self._backend.abandon(protocol)
            self._server.leave()
            self._writer.close()

    def close(self) -> None:
        """End the reader, and with it `serve`; output written before is still sent, if the client reads."""
        self._writer.close()

    def drop(self) -> None:
        """Like `close`, for a client that no longer reads."""
        self._writer.transport.abort()

    @property
    def is_flushed(self) -> bool:
        return self._writer.transport.get_write_buffer_size() == 0

    @property
    def is_full(self) -> bool:
        """Whether so much output is unread that nothing more is read from the client."""
        return self._unread > _UNREAD

    @property
    def _unread(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    def look(self, now: float) -> None:
        """A client that reads is alive, even while nothing is read from it."""
        unread = self._unread
        if unread < self._unread_before:
            self.heard_at = now
        self._unread_before = unread

    # the protocol's `frames.Source`, and its writer

    async def readline(self) -> bytes:
        if self.is_full:
            # a client that does not read is not read from either, so that its answers do not pile up
            await self._writer.drain()
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as end:
            line = end.partial
        except asyncio.LimitOverrunError as long:
            line = await self._reader.readexactly(long.consumed)
        self.heard_at = time.monotonic()
        return line

    async def readexactly(self, size: int) -> bytes:
        try:
            data = await self._reader.readexactly(size)
        except asyncio.IncompleteReadError:
            data = b""
        self.heard_at = time.monotonic()
        return data

    def write(self, data: bytes) -> None:
        if self._writer.is_closing():
            return
        self._writer.write(data)
        if self._unread > _MOST_UNREAD:
            logger.warning("A client does not read its answers.")
            self.drop()

    def _on_exit(self, _code: int) -> None:
        self.said_goodbye = True
        self.close()


if __name__ == "__main__":
    main()
