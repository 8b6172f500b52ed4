"""Messages between a process and its child: a length of eight bytes, then JSON."""

from __future__ import annotations

import json
from typing import IO, Any

_LENGTH = 8


def write_frame(stream: IO[bytes], value: Any) -> None:
    """Raises `TypeError` or `ValueError` for what JSON cannot hold, and `OSError` where the reader is gone."""
    content = json.dumps(value).encode("ascii")
    stream.write(len(content).to_bytes(_LENGTH, "big"))
    stream.write(content)
    stream.flush()


def read_frame(stream: IO[bytes], most: int) -> Any:
    """The next message. Raises `EOFError` at the end, and `ValueError` for a message of more than `most` bytes."""
    length = int.from_bytes(_exactly(stream, _LENGTH), "big")
    if length > most:
        raise ValueError(f"a message of {length} bytes")
    return json.loads(_exactly(stream, length))


def _exactly(stream: IO[bytes], n_bytes: int) -> bytes:
    content = stream.read(n_bytes)
    if len(content) < n_bytes:
        raise EOFError
    return content
