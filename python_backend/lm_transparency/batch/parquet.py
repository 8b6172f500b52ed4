"""Parquet: a directory of part files, each complete or absent, and a manifest that lists them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import TransparencyError
from ..files.writing import remove_left_over, replace_file
from .records import UNIT_FIGURES, UNIT_TEXTS, Record
from .resuming import Known, known
from .store import Placed, append_replaced, lock, not_ours, read_manifest, unlock, write_manifest

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise TransparencyError(
        "dependencyMissing",
        "Parquet needs the Python package pyarrow, which is not installed.",
        "Run `python -m pip install 'lm-transparency[parquet]'`, or choose --format jsonl.",
    ) from error

#: The most records in a part.
_ROWS = 1000
#: Parts held in memory while records are reordered.
_HELD = 4
_HEAD = ("id", "index", "source", "line")


def _schema(effects: bool) -> Any:
    """The columns of a part; `effects`: with those of measured effects."""
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
    output = struct({"id": whole, "text": text})
    drawing = {"n": whole, "sign": number, "rho": number, "kept": number, "removed": number}
    measured = {
        "metric": struct({"kind": text, "target": output, "contrast": output, "value": number}),
        **{name: listed(text) for name in UNIT_TEXTS},
        **{name: listed(number) for name in UNIT_FIGURES},
        "faithfulness": struct(drawing),
        "share_error": number,
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
            "fingerprints": struct({"prompt": text, "model": text}),
            **({"effects": struct(measured)} if effects else {}),
        }
    )


class ParquetStore:
    """`part-00000.parquet` … in a directory. The parts are authoritative; `_manifest.json` follows them.

    Where parts replace others, the manifest first names them (`swap`), and the next opening completes what a kill
    interrupted.
    """

    def __init__(self, place: Path, said: dict[str, Any], save_every_s: float) -> None:
        if place.is_file():
            raise not_ours(place, "is a file, and Parquet takes a directory")
        place.mkdir(parents=True, exist_ok=True)
        self.directory = place
        self.records: list[Known] = []
        # readers of a directory skip names that begin with _ or .
        self.replaced = place / "_replaced.jsonl"
        self._said, self._save_every_s = said, save_every_s
        self._schema = _schema(bool(said.get("effects")))
        self._rows: list[Record] = []
        self._parts: list[dict[str, Any]] = []
        self._manifest = place / "_manifest.json"
        self._lock = lock(self._manifest)
        try:
            manifest = read_manifest(self._manifest, said, place)
            if manifest is None and list(place.glob("*.parquet")):
                raise not_ours(place, "holds Parquet files, and no manifest of this command")
            if manifest and "swap" in manifest:
                self._swap(self._checked(manifest["swap"]))
            for unfinished in (*place.glob(".part-*.tmp"), *place.glob("..part-*.tmp")):
                unfinished.unlink()
            remove_left_over(self._manifest)
            self._read()
        except BaseException:
            unlock(self._lock)
            raise
        self._saved = time.monotonic()

    @property
    def done(self) -> set[str]:
        return {record.id for record in self.records}

    def write(self, record: Record) -> None:
        self._rows.append(record)
        self.records.append(known(record))
        if len(self._rows) >= _ROWS or time.monotonic() - self._saved >= self._save_every_s:
            self._save()

    def arrange(self, order: Sequence[Placed], out: Sequence[int] = ()) -> None:
        self._save()
        where = [(part["name"], row) for part in self._parts for row in range(part["records"])]
        read = lru_cache(_HELD)(self._table)
        if out:
            append_replaced(self.replaced, (self._line(read(where[n][0]), where[n][1]) for n in out))
        first = self._next()
        names = [f"part-{first + i:05d}.parquet" for i in range(-(-len(order) // _ROWS))]
        for name, start in zip(names, range(0, len(order), _ROWS), strict=True):
            placed = order[start : start + _ROWS]
            rows = [read(where[number][0]).slice(where[number][1], 1) for number, _ in placed]
            table = _headed(pa.concat_tables(rows).combine_chunks(), [head for _, head in placed])
            # hidden, until the manifest says that it replaces others
            self._write(self.directory / f".{name}.tmp", table)
        swap = {"gone": [part["name"] for part in self._parts], "come": names}
        write_manifest(self._manifest, self._said, parts=self._parts, swap=swap)
        self._swap(swap)
        self._read()

    def close(self) -> None:
        try:
            self._save()
        finally:
            unlock(self._lock)

    def _save(self) -> None:
        self._saved = time.monotonic()
        if not self._rows:
            return
        part = self.directory / f"part-{self._next():05d}.parquet"
        # Ctrl-C anywhere below: `close` must not write them again
        rows, self._rows = self._rows, []
        try:
            self._write(part, pa.Table.from_pylist(rows, schema=self._schema))
        except BaseException:
            # remove what the disk had no room for
            if not part.exists():
                del self.records[-len(rows) :]
            raise
        self._parts.append({"name": part.name, "records": len(rows)})
        self._list()

    def _write(self, file: Path, table: Any) -> None:
        replace_file(file, lambda opened: pq.write_table(table, opened, compression="zstd"))

    def _next(self) -> int:
        return max((int(part["name"][5:-8]) for part in self._parts), default=-1) + 1

    def _checked(self, swap: Any) -> dict[str, list[str]]:
        """A manifest may come from anyone: it may only name files of this directory."""
        given: dict[str, Any] = swap if isinstance(swap, dict) else {}
        checked: dict[str, list[str]] = {}
        for name in ("gone", "come"):
            parts: Any = given.get(name)
            if not isinstance(parts, list) or not all(map(_is_part, parts)):
                raise not_ours(self._manifest, "is not a manifest that this version can read")
            checked[name] = parts
        return checked

    def _swap(self, swap: dict[str, list[str]]) -> None:
        for name in swap["gone"]:
            (self.directory / name).unlink(missing_ok=True)
        for name in swap["come"]:
            made = self.directory / f".{name}.tmp"
            if made.exists():
                made.replace(self.directory / name)

    def _read(self) -> None:
        """Fill `records` from the parts, and list them."""
        self.records, self._parts = [], []
        for part in sorted(self.directory.glob("*.parquet")):
            if not _is_part(part.name):
                raise not_ours(part, "is not a part written by this command")
            found = self._known(part)
            self.records += found
            self._parts.append({"name": part.name, "records": len(found)})
        self._list()

    def _known(self, part: Path) -> list[Known]:
        try:
            there = pq.read_schema(part).names
            wanted = [*_HEAD, "error", "fingerprints"] if "fingerprints" in there else [*_HEAD, "error", "prompt"]
            return [known(row) for row in pq.read_table(part, columns=wanted).to_pylist()]
        except (pa.ArrowInvalid, pa.ArrowKeyError, KeyError, TypeError) as error:
            raise not_ours(part, "is damaged, or not written by this command") from error

    def _table(self, name: str) -> Any:
        """A part, with the columns of this version."""
        found = pq.read_table(self.directory / name)
        for column in self._schema:
            if column.name not in found.column_names:
                found = found.append_column(column, pa.nulls(len(found), column.type))
        return found.select(self._schema.names).cast(self._schema)

    def _line(self, table: Any, row: int) -> bytes:
        return json.dumps(table.slice(row, 1).to_pylist()[0], ensure_ascii=False).encode("utf-8", "replace") + b"\n"

    def _list(self) -> None:
        write_manifest(self._manifest, self._said, parts=self._parts)


def _is_part(name: Any) -> bool:
    return isinstance(name, str) and re.fullmatch(r"part-[0-9]+\.parquet", name) is not None


def _headed(table: Any, heads: Sequence[Record | None]) -> Any:
    """`table` with the given heads."""
    columns = {name: table[name].to_pylist() for name in _HEAD}
    for row, head in enumerate(heads):
        for name, value in (head or {}).items():
            columns[name][row] = value
    for name, values in columns.items():
        place = table.column_names.index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return table
