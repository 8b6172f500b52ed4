"""Attention and contribution of one head, or of all heads of a layer, as two maps: rows are queries, columns keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..ambient import guarded
from ..analysis.result import Analysis
from ..inspection.heads import attention_map
from .captions import caption_lines, put_caption
from .columns import token_labels
from .drawing.shapes import Drawing, Shape, text
from .drawing.typeface import clip, width
from .grid import by_root, cell, cell_colour, scale
from .look import Look

_LEFT, _RIGHT, _TOP, _SMALL, _BETWEEN = 4.0, 5.0, 13.0, 6.0, 14.0
#: Labels stand at each cell from this size on, and are cut at this length.
_LABELLED, _LABEL = 5.2, 46.0
_NATURAL = 504.0
#: Narrower figures have one map under the other.
_BESIDE = 300.0
#: A long prompt is reduced to so many cells a side.
_MOST_CELLS = 160


@guarded
def map_figure(analysis: Analysis, layer: int, head: int | None, look: Look) -> Drawing:
    """Raises `TransparencyError` for a layer or a head that does not exist."""
    found = attention_map(analysis, layer, head, side=_MOST_CELLS)
    of_all = head is None
    maps = [
        ("attention, mean of all heads" if of_all else "attention", found.probability),
        ("contribution, sum over all heads" if of_all else "contribution", found.contribution),
    ]
    return _MapFigure(analysis, layer, head, look, maps).drawing()


class _MapFigure:
    def __init__(
        self, analysis: Analysis, layer: int, head: int | None, look: Look, maps: list[tuple[str, Any]]
    ) -> None:
        self.analysis, self.look, self.colours = analysis, look, look.colours
        self.maps = [(name, np.asarray(values, dtype=np.float64)) for name, values in maps]
        self.name = f"L{layer}" if head is None else f"L{layer} H{head}"
        self.n = len(self.maps[0][1])
        self.width = look.width or _NATURAL
        room = self.width - _LEFT - _RIGHT
        self.beside = self.width >= _BESIDE
        self.labels = token_labels(analysis) if self.n == len(analysis.tokens) else []
        self.size = 6.5
        reach = self._reach()
        one = (room - _BETWEEN) / 2 if self.beside else room
        if (one - reach) / self.n < _LABELLED:
            self.labels, reach = [], 0.0
        self.reach = reach
        # under the other, a map of full width would be very large
        self.side = min(one - reach, 190.0 if not self.beside else one)
        self.cell = self.side / self.n
        if self.labels:
            self.size = min(6.5, self.cell * 0.95)

    def _reach(self) -> float:
        return max((width(clip(label, self.size, _LABEL), self.size) for label in self.labels), default=0.0) + 4

    def drawing(self) -> Drawing:
        title = f"Attention of {self.name}, {self.analysis.model.name}"
        drawing = Drawing(self.width, 0, title, self.look.paper)
        left, top, foot = _LEFT, 0.0, 0.0
        for name, values in self.maps:
            drawing.add(*self._map(name, values, left + self.reach, top + _TOP))
            foot = top + _TOP + self.side + (self.reach if self.labels else 2) + 12
            drawing.add(*self._scale(values, left + self.reach, foot))
            if self.beside:
                left += self.reach + self.side + _BETWEEN
            else:
                top = foot + 6
        foot += 9
        drawing.add(text(_LEFT + self.reach, foot, "rows: query, columns: key", self.colours.dim, _SMALL))
        foot += 5
        if self.look.caption:
            said = [f"{title}: attention probabilities, and contributions to the residual state before thresholding."]
            lines = caption_lines(self.analysis, said, self.width - _LEFT - _RIGHT)
            foot = put_caption(drawing, lines, _LEFT, foot, self.colours)
        drawing.height = foot
        return drawing

    def _map(self, name: str, values: Any, left: float, top: float) -> Iterator[Shape]:
        colours, side = self.colours, self.cell
        yield text(left, top - 4, f"{self.name} {name}", colours.text, 7)
        largest = float(values.max())
        # what is hardly attended to is one shape a row, not thousands; later tokens cannot be read
        for query in range(self.n):
            yield cell(left, top + query * side, (query + 1) * side, side, cell_colour(0.0, colours.attention, colours))
        for query, key in np.argwhere(values > largest * 1e-3).tolist():
            colour = cell_colour(by_root(values[query, key], largest), colours.attention, colours)
            title = f"{values[query, key]:.3g}" if self.labels else ""
            yield cell(left + key * side, top + query * side, side, side, colour, title)
        for at, label in enumerate(self.labels):
            words, middle = clip(label, self.size, _LABEL), (at + 0.5) * side
            yield text(left - 3, top + middle + 0.36 * self.size, words, colours.text, self.size, "end")
            foot = top + self.side + 3
            yield text(left + middle + 0.36 * self.size, foot, words, colours.text, self.size, "end", turned=True)

    def _scale(self, values: Any, left: float, y: float) -> Iterator[Shape]:
        largest, colours = float(values.max()), self.colours
        parts = [(part, cell_colour(by_root(part, 1.0), colours.attention, colours)) for part in (0.01, 0.1, 0.5, 1)]
        return scale(left, y, [(f"{part * largest:.2g}", colour) for part, colour in parts], "", colours, _SMALL)
