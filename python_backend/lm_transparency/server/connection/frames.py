"""Messages from a stream of bytes: one frame at a time, limited in memory, with its JSON read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

#: Bytes of one message's body. A prompt of the greatest length allowed fits, and a document of its size.
LARGEST = 16 * 1024 * 1024
#: A header that announces more than this is noise; its body is not awaited.
_ABSURD = 1 << 30
#: Bytes of a header's line, and lines of one header.
_LONGEST_LINE = 8192
_MOST_LINES = 64
#: Bytes at the start of a message that is too large that are searched for its sender.
_HEAD = 4096
_CHUNK = 1 << 16

_HEADER = re.compile(rb"([!-9;-~]+):[ \t]*(.*?)[ \t]*", re.DOTALL)
_ID = re.compile(rb'"id"\s*:\s*(-?\d{1,18}(?=[\s,}])|"[^"\\]{0,200}")')
_METHOD = re.compile(rb'"method"\s*:\s*"([^"\\]{0,200})"')
_URI = re.compile(rb'"uri"\s*:\s*("(?:[^"\\]|\\.)*")')


class Source(Protocol):
    """The source of frames. A line longer than a header's may be cut, and the stream's end is b""."""

    async def readline(self) -> bytes: ...

    async def readexactly(self, size: int) -> bytes: ...


class LostFraming(Exception):
    """The start of the next message is unknown. The message is a sentence."""


@dataclass(frozen=True)
class Frame:
    """`body`: all `length` bytes of it, or the beginning of one that is larger than `LARGEST`."""

    body: bytes
    length: int

    @property
    def is_too_large(self) -> bool:
        return self.length > LARGEST

    @property
    def method(self) -> str:
        """The method of a message that is too large, where its beginning shows it."""
        return _text(_METHOD.search(self._outside()))

    @property
    def msg_id(self) -> Any:
        """Likewise the request's id, or None."""
        found = _ID.search(self._outside())
        return json.loads(found[1]) if found else None

    @property
    def uri(self) -> str:
        """Likewise the uri of its document."""
        found = _URI.search(self.body)
        try:
            return json.loads(found[1]) if found else ""
        except ValueError:
            return ""

    def _outside(self) -> bytes:
        # ids and methods nested inside the params do not count
        return self.body.partition(b'"params"')[0]


class NotJson(Exception):
    """A body that cannot be read. `msg_id`: of the request, where visible."""

    def __init__(self, message: str, msg_id: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.msg_id = msg_id


async def read_frame(source: Source) -> Frame | None:
    """The next message; None at the end of the stream. Lines that are not headers are skipped.

    Raises `LostFraming`.
    """
    length, lines, is_header = -1, 0, False
    while True:
        line = await source.readline()
        if not line.endswith(b"\n"):
            if not line or len(line) < _LONGEST_LINE:
                return None
            raise LostFraming("A line of a message's header is too long.")
        lines += 1
        if lines > _MOST_LINES:
            raise LostFraming("A message's header has too many lines.")
        if not line.strip():
            if length >= 0:
                return await _body(source, length)
            if is_header:
                raise LostFraming("A message's header does not say its Content-Length.")
            continue
        found = _HEADER.fullmatch(line.rstrip(b"\r\n"))
        is_header = is_header or found is not None
        if found is not None and found[1].lower() == b"content-length":
            length = _length(found[2], length)


def _length(value: bytes, before: int) -> int:
    given = int(value) if re.fullmatch(rb"[0-9]{1,18}", value) else -1
    if given < 0 or before not in (-1, given):
        raise LostFraming(f"A message's Content-Length is {value[:40].decode('ascii', 'replace')!r}.")
    if given > _ABSURD:
        raise LostFraming(f"A message of {given:,} bytes is announced.")
    return given


async def _body(source: Source, length: int) -> Frame | None:
    if length <= LARGEST:
        body = await source.readexactly(length) if length else b""
        return Frame(body, length) if len(body) == length else None
    head, left = b"", length
    while left:
        chunk = await source.readexactly(min(_CHUNK, left))
        if not chunk:
            return None
        left -= len(chunk)
        if len(head) < _HEAD:
            head += chunk[:_HEAD]
    return Frame(head, length)


def read_json(body: bytes) -> Any:
    """The JSON of a body. Raises `NotJson`, with the request's id where the rest of the message can be read."""
    try:
        return json.loads(body, parse_constant=_no_number)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise NotJson("The message is not JSON.", None) from None
    except ValueError:
        # NaN, or an integer of more digits than Python converts
        pass
    try:
        rest = json.loads(body, parse_constant=_nothing, parse_int=_short)
    except (ValueError, RecursionError):
        rest = None
    msg_id = rest.get("id") if isinstance(rest, dict) and "method" in rest else None
    raise NotJson("The message holds a number that is not valid in JSON, or is too long.", msg_id)


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _nothing(_name: str) -> None:
    return None


def _short(digits: str) -> int | None:
    return int(digits) if len(digits) <= 100 else None


def _text(found: re.Match[bytes] | None) -> str:
    return found[1].decode("utf-8", "replace") if found else ""
