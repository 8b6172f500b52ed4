"""Cells of one hue in rows and columns, and the scale beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from .drawing.shapes import Rect, Shape, text
from .drawing.typeface import width
from .look import Colours, blend

#: Powers of ten that a logarithmic scale covers.
DECADES = 3


def by_logarithm(probability: float) -> float:
    """0 to 1 over the last `DECADES` powers of ten, squared so that the probable half has shades of its own."""
    return max(0.0, 1 + math.log10(probability) / DECADES) ** 2 if probability > 0 else 0.0


def by_root(value: float, largest: float) -> float:
    return math.sqrt(min(1.0, value / largest)) if value > 0 and largest > 0 else 0.0


def cell_colour(strength: float, hue: str, colours: Colours) -> str:
    """A colour without opacity, so that neighbours do not shine through; the weakest cell is still seen."""
    if strength <= 0:
        return blend(colours.text, colours.background, 0.05)
    return blend(hue, colours.background, 0.08 + 0.62 * strength)


def cell(x: float, y: float, wide: float, high: float, colour: str, title: str = "") -> Rect:
    gap = 0.5 if min(wide, high) >= 4 else 0.0
    return Rect(x, y, wide - gap, high - gap, colour, title=title)


def scale(
    x: float, y: float, steps: Sequence[tuple[str, str]], what: str, colours: Colours, size: float
) -> Iterator[Shape]:
    """One line: `what`, then a square of each colour with its label. `y`: the line's baseline."""
    if what:
        yield text(x, y, what, colours.dim, size)
        x += width(what, size) + 6
    for label, colour in steps:
        yield Rect(x, y - size + 0.8, size, size, colour)
        yield text(x + size + 2, y, label, colours.dim, size)
        x += size + 2 + width(label, size) + 6
