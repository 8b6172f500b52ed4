"""Recognise whether files have changed.

`state` reads no contents and is valid on one machine: size, time and inode. `content` depends on the contents and also
recognises copies; for very large files it uses size and time, since reading them would take as long as loading.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

#: Bytes of one file that are read for `content`.
MOST_READ = 64 << 20
#: The files of a model; a trainer's logs and states beside them do not count.
_PARTS = (".json", ".safetensors", ".gguf", ".model", ".txt", ".jinja", ".tiktoken", ".py")
_NO_PARTS = ("trainer_state.json", "all_results.json", "train_results.json", "eval_results.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def text_fingerprint(*parts: str) -> str:
    """16 hexadecimal digits that differ where one of `parts` differs, also in lone surrogates."""
    digest = hashlib.sha256()
    for part in parts:
        said = part.encode("utf-8", "surrogatepass")
        digest.update(len(said).to_bytes(8, "little") + said)
    return digest.hexdigest()[:16]


def state(location: Path) -> str:
    """A text that changes whenever a file of the model at `location`, a folder or a file, is written to.

    Empty where no file can be examined.
    """
    return _of(location, _state)


def content(location: Path) -> str:
    """Like `state`, but the same for a copy, and for a file that was merely touched."""
    return _of(location, _content)


def files_of(location: Path) -> list[Path]:
    """The files that make up the model at `location`, a folder or a file, sorted by name."""
    if location.is_file():
        return [location]
    try:
        found = [*location.iterdir(), *location.glob("additional_chat_templates/*")]
    except OSError:
        return []
    return sorted(f for f in found if f.suffix in _PARTS and f.name not in _NO_PARTS and f.is_file())


def _of(location: Path, say: Callable[[Path], str]) -> str:
    try:
        files = files_of(location)
        said = [part for file in files for part in (file.name, say(file))]
    except OSError:
        return ""
    return text_fingerprint(*said) if said else ""


def _state(file: Path) -> str:
    found = os.stat(file)
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"


def _content(file: Path) -> str:
    # the Hugging Face cache names large files by their SHA-256
    target = Path(os.path.realpath(file))
    if target.parent.name == "blobs" and _SHA256.fullmatch(target.name):
        return target.name
    found = os.stat(file)
    if found.st_size > MOST_READ:
        return f"{found.st_size} {found.st_mtime_ns}"
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        for chunk in iter(lambda: opened.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()
