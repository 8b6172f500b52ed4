"""The destination of an answer: a file, or stdout in a suitable form."""

from __future__ import annotations

from pathlib import Path

from ..errors import TransparencyError
from ..files.writing import write_atomically
from ..printable import terminal_lines
from ..streams import stdout


def deliver(content: str | bytes, form: str, output: Path | None = None, *, styled: bool = False) -> None:
    """Write `content` in the format `form` (`text`, or one for programs) to `output`, or to stdout.

    `styled`: it contains our own colours.

    Raises `TransparencyError("invalidParams")` where the place cannot be written to, and for bytes on a terminal.
    """
    if isinstance(content, bytes):
        _deliver_bytes(content, form, output)
    elif output is not None:
        data = (terminal_lines(content) if form == "text" else content).encode("utf-8")
        write_atomically(output, lambda file: file.write(data))
    elif styled:
        stdout().write_styled(content)
    elif form == "text":
        print(content, end="")
    else:
        stdout().write_data(content, form)


def _deliver_bytes(content: bytes, form: str, output: Path | None) -> None:
    if output is not None:
        write_atomically(output, lambda file: file.write(content))
    elif stdout().isatty():
        raise TransparencyError("invalidParams", f"A terminal cannot show {form.upper()}.", "Name a file with -o.")
    else:
        stdout().write_bytes(content)
