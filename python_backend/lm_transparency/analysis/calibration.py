"""The speed of this machine: a few measured analyses in the cache directory, from which time is estimated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..files.json_files import object_or_none
from ..files.writing import replace_file
from .estimate import Sample, Work, bucket

_FORMAT = 1

#: How many analyses are kept of one model at about one length, and in all on one kind of device.
_KEPT, _KEPT_IN_ALL = 5, 120
#: Bytes of the file: far more than it ever needs.
_MOST_BYTES = 4 << 20


class Calibration:
    """Measured analyses by a key that gives their scope (device, threads, dtype, version), in one JSON file.

    If the file cannot be read or written, or is of another kind, only the knowledge is lost.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def samples(self, key: str) -> list[Sample]:
        """The measurements under `key`, oldest first."""
        kept = self._read().get(key)
        found = [_sample(entry) for entry in kept] if isinstance(kept, list) else []  # pyright: ignore[reportUnknownVariableType]
        return [sample for sample in found if sample is not None]

    def learn(self, key: str, sample: Sample) -> None:
        """Keep `sample`, and drop the oldest of the same kind."""
        samples = [*self.samples(key), sample]
        alike = [s for s in samples if (s.model, bucket(s.n_tokens)) == (sample.model, bucket(sample.n_tokens))]
        surplus = [id(s) for s in alike[:-_KEPT]]
        samples = [s for s in samples if id(s) not in surplus][-_KEPT_IN_ALL:]
        self._write({**self._read(), key: [_entry(s) for s in samples]})

    def _read(self) -> dict[str, Any]:
        document = object_or_none(self._path, most=_MOST_BYTES) or {}
        measured = document.get("measured") if document.get("format") == _FORMAT else None
        return measured if isinstance(measured, dict) else {}  # pyright: ignore[reportUnknownVariableType]

    def _write(self, measured: dict[str, Any]) -> None:
        # of two processes, one may lose the other's latest entry; neither leaves an incomplete file
        text = json.dumps({"format": _FORMAT, "measured": measured})
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, lambda file: file.write(text.encode("utf-8")), sync=False)


def _entry(sample: Sample) -> list[Any]:
    seconds = round(sample.forward_s, 6), round(sample.contributions_s, 6)
    return [sample.model, sample.n_tokens, list(sample.forward), list(sample.contributions), *seconds]


def _sample(entry: Any) -> Sample | None:
    with suppress(TypeError, ValueError, OverflowError):
        model, n_tokens, forward, contributions, forward_s, contributions_s = entry
        seconds = float(forward_s), float(contributions_s)
        found = Sample(str(model), int(n_tokens), _work(forward), _work(contributions), *seconds)
        figures = (*found.forward, *found.contributions, *seconds)
        return found if all(0 <= figure < float("inf") for figure in figures) else None
    return None


def _work(entry: Sequence[Any]) -> Work:
    layers, operations, n_bytes = entry
    return Work(float(layers), float(operations), float(n_bytes))
