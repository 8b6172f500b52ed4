"""Every way a request can fail, as a JSON-RPC error. The codes are decided here and nowhere else."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from lsprotocol.types import ErrorCodes, LSPErrorCodes
from pygls.exceptions import JsonRpcException

from ...errors import Cancelled, TransparencyError, is_out_of_memory
from ...protocol.models import ErrorData, ErrorKind
from ...protocol.wire import to_wire
from .dependencies import missing

logger = logging.getLogger(__name__)

PARSE_ERROR = ErrorCodes.ParseError.value  # -32700
INVALID_REQUEST = ErrorCodes.InvalidRequest.value  # -32600
METHOD_NOT_FOUND = ErrorCodes.MethodNotFound.value  # -32601
INVALID_PARAMS = ErrorCodes.InvalidParams.value  # -32602
INTERNAL_ERROR = ErrorCodes.InternalError.value  # -32603
NOT_INITIALIZED = ErrorCodes.ServerNotInitialized.value  # -32002
#: The params are well-formed, but the request cannot be served; the kind says why.
REQUEST_FAILED = LSPErrorCodes.RequestFailed.value  # -32803
CANCELLED = LSPErrorCodes.RequestCancelled.value  # -32800

_SHOW_LOG = "Run “LM Transparency: Show Log” for the details."
_MAX_MESSAGE = 500


def need_not_be_heard(future: asyncio.Future[Any]) -> None:
    """Keep asyncio from logging a failure of `future` where nothing awaits it; whoever does still gets it."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())


def failure(code: int, kind: ErrorKind, message: str, remedy: str = "", **figures: int) -> JsonRpcException:
    """An error reply with one line of `message`, and `data` as `protocol.ErrorData`."""
    line = " ".join(message.split())[:_MAX_MESSAGE]
    return JsonRpcException(line or kind, code, to_wire(ErrorData(kind, remedy, **figures)))


def as_reply(error: BaseException) -> JsonRpcException:
    """The reply for `error`. An unexpected error is logged in full, and answered in one line."""
    if isinstance(error, JsonRpcException):
        return error
    if isinstance(error, Cancelled | asyncio.CancelledError):
        return failure(CANCELLED, "cancelled", "The request was cancelled.")
    if isinstance(error, ImportError):
        error = missing(error.name or "a package", error)
    if isinstance(error, TransparencyError):
        code = INVALID_PARAMS if error.kind == "invalidParams" else REQUEST_FAILED
        figures = {name: getattr(error, name, 0) for name in ("needed_bytes", "free_bytes")}
        return failure(code, error.kind, error.message, error.remedy, **figures)
    logger.error("A request failed unexpectedly.", exc_info=error)
    if is_out_of_memory(error):
        remedy = "Shorten the prompt, choose a smaller dtype or model, or unload the model."
        return failure(REQUEST_FAILED, "outOfMemory", "The device does not have enough memory.", remedy)
    first = (str(error).strip().splitlines() or [""])[0]
    return failure(INTERNAL_ERROR, "internal", f"{type(error).__name__}: {first}", _SHOW_LOG)
