"""pygls's protocol, made to answer: every request gets exactly one reply, whatever it contains."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from lsprotocol.types import CANCEL_REQUEST, EXIT, INITIALIZE, METHOD_TO_TYPES, WORKSPACE_EXECUTE_COMMAND
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import JsonRPCNotification, JsonRPCRequestMessage, LanguageServerProtocol

from ..compute.failures import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    NOT_INITIALIZED,
    PARSE_ERROR,
    REQUEST_FAILED,
    as_reply,
    failure,
)
from .frames import LARGEST, Frame, LostFraming, NotJson, Source, read_frame, read_json
from .writing import Written, written

logger = logging.getLogger(__name__)

_NOT_PYGLS = ("textDocument/", "notebookDocument/", "workspace/")
_COMMANDS = (WORKSPACE_EXECUTE_COMMAND,)

#: Unanswered requests of one client; the next one is refused.
_MOST_REQUESTS = 4000
#: Values in the params of one message; no message of ours or of LSP has that many.
_MOST_VALUES = 50_000


class AnsweringProtocol(LanguageServerProtocol):
    """Custom requests receive their params as plain JSON; requests that cannot be understood get an error reply.

    pygls alone leaves a request unanswered where its message does not fit, or comes after shutdown.
    """

    def __init__(self, server: LanguageServer, converter: Any) -> None:
        super().__init__(server, converter)
        # `language.store` keeps open documents: pygls's own uses other line ends than LSP
        for method in [m for m in self.fm.builtin_features if m.startswith(_NOT_PYGLS) and m not in _COMMANDS]:
            del self.fm.builtin_features[method]
        # pygls's own ends the process; `build_server` decides what an end means
        del self.fm.builtin_features[EXIT]

        #: Called with the uri of a document whose text, or whose edit, could not be read.
        self.on_lost: Callable[[str], None] = lambda _uri: None

    @property
    def was_shut_down(self) -> bool:
        return self._shutdown

    def get_message_type(self, method: str) -> type[Any] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        # pygls's own keeps finished connections in a cache
        return METHOD_TO_TYPES.get(method, (None,))[0]

    def get_result_type(self, method: str) -> type[Any] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        return METHOD_TO_TYPES.get(method, (None, None))[1]

    async def converse(self, source: Source) -> None:
        """Read messages from `source` until it ends, or until the start of the next message is unknown."""
        while True:
            try:
                frame = await read_frame(source)
            except LostFraming as lost:
                logger.warning("The connection is closed: %s", lost)
                self.refuse(None, failure(PARSE_ERROR, "internal", str(lost), "The connection is closed."))
                return
            if frame is None:
                return
            # without yielding in between: a client that left without reading its answers may have said goodbye
            self.receive(frame)

    def receive(self, frame: Frame) -> None:
        """Act on one message. Whatever it contains and whatever fails, a request is answered."""
        if frame.is_too_large:
            said = f"The message has {frame.length:,} bytes; the backend takes up to {LARGEST:,}."
            self.refuse(frame.msg_id, failure(INVALID_REQUEST, "internal", said, "Select a part of the text."))
            if frame.method.startswith("textDocument/did"):
                self.on_lost(frame.uri)
            return
        try:
            message = read_json(frame.body)
        except NotJson as wrong:
            self.refuse(wrong.msg_id, failure(PARSE_ERROR, "internal", wrong.message))
            return
        try:
            self.handle_message(message)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # native code raises BaseException, too
            reply = as_reply(error)
            if isinstance(message, dict) and "id" in message and "method" in message:
                self.refuse(message["id"], reply)

    def structure_message(self, data: Any) -> Any:
        """Keep each JSON object: pygls also calls this for nested ones, and params may look like messages."""
        return data

    def handle_message(self, message: Any) -> None:
        """Answer a request, act on a notification, drop a response (responses to `ask` carry no information)."""
        if not isinstance(message, dict):
            self.refuse(None, failure(INVALID_REQUEST, "internal", "A message is a JSON object."))
        elif "method" not in message:
            if "result" not in message and "error" not in message:
                self.refuse(message.get("id"), failure(INVALID_REQUEST, "internal", "The request names no method."))
        elif "id" in message:
            try:
                super().handle_message(self._request(message))
            except JsonRpcException as error:
                self.refuse(message["id"], error)
        else:
            self._notified(message)

    def call_off(self) -> None:
        """Cancel every unanswered request."""
        for future in list(self._request_futures.values()):
            future.cancel()

    def _execute_handler(self, msg_id: Any, handler: Any, callback: Any, args: Any = None, kwargs: Any = None) -> None:
        """pygls's own keeps the results of notifications, and the handlers of commands, without end."""
        super()._execute_handler(msg_id, handler, callback, args, kwargs)
        future = self._request_futures.get(msg_id)
        if future is not None:
            future.add_done_callback(partial(self._forget, msg_id))

    def _forget(self, msg_id: Any, future: Any) -> None:
        if self._request_futures.get(msg_id) is future:
            del self._request_futures[msg_id]

    def _send_handler_result(self, future: Any, *, msg_id: Any) -> None:
        self._forget(msg_id, future)
        # cancelled before its handler had begun, which is not an error of its own
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if error is None:
            result = future.result()
            if isinstance(result, Written):
                self._result_types.pop(msg_id, None)
                head = json.dumps({"jsonrpc": self.VERSION, "id": msg_id})[:-1]
                self._send_body(b"".join((f'{head}, "result": '.encode(), result.body, b"}")))
            else:
                self._send_response(msg_id, result=result)
        else:
            self.refuse(msg_id, as_reply(error))

    def _send_data(self, data: Any) -> None:
        """Write one message. If JSON cannot express it, a request gets an error, and a notification is dropped."""
        if not data or self.writer is None:
            return
        try:
            body = json.dumps(data, default=self._serialize_message, allow_nan=False)
        except Exception as error:
            logger.error("A message could not be written.", exc_info=error)
            msg_id = None if isinstance(data, dict) else getattr(data, "id", None)
            if msg_id is not None:
                said = f"The answer cannot be written as JSON: {error}"
                self.refuse(msg_id, failure(INTERNAL_ERROR, "internal", said))
            return
        self._send_body(body.encode(self.CHARSET))

    def _send_body(self, body: bytes) -> None:
        if self.writer is not None:
            header = f"Content-Length: {len(body)}\r\nContent-Type: {self.CONTENT_TYPE}; charset={self.CHARSET}\r\n\r\n"
            self.writer.write(header.encode(self.CHARSET) + body)

    def written(self, result: Any) -> Written:
        """A result as JSON, on any thread."""
        return written(result, self._serialize_message)

    def ask(self, msg_id: str, method: str, params: Any = None) -> None:
        """Send a request whose answer carries no information, such as to refresh."""
        self._send_data({"jsonrpc": self.VERSION, "id": msg_id, "method": method, "params": params})

    def refuse(self, msg_id: Any, error: JsonRpcException) -> None:
        """Reply with `error`; an invalid id becomes null."""
        known = msg_id if isinstance(msg_id, str | int | float) and not isinstance(msg_id, bool) else None
        reply = {"code": error.code, "message": error.message, "data": error.data}
        self._send_data({"jsonrpc": self.VERSION, "id": known, "error": reply})

    def _request(self, message: dict[str, Any]) -> Any:
        """Raise the reply to a request that cannot be handled."""
        method, params = message["method"], message.get("params")
        if not _is_id(message["id"]):
            raise failure(INVALID_REQUEST, "internal", "The id of a request is an integer or a string.")
        if not isinstance(method, str) or message.get("jsonrpc") != self.VERSION:
            raise failure(INVALID_REQUEST, "internal", "The request is not of JSON-RPC 2.0.")
        if method not in self.fm.builtin_features and method not in self.fm.features:
            raise failure(
                METHOD_NOT_FOUND,
                "internal",
                f"The backend knows no method {method!r}.",
                "If extension and backend are of different versions, run “LM Transparency: Set Up Backend”.",
            )
        if self.get_message_type(method) is not None and self.get_result_type(method) is None:
            raise failure(INVALID_REQUEST, "internal", f"{method} is a notification, which has no id.")
        if self._shutdown:
            raise failure(INVALID_REQUEST, "internal", "The backend is shutting down.")
        if message["id"] in self._request_futures:
            raise failure(INVALID_REQUEST, "internal", "A request with this id is not answered yet.")
        if len(self._request_futures) >= _MOST_REQUESTS:
            said = f"The backend has {_MOST_REQUESTS:,} requests of this client waiting already."
            raise failure(REQUEST_FAILED, "internal", said, "Wait until they are answered, or restart the backend.")
        if not _is_small(params):
            raise failure(
                INVALID_PARAMS, "invalidParams", f"The params of {method} have more than {_MOST_VALUES} values."
            )
        if self._workspace is None and method != INITIALIZE:
            raise failure(NOT_INITIALIZED, "internal", f"{method} was asked before initialize.")
        if self.get_message_type(method) is None:
            return JsonRPCRequestMessage(message["id"], method, self.VERSION, params)
        try:
            return super().structure_message(message)
        except JsonRpcException:
            raise failure(INVALID_PARAMS, "invalidParams", f"The params of {method} do not fit.") from None

    def _notified(self, message: dict[str, Any]) -> None:
        method, params = message["method"], message.get("params")
        if method == CANCEL_REQUEST:
            wanted = params.get("id") if isinstance(params, dict) else None
            # a cancel that crosses its answer is ordinary
            if _is_id(wanted) and wanted in self._request_futures:
                self._handle_cancel_notification(wanted)
            return
        if not isinstance(method, str) or (method not in self.fm.builtin_features and method not in self.fm.features):
            return
        try:
            if not _is_small(params):
                raise JsonRpcException
            typed = self.get_message_type(method) is not None
            fitting: Any = JsonRPCNotification(method, self.VERSION, params)
            if typed:
                fitting = super().structure_message(message)
        except JsonRpcException:
            logger.warning("A notification %s was dropped: its params do not fit.", method)
            if method.startswith("textDocument/did"):
                self.on_lost(_uri(params))
            return
        super().handle_message(fitting)


class AnsweringServer(LanguageServer):
    """A `LanguageServer` whose out-of-band errors go to the log, not into message boxes."""

    protocol: AnsweringProtocol  # pyright: ignore[reportIncompatibleVariableOverride]

    #: Ends the notifications about the backend's health.
    unlisten: Callable[[], None] = staticmethod(lambda: None)

    def leave(self) -> None:
        """The connection is over: cancel the client's requests, and send it nothing more."""
        self.unlisten()
        self.protocol.call_off()

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Errors that pygls could not handle."""
        if not isinstance(error, JsonRpcException | asyncio.CancelledError):
            logger.error("%s: %s", type(error).__name__, str(error)[:200])


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _is_small(params: Any) -> bool:
    """Whether `params` has a plausible number of values. Counts no further than that."""
    found, left = 0, [params]
    while left:
        value = left.pop()
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        found += len(items)
        if found > _MOST_VALUES:
            return False
        left += items
    return True


def _uri(params: Any) -> str:
    document = params.get("textDocument") if isinstance(params, dict) else None
    uri = document.get("uri") if isinstance(document, dict) else None
    return uri if isinstance(uri, str) else ""
