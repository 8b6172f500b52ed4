"""A lens as a drawing: the most probable token of each layer at each position."""

from __future__ import annotations

from collections.abc import Iterator

from ..ambient import guarded
from ..analysis.result import Analysis
from ..inspection.lens import inspect_lens
from ..lens.maps import LOGIT, LensMaps
from ..protocol.lens import LensGridResult
from ..watch import Watch
from .captions import caption_lines, put_caption
from .columns import Columns, token_labels
from .drawing.shapes import Drawing, Rect, Shape, text
from .drawing.typeface import clip
from .grid import by_logarithm, by_root, cell, cell_colour, scale
from .look import Look

_LEFT, _RIGHT, _TOP, _SMALL = 24.0, 5.0, 10.0, 6.0
_ROWS = (3.6, 11.0)
#: Cells smaller than this have a colour only.
_TEXT_WIDTH, _TEXT_HEIGHT = 12.0, 5.4
_STEPS = (0.001, 0.01, 0.1, 0.5, 1.0)


@guarded
def lens_figure(
    analysis: Analysis,
    target: int,
    look: Look,
    *,
    carried: list[float],
    normalize: bool = True,
    lens: LensMaps = LOGIT,
    watch: Watch | None,
) -> Drawing:
    """`target`: the position that is marked. `carried` [position]: as of `Columns`."""
    room = None if look.width is None else look.width - _LEFT - _RIGHT
    also = ["·" * 8] * 3
    columns = Columns(token_labels(analysis), carried, left=_LEFT, room=room, kept=look.kept, also=also)
    shown = [column.first for column in columns.shown]
    found = inspect_lens(analysis, normalize=normalize, lens=lens, positions=shown, watch=watch)
    return _LensFigure(analysis, found, target, look, columns, lens).drawing()


class _LensFigure:
    """`found`: of the positions that `columns` show."""

    def __init__(
        self,
        analysis: Analysis,
        found: LensGridResult,
        target: int,
        look: Look,
        columns: Columns,
        lens: LensMaps,
    ) -> None:
        self.lens = lens
        self.analysis, self.target, self.look, self.colours = analysis, target, look, look.colours
        self.readout = analysis.trace.anatomy.readout
        self.texts = {token: self.readout.shown(name) for token, name in found.texts.items()}
        self.top = found.top.tolist()
        self.probability = found.top_probability.tolist()
        self.logit = found.top_logit.tolist()
        self.n_rows = len(self.top)
        self.columns = columns
        self.width = look.width or max(300.0, self.columns.right + _RIGHT)
        least, most = _ROWS
        self.row = min(most, max(least, 560 / self.n_rows), max(least, self.columns.dx * 0.6, 6.2))
        # a label has no probability, a value no softmax
        self.is_value = self.readout.task == "value"
        self.largest = max((abs(v) for row in self.logit for v in row), default=1.0)

    def strength(self, row: int, position: int) -> float:
        """`position`: among the columns that are shown."""
        if self.is_value:
            return by_root(abs(self.logit[row][position]), self.largest)
        return by_logarithm(self.probability[row][position])

    def drawing(self) -> Drawing:
        drawing = Drawing(self.width, 0, self._title(), self.look.paper)
        drawing.add(*self._cells(), *self._layers(), *self._tokens())
        foot = _TOP + self.row * self.n_rows + self.columns.reach + (7 if self.columns.turned else 6) + 12
        drawing.add(*self._scale(foot))
        foot += 6
        if self.look.caption:
            lines = caption_lines(
                self.analysis, [f"{self._title()}.", _READS[self.lens.kind], _ABOUT], self.width - _LEFT - _RIGHT
            )
            foot = put_caption(drawing, lines, _LEFT, foot, self.colours)
        drawing.height = foot
        return drawing

    def _title(self) -> str:
        return f"{self.lens.title} of {self.analysis.model.name}"

    def y(self, row: int) -> float:
        return _TOP + (self.n_rows - 1 - row) * self.row

    def _cells(self) -> Iterator[Shape]:
        columns = self.columns
        size = min(6.5, self.row * 0.78)
        for column in columns.folds:
            yield Rect(column.left + 1, _TOP, column.width - 2, self.row * self.n_rows, self.colours.text, 0.07)
        for position, column in enumerate(columns.shown):
            for row in range(self.n_rows):
                strength = self.strength(row, position)
                colour = cell_colour(strength, self.colours.attention, self.colours)
                name = self.texts[self.top[row][position]]
                title = f"{name} {self._figure(row, position)}"
                yield cell(column.left, self.y(row), column.width, self.row, colour, title)
                if column.width >= _TEXT_WIDTH and self.row >= _TEXT_HEIGHT:
                    words = clip(name, size, column.width - 2.5)
                    foot = self.y(row) + self.row / 2 + 0.34 * size
                    yield text(column.left + 1.2, foot, words, self.colours.text, size)
        aim = columns.at(self.target)
        yield Rect(
            *(aim.left - 0.5, _TOP - 0.5, aim.width + 0.5, self.row * self.n_rows + 0.5),
            fill=None,
            stroke=self.colours.attention,
            stroke_width=0.9,
        )

    def _figure(self, row: int, position: int) -> str:
        return self.readout.figure(self.probability[row][position], self.logit[row][position], 1)

    def _layers(self) -> Iterator[Shape]:
        step = next((step for step in (1, 2, 5, 10, 20, 50) if step * self.row >= 8), 100)
        for row in range(self.n_rows):
            layer, last = row - 1, row == self.n_rows - 1
            near = min(row, self.n_rows - 1 - row) * self.row < 7
            if row == 0 or last or (layer % step == 0 and not near):
                name = "emb" if row == 0 else str(layer)
                yield text(_LEFT - 4, self.y(row) + self.row / 2 + 2, name, self.colours.dim, _SMALL, "end")
        yield text(_LEFT - 4, _TOP - 3, "layer", self.colours.dim, _SMALL, "end")

    def _tokens(self) -> Iterator[Shape]:
        columns, top = self.columns, _TOP + self.row * self.n_rows + 2
        for column in columns.columns:
            if column.folded:
                label = column.label if columns.turned else column.label.split(" ")[0]
                yield text(column.middle + 2, top + columns.reach + 3, label, self.colours.dim, 5.5, turned=True)
                continue
            label, size = columns.labels[column.first], columns.size
            colour = self.colours.attention if column.first == self.target else self.colours.text
            if columns.turned:
                foot = top + columns.reach + 3
                yield text(column.middle + 0.36 * size, foot, label, colour, size, turned=True, name="token")
            else:
                yield text(column.middle, top + size + 1, label, colour, size, "middle", name="token")

    def _scale(self, y: float) -> Iterator[Shape]:
        hue, colours = self.colours.attention, self.colours
        if self.is_value:
            steps = [(f"{self.largest:.2g}", cell_colour(1.0, hue, colours))]
            return scale(_LEFT, y, steps, "size of the value, up to", colours, _SMALL)
        steps = [
            (f"{100 * p:g} %", cell_colour(by_logarithm(p), hue, colours))
            for p in (_STEPS if self.width > 200 else _STEPS[1::2] + _STEPS[-1:])
        ]
        return scale(_LEFT, y, steps, "probability", colours, _SMALL)


_READS = {
    "logit": "Each cell: the most probable next token if the model stopped after this layer,",
    "jacobian": "Each cell: the token that the state after this layer most disposes the model to say at some point,",
    "tuned": "Each cell: the next token that the state after this layer predicts best,",
}
_ABOUT = "read with the final norm and the unembedding; emb: the token embedding."
