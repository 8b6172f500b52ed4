"""The parts of a drawing. Lengths are in points (1/72 inch); y grows downwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

#: Points in a millimetre.
POINTS = 72 / 25.4

Anchor = Literal["start", "middle", "end"]
#: A step of a path: a letter of SVG (M, L, C, Z) and its coordinates.
Step = tuple[str, tuple[float, ...]]


@dataclass(frozen=True)
class Rect:
    """`title`: shown where a pointer rests on it."""

    x: float
    y: float
    width: float
    height: float
    fill: str | None
    opacity: float = 1.0
    stroke: str | None = None
    stroke_opacity: float = 1.0
    stroke_width: float = 0.6
    dashes: tuple[float, ...] = ()
    radius: float = 0.0
    title: str = ""


@dataclass(frozen=True)
class Circle:
    x: float
    y: float
    radius: float
    fill: str
    opacity: float = 1.0


@dataclass(frozen=True)
class Path:
    """A line. `name` and `data`: class and `data-…` of the element, for programs."""

    steps: tuple[Step, ...]
    stroke: str
    width: float
    opacity: float = 1.0
    dashes: tuple[float, ...] = ()
    name: str = ""
    data: tuple[tuple[str, str], ...] = ()
    title: str = ""


@dataclass(frozen=True)
class Run:
    """Words of one colour."""

    text: str
    colour: str


@dataclass(frozen=True)
class Text:
    """One line. `turned`: it reads upwards, along a vertical line through (x, y)."""

    x: float
    y: float
    runs: tuple[Run, ...]
    size: float
    anchor: Anchor = "start"
    turned: bool = False
    name: str = ""

    @property
    def plain(self) -> str:
        return "".join(run.text for run in self.runs)


Shape = Rect | Circle | Path | Text


@dataclass
class Drawing:
    """Shapes, the first at the bottom. `about`: a description for readers that do not see. `background` None: none."""

    width: float
    height: float
    title: str
    background: str | None
    about: str = ""
    shapes: list[Shape] = field(default_factory=list[Shape])

    def add(self, *shapes: Shape) -> None:
        self.shapes += shapes

    def texts(self) -> Iterator[str]:
        return (shape.plain for shape in self.shapes if isinstance(shape, Text))


def line(x1: float, y1: float, x2: float, y2: float) -> tuple[Step, ...]:
    return ("M", (x1, y1)), ("L", (x2, y2))


def polyline(points: Sequence[tuple[float, float]]) -> tuple[Step, ...]:
    return tuple(("L" if at else "M", point) for at, point in enumerate(points))


def text(
    x: float,
    y: float,
    words: str,
    colour: str,
    size: float,
    anchor: Anchor = "start",
    *,
    turned: bool = False,
    name: str = "",
) -> Text:
    """A text of one colour."""
    return Text(x, y, (Run(words, colour),), size, anchor, turned, name)
