"""A drawing as PDF, one page of its size. The typeface is embedded as a subset, and its texts can be selected.

Characters that the typeface lacks are drawn as outlines; a reader still copies them as text.
"""

from __future__ import annotations

import io
from functools import cache
from typing import Any

from ...errors import TransparencyError
from ...printable import terminal
from .shapes import Circle, Drawing, Path, Rect, Step, Text
from .typeface import FAMILY, FILE, Piece, pieces

_NONZERO = 1


def as_pdf(drawing: Drawing, creator: str) -> bytes:
    """The file. Raises `TransparencyError("dependencyMissing")` without the library that writes it."""
    canvas_of = _library()
    file = io.BytesIO()
    # invariant: the same drawing gives the same bytes
    canvas = canvas_of(file, pagesize=(drawing.width, drawing.height), pageCompression=1, invariant=1)
    canvas.setTitle(terminal(drawing.title))
    canvas.setSubject(terminal(drawing.about))
    canvas.setCreator(creator)
    canvas.setLineCap(1)
    canvas.setLineJoin(1)
    page = _Page(canvas, drawing.height)
    if drawing.background:
        page.rect(Rect(0, 0, drawing.width, drawing.height, drawing.background))
    for shape in drawing.shapes:
        if isinstance(shape, Text):
            page.text(shape)
        elif isinstance(shape, Rect):
            page.rect(shape)
        elif isinstance(shape, Circle):
            page.circle(shape)
        else:
            page.path(shape)
    canvas.showPage()
    canvas.save()
    return file.getvalue()


@cache
def _library() -> Any:
    try:
        from reportlab.pdfbase import pdfmetrics
        from reportlab.pdfbase.ttfonts import TTFont
        from reportlab.pdfgen.canvas import Canvas
    except ImportError as error:
        raise TransparencyError(
            "dependencyMissing",
            "PDF needs the package reportlab, which is not installed.",
            "Run `pip install 'reportlab[shaping]'` in the backend's environment, or export SVG.",
        ) from error
    pdfmetrics.registerFont(TTFont(FAMILY, str(FILE)))
    return Canvas


class _Page:
    """Shapes on a canvas whose y grows upwards."""

    def __init__(self, canvas: Any, height: float) -> None:
        self._canvas, self._height = canvas, height

    def rect(self, shape: Rect) -> None:
        canvas = self._canvas
        canvas.saveState()
        if shape.fill:
            self._fill(shape.fill, shape.opacity)
        if shape.stroke:
            self._stroke(shape.stroke, shape.stroke_opacity, shape.stroke_width, shape.dashes)
        place = shape.x, self._height - shape.y - shape.height, shape.width, shape.height
        how = {"stroke": int(shape.stroke is not None), "fill": int(shape.fill is not None)}
        if shape.radius:
            canvas.roundRect(*place, min(shape.radius, shape.width / 2, shape.height / 2), **how)
        else:
            canvas.rect(*place, **how)
        canvas.restoreState()

    def circle(self, shape: Circle) -> None:
        self._canvas.saveState()
        self._fill(shape.fill, shape.opacity)
        self._canvas.circle(shape.x, self._height - shape.y, shape.radius, stroke=0, fill=1)
        self._canvas.restoreState()

    def path(self, shape: Path) -> None:
        self._canvas.saveState()
        self._stroke(shape.stroke, shape.opacity, shape.width, shape.dashes)
        flipped = tuple(
            (letter, tuple(self._height - v if at % 2 else v for at, v in enumerate(numbers)))
            for letter, numbers in shape.steps
        )
        self._canvas.drawPath(self._drawn(flipped), stroke=1, fill=0)
        self._canvas.restoreState()

    def text(self, shape: Text) -> None:
        # reordered as one line: a word that is read from the right does not end at a change of colour
        runs = [(run.colour, pieces(terminal(run.text))) for run in shape.runs]
        whole = shape.size * sum(piece.width for _, found in runs for piece in found)
        x = {"start": 0.0, "middle": -whole / 2, "end": -whole}[shape.anchor]
        canvas = self._canvas
        canvas.saveState()
        canvas.translate(shape.x, self._height - shape.y)
        if shape.turned:
            canvas.rotate(90)
        for colour, found in runs:
            self._fill(colour, 1.0)
            for piece in found:
                self._piece(piece, x, shape.size)
                x += shape.size * piece.width
        canvas.restoreState()

    def _piece(self, piece: Piece, x: float, size: float) -> None:
        canvas = self._canvas
        if piece.outline is None:
            canvas.setFont(FAMILY, size)
            canvas.drawString(x, 0, piece.text)
            return
        said = ("\ufeff" + piece.text).encode("utf-16-be").hex().upper()
        canvas.addLiteral(f"/Span <</ActualText <{said}>>> BDC")
        outline = tuple(
            (letter, tuple(v * size if at % 2 else x + v * size for at, v in enumerate(numbers)))
            for letter, numbers in piece.outline
        )
        canvas.drawPath(self._drawn(outline), stroke=0, fill=1, fillMode=_NONZERO)
        canvas.addLiteral("EMC")

    def _drawn(self, steps: tuple[Step, ...]) -> Any:
        path = self._canvas.beginPath()
        act = {"M": path.moveTo, "L": path.lineTo, "C": path.curveTo, "Z": path.close}
        for letter, numbers in steps:
            act[letter](*numbers)
        return path

    def _fill(self, colour: str, opacity: float) -> None:
        self._canvas.setFillColorRGB(*_rgb(colour))
        self._canvas.setFillAlpha(opacity)

    def _stroke(self, colour: str, opacity: float, width: float, dashes: tuple[float, ...]) -> None:
        self._canvas.setStrokeColorRGB(*_rgb(colour))
        self._canvas.setStrokeAlpha(opacity)
        self._canvas.setLineWidth(width)
        if dashes:
            self._canvas.setDash(list(dashes))


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue
