"""One client's connection: a language server with our methods, on the backend that all connections share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lsprotocol.types import EXIT, INITIALIZED, TextDocumentSyncKind

from .. import __version__
from . import protocol
from .backend import Backend
from .failures import as_reply
from .handlers import Handler, Handlers
from .messages import to_wire
from .rpc import AnsweringProtocol, AnsweringServer


def build_server(backend: Backend, on_exit: Callable[[int], None]) -> AnsweringServer:
    """A server for one connection. `on_exit` is called with the exit code that `exit` asks for."""
    server = AnsweringServer(
        "lm-transparency",
        __version__,
        text_document_sync_kind=TextDocumentSyncKind.None_,
        protocol_cls=AnsweringProtocol,
    )
    for method, handle in Handlers(backend, server.protocol).by_method().items():
        server.feature(method)(_answering(handle))
    unlisten = [lambda: None]

    @server.feature(INITIALIZED)
    def initialized(_params: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        unlisten[0]()
        unlisten[0] = backend.listen(lambda health: server.protocol.notify(protocol.HEALTH_CHANGED, to_wire(health)))
        backend.start()

    @server.feature(EXIT)
    def leave(*_params: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        unlisten[0]()
        on_exit(0 if server.protocol.was_shut_down else 1)

    return server


def _answering(handle: Handler) -> Handler:
    async def reply(params: Any) -> Any:
        try:
            return to_wire(await handle(params))
        except (Exception, asyncio.CancelledError) as error:
            raise as_reply(error) from None

    return reply
