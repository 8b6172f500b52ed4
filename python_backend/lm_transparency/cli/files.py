"""Prompts in, results out: what is refused with a sentence, and no half-written file."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from ..batch.prompts import LANGUAGES
from ..errors import TransparencyError
from ..prompts.documents import Document


def read_prompt(name: str) -> str:
    """The text of a prompt file (`-`: stdin), without front matter and the newline that editors end a file with.

    Raises `TransparencyError("invalidPrompt")` for a file that is missing, binary, not UTF-8, or of several prompts.
    """
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).expanduser().read_bytes()
    except OSError as error:
        raise TransparencyError("invalidPrompt", f"{name} cannot be read: {error.strerror}.") from error
    if b"\0" in raw:
        raise TransparencyError("invalidPrompt", f"{name} is a binary file.", "Choose a text file in UTF-8.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TransparencyError(
            "invalidPrompt", f"{name} is not UTF-8: byte {error.start} cannot be read.", "Save it as UTF-8."
        ) from error
    text = text.replace("\r\n", "\n")
    return text.removesuffix("\n") if Path(name).suffix not in LANGUAGES else _only_prompt(name, text)


def _only_prompt(name: str, text: str) -> str:
    """The prompt of a `.prompt` or `.chat` file that holds one; an empty text where it holds none."""
    document = Document(text, LANGUAGES[Path(name).suffix])
    if len(document.stretches) > 1:
        raise TransparencyError(
            "invalidPrompt",
            f"{name} holds {len(document.stretches)} prompts; one is needed here.",
            "Put it into a file of its own; `lm-transparency analyze FILE` takes them all.",
        )
    return document.prompt(document.stretches[0]).text if document.stretches else ""


def write_atomically(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write beside `path` and rename: the file is whole or not there.

    Raises `TransparencyError("invalidParams")` where the place cannot be written to.
    """
    path = path.expanduser()
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
            # mkstemp makes private files; a result is an ordinary one
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise TransparencyError(
            "invalidParams", f"{path} cannot be written: {error.strerror}.", "Choose another place."
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
