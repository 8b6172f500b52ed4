"""Legends: items in lines of a given width."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .drawing.shapes import Run
from .drawing.typeface import width, wrap

_BETWEEN = "   "


@dataclass(frozen=True)
class Item:
    """An entry; it is broken only if it is longer than a line."""

    text: str
    colour: str


def legend_lines(items: Iterable[Item], size: float, room: float) -> list[tuple[Run, ...]]:
    lines: list[list[Run]] = []
    used = 0.0
    for item in items:
        for at, part in enumerate(wrap(item.text, size, room)):
            wide = width(part, size)
            if lines and at == 0 and used + width(_BETWEEN, size) + wide <= room:
                lines[-1] += [Run(_BETWEEN, item.colour), Run(part, item.colour)]
                used += width(_BETWEEN, size) + wide
            else:
                lines.append([Run(part, item.colour)])
                used = wide
    return [tuple(line) for line in lines]
