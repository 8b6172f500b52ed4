"""A connection's two ends as asyncio streams."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

_CHUNK = 65536
#: Chunks of last words that are read.
_MOST_CHUNKS = 16


class LastingReader(asyncio.StreamReader):
    """What has arrived can be read after a write has failed: a client that no longer reads may have said goodbye."""

    def set_exception(self, exc: Exception) -> None:
        self.feed_eof()


class _LastWords(asyncio.StreamReaderProtocol):
    """Reads what the kernel still holds when a write has failed: asyncio stops reading then."""

    def __init__(self, reader: LastingReader, connection: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(reader, loop=loop)
        self._reader_end, self._connection = reader, connection

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            with suppress(OSError):
                for _ in range(_MOST_CHUNKS):
                    data = self._connection.recv(_CHUNK)
                    if not data:
                        break
                    self._reader_end.feed_data(data)
        super().connection_lost(exc)


async def open_streams(connection: socket.socket) -> tuple[LastingReader, asyncio.StreamWriter]:
    """As `asyncio.open_unix_connection`, with a reader that outlives a failed write. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    reader = LastingReader(loop=loop)
    protocol = _LastWords(reader, connection, loop)
    transport, _ = await loop.create_unix_connection(lambda: protocol, sock=connection)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
