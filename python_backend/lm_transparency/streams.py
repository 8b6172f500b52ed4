"""The standard streams of a command: output is safe, fits the stream's encoding, and fails with a sentence.

`standard_streams` replaces stdout and stderr with a `Printed`, so that `print`, warnings, logging and libraries go
through it too. Only the standard library is imported.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, cast

from .printable import terminal, terminal_lines

#: The colours of a report by rich.
_STYLES = re.compile(r"(\x1b\[[0-9;]*m)")
_CLEAR_LINE = "\r\x1b[2K"

#: Our own signs in an encoding that lacks them; other missing characters show as \uXXXX.
_PLAIN = {
    **dict.fromkeys("█▉▊▋▌■", "#"),
    **dict.fromkeys("▍▎▏", " "),
    **dict.fromkeys("—–", "-"),
    **dict.fromkeys("┊┄‖", "|"),
    **{"→": "->", "←": "<-", "↑": "+", "↓": "-", "×": "x", "÷": "/", "✓": "ok", "·": "_", "…": "...", "Σ": "sum"},
    **{"“": '"', "”": '"', "‘": "'", "’": "'", "⟨": "<", "⟩": ">", "−": "-", "≤": "<="},
    **{"↵": "\\n", "␍": "\\r", "␛": "\\x1b", "␡": "\\x7f"},
}


class StreamError(OSError):
    """Raised where printed text did not arrive. `stream`: its name."""

    def __init__(self, stream: str, error: OSError | ValueError) -> None:
        number = error.errno if isinstance(error, OSError) and error.errno else errno.EBADF
        super().__init__(number, os.strerror(number))
        self.stream = stream

    @property
    def reader_left(self) -> bool:
        # Windows has another error for a pipe without a reader
        return self.errno == errno.EPIPE or (sys.platform == "win32" and self.errno == errno.EINVAL)


class Printed:
    """A text stream for people. `stream` None: it is closed. `may_fail`: lost output does not matter."""

    def __init__(self, stream: Any, name: str, *, may_fail: bool = False) -> None:
        self._stream, self._name, self._may_fail = stream, name, may_fail
        self._failed: StreamError | None = None
        self._unfinished_line = False

    errors = "strict"

    def __getattr__(self, name: str) -> Any:
        # other attributes that libraries expect of a stream (`name`, `line_buffering`)
        return getattr(self._stream, name)

    @property
    def encoding(self) -> str:
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def is_utf8(self) -> bool:
        return codecs.lookup(self.encoding).name == "utf-8"

    @property
    def buffer(self) -> _Bytes:
        """For data: written unchanged."""
        return _Bytes(self)

    def check_open(self) -> None:
        """Raise `StreamError` where nothing can be written."""
        if self._stream is None:
            self._fail(ValueError("closed"))

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:
            return False

    def fileno(self) -> int:
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def write(self, text: str, /) -> int:
        self._send(terminal_lines(text))
        return len(text)

    def write_styled(self, text: str) -> None:
        """Text with our own colours, for a terminal."""
        if not self.isatty():
            self.write(text)
            return
        for index, part in enumerate(_STYLES.split(text)):
            self._send(part if index % 2 else terminal_lines(part))

    def write_data(self, text: str, form: str) -> None:
        """A whole document in a format for programs, safe by itself.

        UTF-8; in ASCII where the stream is not UTF-8 and the format can spell the rest.
        """
        if self.is_utf8 or form not in _IN_ASCII:
            self.write_bytes(text.encode("utf-8"))
        else:
            self.write_bytes(text.encode("ascii", _IN_ASCII[form]))

    def write_bytes(self, data: bytes) -> None:
        raw = getattr(self._stream, "buffer", None)
        if raw is None:
            self._send(data.decode("utf-8"))
            return
        self._end_line()

        def write() -> None:
            # earlier text comes first
            self._stream.flush()
            raw.write(data)

        self._try(write)

    def overwrite(self, line: str, *, last: bool = False) -> None:
        """`line` in place of the last one written this way; unless it is `last`, the next words replace it."""
        shown = terminal(line)[: max(1, shutil.get_terminal_size((80, 24)).columns - 1)]
        self._unfinished_line = False
        self._send(f"{_CLEAR_LINE}{shown}{chr(10) if last else chr(13)}")
        self._unfinished_line = not last
        self.flush()

    def flush(self) -> None:
        if self._stream is not None:
            self._try(lambda: self._stream.flush())

    def settle(self) -> None:
        """Flush for the last time. Raises `StreamError`, also for failures that a library swallowed."""
        self._end_line()
        self.flush()
        if self._failed is not None and not self._may_fail:
            raise self._failed

    def _send(self, text: str) -> None:
        if not text:
            return
        if self._stream is None:
            self.check_open()
            return
        self._end_line()
        self._try(lambda: self._stream.write(_encodable(text, self.encoding)))

    def _end_line(self) -> None:
        if self._unfinished_line:
            self._unfinished_line = False
            self._try(lambda: self._stream.write(_CLEAR_LINE))

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (OSError, ValueError) as error:
            self._fail(error)

    def _fail(self, error: OSError | ValueError) -> None:
        self._failed = self._failed or StreamError(self._name, error)
        self._let_go()
        if not self._may_fail:
            raise self._failed from error

    def _let_go(self) -> None:
        """Python flushes once more when it ends, and complains: discard the rest"""
        stream = self._stream
        if stream is not None and any(stream is one for one in (sys.__stdout__, sys.__stderr__)):
            with suppress(OSError, ValueError):
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, stream.fileno())
                os.close(nothing)


class _Bytes:
    def __init__(self, printed: Printed) -> None:
        self._printed = printed

    def write(self, data: Any, /) -> int:
        self._printed.write_bytes(bytes(data))
        return len(data)

    def flush(self) -> None:
        self._printed.flush()


class _NoInput:
    """A closed stdin: reading it raises an error that says so."""

    @property
    def buffer(self) -> _NoInput:
        return self

    def isatty(self) -> bool:
        return False

    def read(self, _size: int = -1) -> NoReturn:
        raise OSError(errno.EBADF, "standard input is closed")


def stdout() -> Printed:
    """The stream of the answer."""
    return sys.stdout if isinstance(sys.stdout, Printed) else Printed(sys.stdout, "Standard output")


def stderr() -> Printed:
    """The stream of words about the answer."""
    return sys.stderr if isinstance(sys.stderr, Printed) else Printed(sys.stderr, "Standard error", may_fail=True)


class Streams:
    """The original stdin, stdout and stderr, to be restored."""

    def __init__(self) -> None:
        self._before = sys.stdin, sys.stdout, sys.stderr
        self._hooks = threading.excepthook, sys.unraisablehook
        self._plugs = _plugged()
        as_any: Any = sys
        as_any.stdin = sys.stdin or _NoInput()
        as_any.stdout, as_any.stderr = stdout(), stderr()

        def quiet(_unhandled: Any) -> None:
            """A failure in a thread or a finaliser is not an answer; what depends on it reports it."""

        if not os.environ.get("LM_TRANSPARENCY_DEBUG"):
            threading.excepthook = sys.unraisablehook = quiet

    def settle(self) -> None:
        """Flush everything, or raise `StreamError`."""
        stderr().settle()
        stdout().settle()

    def restore(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            # a second time they are as they were, and closed ones None
            if isinstance(stream, Printed):
                with suppress(OSError, ValueError):
                    stream.flush()
        as_any: Any = sys
        as_any.stdin, as_any.stdout, as_any.stderr = self._before
        threading.excepthook, sys.unraisablehook = self._hooks
        for plug in self._plugs:
            with suppress(OSError):
                os.close(plug)
        self._plugs = []


@contextmanager
def standard_streams() -> Generator[Streams]:
    """Safe streams for as long as a command runs."""
    streams = Streams()
    try:
        yield streams
    finally:
        streams.restore()


def _plugged() -> list[int]:
    """Occupy closed descriptors under 3, so that no opened file becomes stdout; they cannot be used."""
    plugs: list[int] = []
    if os.name != "posix":
        return plugs
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            opened = os.open(os.devnull, os.O_WRONLY if fd == 0 else os.O_RDONLY)
            if opened != fd:
                os.dup2(opened, fd)
                os.close(opened)
            plugs.append(fd)
    return plugs


def _encodable(text: str, encoding: str) -> str:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode(encoding, "lm_transparency.plain").decode(encoding)
    return text


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lost), error.end


def _in_json(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{lost[i : i + 2].hex()}" for i in range(0, len(lost), 2)), error.end


codecs.register_error("lm_transparency.plain", cast(Any, _plain))
codecs.register_error("lm_transparency.json", cast(Any, _in_json))
#: How a format spells what ASCII lacks.
_IN_ASCII = {"json": "lm_transparency.json", "run": "lm_transparency.json", "svg": "xmlcharrefreplace"}
