"""The destination of an answer: a file, or stdout in a suitable form."""

from __future__ import annotations

from pathlib import Path

from ..files.writing import write_atomically
from ..printable import terminal_lines
from ..streams import stdout


def deliver(text: str, form: str, output: Path | None = None, *, styled: bool = False) -> None:
    """Write `text` in the format `form` (`text`, or one for programs) to `output`, or to stdout.

    `styled`: it contains our own colours.

    Raises `TransparencyError("invalidParams")` where the place cannot be written to.
    """
    if output is not None:
        content = (terminal_lines(text) if form == "text" else text).encode("utf-8")
        write_atomically(output, lambda file: file.write(content))
    elif styled:
        stdout().write_styled(text)
    elif form == "text":
        print(text, end="")
    else:
        stdout().write_data(text, form)
