"""The interface of an output, and what both kinds share: one writer at a time, and unchanging choices."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Protocol

from filelock import FileLock, Timeout

from ..errors import TransparencyError
from ..files.json_files import read_object
from ..files.reading import expanded
from ..files.writing import open_private, replace_file, sync_directory
from ..model import embedded
from .records import Record
from .resuming import Known

Format = Literal["jsonl", "parquet"]
#: A record of an output, by its number, and its new head (None: unchanged).
Placed = tuple[int, Record | None]


class Store(Protocol):
    """Records on disk. `records`: the existing ones, in order. Reopened after a kill, it holds complete records.

    Its methods raise `OSError` where the disk is full or gone; earlier records stay.
    """

    records: list[Known]
    replaced: Path

    @property
    def done(self) -> set[str]: ...

    def write(self, record: Record) -> None: ...

    def arrange(self, order: Sequence[Placed], out: Sequence[int] = ()) -> None:
        """Keep the records of `order`, in that order, at once or not at all; those in `out` move to `replaced`."""
        ...

    def close(self) -> None: ...


def lock(file: Path) -> FileLock:
    """Held until `unlock`, or until the process ends in any way. Raises `TransparencyError`."""
    name = file.with_name(f".{file.name}.lock")
    # older versions of filelock follow a link, and empty the file it points to
    if name.is_symlink():
        name.unlink()
    held = FileLock(name)
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise TransparencyError(
            "invalidParams", f"{file} is being written by another run.", "Wait for it, or choose another place."
        ) from None
    return held


def unlock(held: FileLock) -> None:
    # removed while held: the next process creates a new one, and finds everything written
    if os.name != "nt":
        with suppress(OSError):
            Path(held.lock_file).unlink(missing_ok=True)
    held.release()


_FORMAT, _VERSION = "lm-transparency records", 1


def read_manifest(file: Path, said: dict[str, Any], output: Path) -> dict[str, Any] | None:
    """The manifest of `output`, or None.

    Raises `TransparencyError` where it is not a valid manifest, or the output was begun with other choices.
    """
    if not file.exists():
        return None
    try:
        found = read_object(file)
    except TransparencyError as error:
        raise not_ours(file, "is not a manifest that this version can read") from error
    before: Any = found.get("options")
    if found.get("format") != _FORMAT or found.get("version") != _VERSION or not isinstance(before, dict):
        raise not_ours(file, "is not a manifest that this version can read")
    other = [f"{name} {before.get(name)!r}" for name, value in said.items() if not _same(name, before.get(name), value)]
    if other:
        raise TransparencyError(
            "invalidParams",
            f"{output} was begun with other options: {', '.join(other)}.",
            "Use the same options to continue it, or choose another place.",
        )
    return found


def write_manifest(file: Path, said: dict[str, Any], **more: Any) -> None:
    """Write the whole file or nothing."""
    text = json.dumps({"format": _FORMAT, "version": _VERSION, "options": said, **more}, ensure_ascii=False, indent=1)
    replace_file(file, lambda opened: opened.write(f"{text}\n".encode("utf-8", "replace")))


def append_replaced(file: Path, lines: Iterable[bytes]) -> None:
    """Records that leave an output are kept beside it, one per line."""
    with open_private(file) as opened:
        opened.writelines(lines)
        opened.flush()
        os.fsync(opened.fileno())
    sync_directory(file.parent)


def not_ours(place: Path, what: str) -> TransparencyError:
    return TransparencyError("invalidParams", f"{place} {what}.", "Choose another place; nothing was changed.")


def _same(name: str, before: Any, now: Any) -> bool:
    """One spelling for a model's folder, however it was given."""
    return before == now or (name in ("model", "base") and isinstance(before, str) and _spelt(before) == _spelt(now))


def _spelt(source: str) -> str:
    if source in ("", embedded.NAME):
        return embedded.NAME
    path = expanded(source)
    return os.path.realpath(path) if os.path.exists(path) else source
