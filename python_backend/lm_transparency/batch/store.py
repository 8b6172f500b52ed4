"""What an output is to the engine, and what both kinds of output share: one writer at a time, and the same choices."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from filelock import FileLock, Timeout

from ..errors import TransparencyError
from ..files.json_files import read_object
from .records import Record

Format = Literal["jsonl", "parquet"]


class Store(Protocol):
    """Records on disk. `done`: ids of what is there. Opened again after a kill, it holds whole records."""

    done: set[str]

    def write(self, record: Record) -> None: ...

    def close(self) -> None: ...


def open_store(place: Path, form: Format, said: dict[str, Any], *, save_every_s: float = 30) -> Store:
    """The output at `place`, to be continued where it is there. `said`: what its records depend on (`Choices.said`).

    `save_every_s`: seconds of work that a power cut may cost at most (Parquet: also a kill).
    Raises `TransparencyError` for a place that holds something else, was written with other choices, is being
    written by another process or cannot be written to, and where pyarrow is missing.
    """
    place = place.expanduser()
    try:
        if form == "parquet":
            from .parquet import ParquetStore

            return ParquetStore(place, said, save_every_s)
        from .jsonl import JsonlStore

        return JsonlStore(place, said, save_every_s)
    except OSError as error:
        raise TransparencyError(
            "invalidParams", f"{place} cannot be written: {error.strerror}.", "Choose another place."
        ) from error


def lock(file: Path) -> FileLock:
    """Held until `unlock`, or until the process ends, however it does. Raises `TransparencyError`."""
    held = FileLock(file.with_name(f".{file.name}.lock"))
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise TransparencyError(
            "invalidParams", f"{file} is being written by another run.", "Wait for it, or choose another place."
        ) from None
    return held


def unlock(held: FileLock) -> None:
    # removed while it is held: who comes now makes a new one, and finds all written
    if os.name != "nt":
        Path(held.lock_file).unlink(missing_ok=True)
    held.release()


_FORMAT, _VERSION = "lm-transparency records", 1


def read_manifest(file: Path, said: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest of an output, None where there is none.

    Raises `TransparencyError` where it is none of ours, or the output was begun with other choices.
    """
    if not file.exists():
        return None
    try:
        found = read_object(file)
    except TransparencyError as error:
        raise not_ours(file, "is no manifest that this version knows") from error
    if found.get("format") != _FORMAT or found.get("version") != _VERSION:
        raise not_ours(file, "is no manifest that this version knows")
    before = found["options"]
    other = [f"{name} {before.get(name)!r}" for name, value in said.items() if before.get(name) != value]
    if other:
        raise TransparencyError(
            "invalidParams",
            f"{file.parent} was begun with other options: {', '.join(other)}.",
            "Give the same ones to go on with it, or choose another place.",
        )
    return found


def write_manifest(file: Path, said: dict[str, Any], **more: Any) -> None:
    """Whole or not at all."""
    text = json.dumps({"format": _FORMAT, "version": _VERSION, "options": said, **more}, ensure_ascii=False, indent=1)
    replace_file(file, lambda temporary: temporary.write_text(text + "\n", "utf-8"))


def replace_file(file: Path, write: Callable[[Path], Any]) -> None:
    """Write beside `file`, to the disk itself, and rename."""
    temporary = file.with_name(f".{file.name}.tmp")
    write(temporary)
    with temporary.open("rb+") as written:
        os.fsync(written.fileno())
    os.replace(temporary, file)
    sync_directory(file.parent)


def not_ours(place: Path, what: str) -> TransparencyError:
    return TransparencyError("invalidParams", f"{place} {what}.", "Choose another place; nothing was changed.")


def sync_directory(directory: Path) -> None:
    """A rename is safe from a power cut once its directory is."""
    if os.name != "nt":
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
