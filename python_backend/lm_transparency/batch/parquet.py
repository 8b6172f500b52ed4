"""Parquet: a directory of part files, each there whole or not at all, and a manifest that lists them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ..errors import TransparencyError
from .records import Record
from .store import lock, not_ours, read_manifest, replace_file, unlock, write_manifest

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise TransparencyError(
        "dependencyMissing",
        "Parquet needs the Python package pyarrow, which is not installed.",
        "Run `python -m pip install 'lm-transparency[parquet]'`, or choose --format jsonl.",
    ) from error

#: Records a part at most.
_ROWS = 1000


def _schema() -> Any:
    text, whole, number, yes = pa.string(), pa.int32(), pa.float32(), pa.bool_()
    listed, struct = pa.list_, pa.struct
    token = {"id": whole, "text": text, "start": whole, "end": whole, "template": yes}
    prediction = {"id": whole, "text": text, "probability": number, "logit": number}
    proof = {
        "max_relative_error": number,
        "worst_layer": whole,
        "worst_part": text,
        "tolerance": number,
        "holds": yes,
    }
    graph = {
        "nodes": listed(text),
        "source": listed(whole),
        "target": listed(whole),
        "kind": listed(text),
        "weight": listed(number),
        "flow": listed(number),
        "heads": listed(listed(whole)),
        "head_weights": listed(listed(number)),
        "token_mass": listed(number),
        "bias_mass": number,
        "ended_mass": number,
    }
    return pa.schema(
        {
            "id": text,
            "index": pa.int64(),
            "source": text,
            "line": pa.int64(),
            "prompt": text,
            "error": struct({"kind": text, "message": text, "remedy": text}),
            "model": text,
            "tokens": listed(struct(token)),
            "target": struct({"position": whole, "reads": text}),
            "predictions": listed(struct(prediction)),
            "threshold": number,
            "renormalize": yes,
            "proof": struct(proof),
            "graph": struct(graph),
            "notices": listed(text),
            "seconds": number,
        }
    )


class ParquetStore:
    """`part-00000.parquet` … in a directory. The parts are what counts; `_manifest.json` follows them."""

    def __init__(self, place: Path, said: dict[str, Any], save_every_s: float) -> None:
        if place.is_file():
            raise not_ours(place, "is a file, and Parquet takes a directory")
        place.mkdir(parents=True, exist_ok=True)
        self.directory = place
        self.done: set[str] = set()
        self._said, self._save_every_s = said, save_every_s
        self._rows: list[Record] = []
        self._parts: list[dict[str, Any]] = []
        # readers of a directory pass over what begins with _ or .
        self._manifest = place / "_manifest.json"
        self._lock = lock(self._manifest)
        try:
            parts = sorted(place.glob("*.parquet"))
            if read_manifest(self._manifest, said) is None and parts:
                raise not_ours(place, "holds Parquet files, and no manifest of this command")
            for unfinished in place.glob(".part-*.tmp"):
                unfinished.unlink()
            for part in parts:
                self._known(part)
            self._list()
        except BaseException:
            unlock(self._lock)
            raise
        self._saved = time.monotonic()

    def write(self, record: Record) -> None:
        self._rows.append(record)
        self.done.add(record["id"])
        if len(self._rows) >= _ROWS or time.monotonic() - self._saved >= self._save_every_s:
            self._save()

    def close(self) -> None:
        self._save()
        unlock(self._lock)

    def _save(self) -> None:
        self._saved = time.monotonic()
        if not self._rows:
            return
        last = max((int(part["name"][5:-8]) for part in self._parts), default=-1)
        part = self.directory / f"part-{last + 1:05d}.parquet"
        # Ctrl-C anywhere below: `close` must not write them once more
        rows, self._rows = self._rows, []
        table = pa.Table.from_pylist(rows, schema=_schema())
        replace_file(part, lambda temporary: pq.write_table(table, temporary, compression="zstd"))
        self._parts.append({"name": part.name, "records": len(rows)})
        self._list()

    def _known(self, part: Path) -> None:
        try:
            ids = pq.read_table(part, columns=["id"])["id"].to_pylist()
        except (pa.ArrowInvalid, pa.ArrowKeyError, KeyError) as error:
            raise not_ours(part, "is damaged, or no part of this command") from error
        if not part.name.startswith("part-") or not part.name[5:-8].isdecimal():
            raise not_ours(part, "is no part of this command")
        self.done |= set(ids)
        self._parts.append({"name": part.name, "records": len(ids)})

    def _list(self) -> None:
        write_manifest(self._manifest, self._said, parts=self._parts)
