"""JSONL: a record a line, appended, each handed to the system as it comes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import IO, Any

from ..files.json_files import NotJson, decode_json
from ..printable import json_text
from .records import Record
from .store import lock, not_ours, read_manifest, sync_directory, unlock, write_manifest

#: Where a place is a directory.
NAME = "records.jsonl"


class JsonlStore:
    """A file, or `records.jsonl` in a directory; what its records depend on stands in `….manifest.json` beside it.

    Half a line at its end, which a kill leaves behind, is cut off when it is opened.
    """

    def __init__(self, place: Path, said: dict[str, Any], save_every_s: float) -> None:
        self.file = place / NAME if place.is_dir() or place.suffix == "" else place
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.done: set[str] = set()
        self._save_every_s = save_every_s
        self._lock = lock(self.file)
        try:
            manifest = self.file.with_name(f"{self.file.name}.manifest.json")
            begun = read_manifest(manifest, said) is not None
            if not begun and self.file.exists() and self.file.stat().st_size:
                raise not_ours(self.file, "is there already, and no manifest of this command beside it")
            if not begun:
                write_manifest(manifest, said)
            self._out: IO[bytes] = self.file.open("ab")
            self._out.truncate(self._read())
            os.fsync(self._out.fileno())
            sync_directory(self.file.parent)
        except BaseException:
            unlock(self._lock)
            raise
        self._saved = time.monotonic()

    def write(self, record: Record) -> None:
        self._out.write(json_line(record))
        self._out.flush()
        self.done.add(record["id"])
        if time.monotonic() - self._saved >= self._save_every_s:
            os.fsync(self._out.fileno())
            self._saved = time.monotonic()

    def close(self) -> None:
        self._out.flush()
        os.fsync(self._out.fileno())
        self._out.close()
        unlock(self._lock)

    def _read(self) -> int:
        """Fills `done`; the bytes of the lines that are whole."""
        whole = 0
        with self.file.open("rb") as file:
            for line in file:
                known = _id(line)
                if known is None:
                    if file.read(1):
                        raise not_ours(self.file, f"has a damaged line after {len(self.done)} records")
                    break
                self.done.add(known)
                whole += len(line)
        return whole


def json_line(record: Record) -> bytes:
    return json_text(record, separators=(",", ":")).encode("utf-8") + b"\n"


def _id(line: bytes) -> str | None:
    """The id of a record; None where the line is not whole."""
    try:
        return decode_json(line, strict=False)["id"] if line.endswith(b"\n") else None
    except (NotJson, KeyError, TypeError):
        return None
