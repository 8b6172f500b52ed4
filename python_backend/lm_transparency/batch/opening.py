"""Open an output: the store of its format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..files.reading import expanded
from ..files.writing import not_written
from .jsonl import JsonlStore
from .store import Format, Store


def open_store(place: Path, form: Format, said: dict[str, Any], *, save_every_s: float = 30) -> Store:
    """The output at `place`, continued where it exists. `said`: what its records depend on (`Choices.said`).

    `save_every_s`: seconds of work that a power cut may cost (Parquet: also a kill). Raises `TransparencyError` for a
    place that holds something else, was written with other choices, is being written by another process or cannot be
    written to, and where pyarrow is missing.
    """
    place = expanded(place)
    try:
        if form == "parquet":
            # pyarrow is only needed for this
            from .parquet import ParquetStore

            return ParquetStore(place, said, save_every_s)
        return JsonlStore(place, said, save_every_s)
    except OSError as error:
        raise not_written(place, error) from error
