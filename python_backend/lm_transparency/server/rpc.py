"""pygls's protocol, made to answer: every request gets exactly one reply, whatever it looks like."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

from lsprotocol.types import CANCEL_REQUEST, EXIT, INITIALIZE, WORKSPACE_EXECUTE_COMMAND
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import JsonRPCNotification, JsonRPCRequestMessage, LanguageServerProtocol

from .failures import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, NOT_INITIALIZED, PARSE_ERROR, as_reply, failure

logger = logging.getLogger(__name__)

_NOT_PYGLS = ("textDocument/", "notebookDocument/", "workspace/")
_COMMANDS = (WORKSPACE_EXECUTE_COMMAND,)


class AnsweringProtocol(LanguageServerProtocol):
    """Custom requests get their params as plain JSON; what cannot be understood gets an error reply.

    By itself pygls leaves a request without an answer where its message does not fit, or comes after shutdown.
    """

    def __init__(self, server: LanguageServer, converter: Any) -> None:
        super().__init__(server, converter)
        # `language.store` keeps what is open: pygls's own takes other characters than LSP for line ends
        for method in [m for m in self.fm.builtin_features if m.startswith(_NOT_PYGLS) and m not in _COMMANDS]:
            del self.fm.builtin_features[method]
        # pygls's own ends the process; what an end means is said by `build_server`
        del self.fm.builtin_features[EXIT]

    @property
    def was_shut_down(self) -> bool:
        return self._shutdown

    def structure_message(self, data: Any) -> Any:
        """Leave each JSON object as it is: pygls asks this of nested ones too, and params may look like messages."""
        return data

    def handle_message(self, message: Any) -> None:
        """Answer a request, act on a notification, drop a response (what `ask` asks for says nothing)."""
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
        """Cancel every request that is not answered yet."""
        for future in list(self._request_futures.values()):
            future.cancel()

    def _send_handler_result(self, future: Any, *, msg_id: Any) -> None:
        if future.cancelled():
            # before its handler had begun; pygls's own reply says no kind
            self._request_futures.pop(msg_id, None)
            self.refuse(msg_id, as_reply(asyncio.CancelledError()))
        else:
            super()._send_handler_result(future, msg_id=msg_id)

    def ask(self, msg_id: str, method: str, params: Any = None) -> None:
        """Ask the client for something whose answer says nothing, such as to look again."""
        self._send_data({"jsonrpc": self.VERSION, "id": msg_id, "method": method, "params": params})

    def refuse(self, msg_id: Any, error: JsonRpcException) -> None:
        """Reply with `error`; an id that is none becomes null."""
        known = msg_id if isinstance(msg_id, str | int | float) and not isinstance(msg_id, bool) else None
        reply = {"code": error.code, "message": error.message, "data": error.data}
        self._send_data({"jsonrpc": self.VERSION, "id": known, "error": reply})

    def _request(self, message: dict[str, Any]) -> Any:
        """Raises the reply to a request that cannot be handled."""
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
        if self._shutdown:
            raise failure(INVALID_REQUEST, "internal", "The backend is shutting down.")
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
            typed = self.get_message_type(method) is not None
            fitting: Any = JsonRPCNotification(method, self.VERSION, params)
            if typed:
                fitting = super().structure_message(message)
        except JsonRpcException:
            logger.warning("A notification %s was dropped: its params do not fit.", method)
            return
        super().handle_message(fitting)


class AnsweringServer(LanguageServer):
    """A `LanguageServer` whose out-of-band errors go to the log, and not into message boxes."""

    protocol: AnsweringProtocol  # pyright: ignore[reportIncompatibleVariableOverride]

    #: Ends the notifications about the backend's health.
    unlisten: Callable[[], None] = staticmethod(lambda: None)

    def leave(self) -> None:
        """The connection is over: call off what its client asked for, and tell it nothing more."""
        self.unlisten()
        self.protocol.call_off()

    def report_server_error(self, error: Exception, source: Any) -> None:
        """What pygls could not handle. A body that is no JSON has no id, so null is answered."""
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError):
            self.protocol.refuse(None, failure(PARSE_ERROR, "internal", "The message is no JSON."))
        elif not isinstance(error, JsonRpcException | asyncio.CancelledError):
            logger.error("%s: %s", type(error).__name__, str(error)[:200])


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)
