"""Reading prompt files; a file that cannot be used is refused with a sentence."""

from __future__ import annotations

from pathlib import Path

from ..batch.prompts import LANGUAGES
from ..errors import TransparencyError
from ..files.inputs import input_bytes
from ..prompts.documents import Document


def read_prompt(name: str) -> str:
    """The text of a prompt file (`-`: stdin), without front matter and the newline that editors end a file with.

    Raises `TransparencyError("invalidPrompt")` for a file that is missing, binary, not UTF-8, or holds several prompts.
    """
    try:
        raw = input_bytes(name)
    except OSError as error:
        raise TransparencyError("invalidPrompt", f"{name or 'A file'} cannot be read: {error.strerror}.") from error
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
            "Put each into its own file; `lm-transparency analyze FILE` takes them all.",
        )
    return document.prompt(document.stretches[0]).text if document.stretches else ""
