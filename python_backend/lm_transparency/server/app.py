"""One client's connection: a language server with our methods, on the backend that all connections share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from cattrs import Converter
from lsprotocol.types import EXIT, INITIALIZE, INITIALIZED, InitializeParams, TextDocumentSyncKind
from pygls.protocol import default_converter

from .. import protocol
from ..errors import TransparencyError
from ..protocol.models import ClientOptions, Health
from ..protocol.wire import read, to_wire
from ..version import __version__
from .compute.backend import Backend
from .compute.failures import as_reply
from .connection.handlers import Handler, Handlers
from .connection.rpc import AnsweringProtocol, AnsweringServer
from .language.features import LanguageFeatures
from .language.reader import Reader


def build_server(
    backend: Backend,
    reader: Reader,
    on_exit: Callable[[int], None],
    *,
    on_hello: Callable[[ClientOptions], None] = lambda _options: None,
    on_quit: Callable[[], None] = lambda: None,
) -> AnsweringServer:
    """A server for one connection; all connections of a process share `backend` and `reader`.

    `on_exit` gets the exit code that `exit` requests, `on_hello` the client's options, and `on_quit` is called when the
    client asks the process to end for everyone.
    """
    server = AnsweringServer(
        "lm-transparency",
        __version__,
        text_document_sync_kind=TextDocumentSyncKind.Incremental,
        protocol_cls=AnsweringProtocol,
        converter_factory=_converter,
    )
    for method, handle in Handlers(backend, server.protocol).by_method().items():
        server.feature(method)(_answering(handle))
    language = LanguageFeatures(server, backend, reader)
    language.register(_answering)

    @server.feature(INITIALIZE)
    def hello(params: InitializeParams) -> None:  # pyright: ignore[reportUnusedFunction]
        options = _options(params.initialization_options)
        language.meet(params, options)
        on_hello(options)

    @server.feature(INITIALIZED)
    def initialized(_params: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        server.unlisten()
        tell = partial(server.protocol.notify, protocol.HEALTH_CHANGED)

        def changed(health: Health) -> None:
            tell(to_wire(health))
            language.health_changed(health)

        stop = backend.listen(changed)
        stop_watching = backend.watch_progress(partial(server.protocol.notify, protocol.PROGRESSING, {}))

        def unlisten() -> None:
            stop()
            stop_watching()
            language.leave()

        server.unlisten = unlisten
        backend.start()
        language.begin()

    @server.feature(protocol.QUIT)
    async def end(_params: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        # after this answer
        asyncio.get_running_loop().call_later(0.02, on_quit)

    @server.feature(EXIT)
    def leave(*_params: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        server.unlisten()
        on_exit(0 if server.protocol.was_shut_down else 1)

    return server


@cache
def _converter() -> Converter:
    # one for all connections: cattrs keeps the code that it generates for each
    return default_converter()


def _options(given: Any) -> ClientOptions:
    try:
        return read(ClientOptions, given)
    except TransparencyError:
        # from another version: it works without what it cannot say
        return ClientOptions()


def _answering(handle: Handler) -> Handler:
    async def reply(params: Any) -> Any:
        try:
            return to_wire(await handle(params))
        except BaseException as error:
            # native code raises BaseException, too
            raise as_reply(error) from None

    return reply
