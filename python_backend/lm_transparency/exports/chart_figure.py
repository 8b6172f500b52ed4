"""Tokens through the layers as charts: probability and logit under a lens, at one position."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ..ambient import guarded
from ..analysis.result import Analysis
from ..inspection.lens import track_tokens
from ..lens.maps import LOGIT, LensMaps
from ..model.tokens import visible
from ..protocol.lens import LensTrack
from .captions import caption_lines, put_caption
from .drawing.shapes import Drawing, Path, Rect, Shape, Text, line, polyline, text
from .legend import Item, legend_lines
from .look import Look

_LEFT, _RIGHT, _TOP, _SMALL, _BETWEEN = 30.0, 6.0, 13.0, 6.0, 34.0
_NATURAL = 504.0
_BESIDE = 300.0
#: The least probability of the logarithmic axis, as a power of ten.
_LEAST = -5
_DEFAULT_TOKENS = 4
_SAID = {
    "logit": "if the model stopped after each layer (logit lens)",
    "jacobian": "of what the state after each layer disposes the model to say at some point (Jacobian lens)",
    "tuned": "as the state after each layer predicts them (tuned lens)",
}
_DASHES: tuple[tuple[float, ...], ...] = ((), (4, 2), (1.2, 1.8), (5, 1.5, 1.2, 1.5), (2.5, 2.5), (7, 2))


@guarded
def chart_figure(
    analysis: Analysis,
    position: int,
    look: Look,
    *,
    tokens: Sequence[int] = (),
    normalize: bool = True,
    lens: LensMaps = LOGIT,
) -> Drawing:
    """`tokens`: of the vocabulary; none: the most probable at `position`. Raises `TransparencyError` for others."""
    chosen = list(dict.fromkeys(tokens)) or analysis.predictions(_DEFAULT_TOKENS).ids[position].tolist()
    tracks = track_tokens(analysis, position, chosen, normalize=normalize, lens=lens)
    return _ChartFigure(analysis, position, look, tracks, lens).drawing()


class _ChartFigure:
    def __init__(
        self, analysis: Analysis, position: int, look: Look, tracks: tuple[LensTrack, ...], lens: LensMaps
    ) -> None:
        self.lens = lens
        self.analysis, self.look, self.colours, self.tracks = analysis, look, look.colours, tracks
        self.position = position
        self.readout = analysis.trace.anatomy.readout
        self.n = len(tracks[0].logit)
        self.width = look.width or _NATURAL
        room = self.width - _LEFT - _RIGHT
        self.beside = self.width >= _BESIDE
        self.wide = (room - _BETWEEN) / 2 if self.beside else room
        self.high = min(120.0, self.wide * 0.55)

    def drawing(self) -> Drawing:
        words = visible(self.analysis.tokens[self.position].text)
        title = f"Tokens through the layers after {words} (position {self.position}), {self.analysis.model.name}"
        drawing = Drawing(self.width, 0, title, self.look.paper)
        left, top = _LEFT, _TOP
        charts = [self._logits]
        if self.readout.task != "value":
            charts.insert(0, self._probabilities)
        for chart in charts:
            drawing.add(*chart(left, top))
            foot = top + self.high + 16
            if self.beside:
                left += self.wide + _BETWEEN
            else:
                top = foot + 14
        foot = top + self.high + 16 if self.beside else top
        lines = legend_lines(self._items(), 7, self.width - _LEFT - _RIGHT)
        for words_ in lines:
            foot += 9
            drawing.add(Text(_LEFT, foot, words_, 7))
        foot += 5
        if self.look.caption:
            said = [f"{title}: probability and logit {_SAID[self.lens.kind]}."]
            put = caption_lines(self.analysis, said, self.width - 2 * _RIGHT)
            foot = put_caption(drawing, put, _RIGHT, foot, self.colours)
        drawing.height = foot
        return drawing

    def _inks(self) -> list[str]:
        colours = self.colours
        return [colours.attention, colours.opposes, colours.mixer, colours.ffn, colours.warm, colours.text]

    def _ink(self, at: int) -> tuple[str, tuple[float, ...]]:
        inks = self._inks()
        return inks[at % len(inks)], _DASHES[at % len(_DASHES)]

    def _items(self) -> list[Item]:
        signs = ("——", "– –", "· · ·", "– ·", "- -", "—  —")
        return [
            Item(f"{signs[at % len(signs)]} {self.readout.shown(track.text)}", self._ink(at)[0])
            for at, track in enumerate(self.tracks)
        ]

    def _probabilities(self, left: float, top: float) -> Iterator[Shape]:
        ticks = [(power / -_LEAST + 1, f"{100 * 10.0**power:g} %") for power in range(_LEAST, 1)]
        yield from self._axes(left, top, "probability (log)", ticks)
        curves = [
            [1 - max(_LEAST, math.log10(p) if p > 0 else _LEAST) / _LEAST for p in t.probability] for t in self.tracks
        ]
        yield from self._curves(left, top, curves)

    def _logits(self, left: float, top: float) -> Iterator[Shape]:
        values = [value for track in self.tracks for value in track.logit]
        low, high = min(values), max(values)
        step = _nice((high - low) / 4 or 1.0)
        first, last = math.floor(low / step), math.ceil(high / step)
        if first == last:
            last += 1
        reach = (last - first) * step
        ticks = [
            ((at * step - first * step) / reach, f"{at * step:g}".replace("-", "−")) for at in range(first, last + 1)
        ]
        yield from self._axes(left, top, "value" if self.readout.task == "value" else "logit", ticks)
        yield from self._curves(left, top, [[(v - first * step) / reach for v in t.logit] for t in self.tracks])

    def _axes(self, left: float, top: float, name: str, ticks: list[tuple[float, str]]) -> Iterator[Shape]:
        colours = self.colours
        yield text(left, top - 4, name, colours.text, 7)
        for part, label in ticks:
            y = top + self.high * (1 - part)
            yield Path(line(left, y, left + self.wide, y), colours.text, 0.4, 0.18)
            yield text(left - 3, y + 2, label, colours.dim, _SMALL, "end")
        step = next(step for step in (1, 2, 5, 10, 20, 50, 100) if step * self.wide / self.n >= 12)
        foot = top + self.high + 8
        yield text(left, foot, "emb", colours.dim, _SMALL, "middle")
        for layer in range(step, self.n - 1, step):
            yield text(self._x(left, layer + 1), foot, str(layer), colours.dim, _SMALL, "middle")
        yield text(left + self.wide, foot + 7.5, "layer", colours.dim, _SMALL, "end")

    def _x(self, left: float, row: int) -> float:
        return left + self.wide * row / max(1, self.n - 1)

    def _curves(self, left: float, top: float, curves: list[list[float]]) -> Iterator[Shape]:
        # the first token is the one that is asked about: on top
        for at in reversed(range(len(curves))):
            colour, dashes = self._ink(at)
            points = [(self._x(left, row), top + self.high * (1 - part)) for row, part in enumerate(curves[at])]
            title = self.readout.shown(self.tracks[at].text)
            yield Path(polyline(points), colour, 1.2, dashes=dashes, title=title, name="track")
            if len(points) == 1:
                yield Rect(points[0][0] - 1, points[0][1] - 1, 2, 2, colour)


def _nice(step: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= step * 0.999)
