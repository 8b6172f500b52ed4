"""JSONL: one record per line, appended and handed to the system at once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ..files.json_files import NotJson, decode_json
from ..files.writing import remove_left_over, replace_file, sync_directory
from ..printable import json_text
from .records import Record
from .resuming import Known, known
from .store import Placed, append_replaced, lock, not_ours, read_manifest, unlock, write_manifest

#: The file's name where the place is a directory.
NAME = "records.jsonl"


class JsonlStore:
    """A file, or `records.jsonl` in a directory, with the choices its records depend on in `….manifest.json` beside
    it.

    An incomplete line at its end, left by a kill or a full disk, is cut off.
    """

    def __init__(self, place: Path, said: dict[str, Any], save_every_s: float) -> None:
        self.file = place / NAME if place.is_dir() or place.suffix == "" else place
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.records: list[Known] = []
        self.replaced = self.file.with_name(f"{self.file.name}.replaced.jsonl")
        #: where each record begins, and where the last one ends
        self._starts = [0]
        self._save_every_s = save_every_s
        self._lock = lock(self.file)
        try:
            manifest = self.file.with_name(f"{self.file.name}.manifest.json")
            begun = read_manifest(manifest, said, self.file) is not None
            if not begun and self.file.exists() and self.file.stat().st_size:
                raise not_ours(self.file, "is there already, and no manifest of this command beside it")
            if not begun:
                write_manifest(manifest, said)
            remove_left_over(manifest, self.file)
            self._out: IO[bytes] = self._open()
            self._read()
            self._out.truncate(self._starts[-1])
            os.fsync(self._out.fileno())
            sync_directory(self.file.parent)
        except BaseException:
            unlock(self._lock)
            raise
        self._saved = time.monotonic()

    @property
    def done(self) -> set[str]:
        return {record.id for record in self.records}

    def write(self, record: Record) -> None:
        line = memoryview(json_line(record))
        try:
            at = 0
            while at < len(line):
                at += self._out.write(line[at:])
            if time.monotonic() - self._saved >= self._save_every_s:
                os.fsync(self._out.fileno())
                self._saved = time.monotonic()
        except BaseException:
            # an incomplete line, where the disk is full or Ctrl-C arrives here
            self._out.truncate(self._starts[-1])
            raise
        self.records.append(known(record))
        self._starts.append(self._starts[-1] + len(line))

    def arrange(self, order: Sequence[Placed], out: Sequence[int] = ()) -> None:
        with self.file.open("rb") as old:
            if out:
                append_replaced(self.replaced, (self._line(old, number) for number in out))
            target = Path(os.path.realpath(self.file))
            replace_file(target, lambda new: new.writelines(self._arranged(old, order)))
        self._out.close()
        self._out = self._open()
        self.records, self._starts = [], [0]
        self._read()

    def close(self) -> None:
        try:
            os.fsync(self._out.fileno())
        finally:
            self._out.close()
            unlock(self._lock)

    def _open(self) -> IO[bytes]:
        # unbuffered: what a full disk refused must not be written again at the end
        return self.file.open("ab", buffering=0)

    def _line(self, file: IO[bytes], number: int) -> bytes:
        file.seek(self._starts[number])
        return file.read(self._starts[number + 1] - self._starts[number])

    def _arranged(self, old: IO[bytes], order: Iterable[Placed]) -> Iterator[bytes]:
        for number, head in order:
            line = self._line(old, number)
            yield line if head is None else json_line({**decode_json(line, strict=False), **head})

    def _read(self) -> None:
        """Fill `records` as far as lines are complete."""
        with self.file.open("rb") as file:
            for line in file:
                found = _known(line)
                if found is None:
                    if file.read(1):
                        raise not_ours(self.file, f"has a damaged line after {len(self.records)} records")
                    break
                self.records.append(found)
                self._starts.append(self._starts[-1] + len(line))


def json_line(record: Record) -> bytes:
    """One line of UTF-8; half of a surrogate pair, which has no UTF-8, is escaped."""
    return json_text(record, separators=(",", ":")).encode("utf-8") + b"\n"


def _known(line: bytes) -> Known | None:
    """None where the line is incomplete."""
    try:
        return known(decode_json(line, strict=False)) if line.endswith(b"\n") else None
    except (NotJson, KeyError, TypeError, AttributeError):
        return None
