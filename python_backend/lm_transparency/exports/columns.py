"""The columns of a figure: a token each, or a sliver for a stretch of tokens that carries nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..analysis.result import Analysis
from ..model.tokens import visible
from .drawing.typeface import clip, width

#: Sizes in points: type of tokens, least and largest width of a column, width of a sliver.
TOKEN, _SMALL_TOKEN = 7.0, 6.0
_LEAST, _MOST, _SLIVER = 8.6, 76.0, 9.0
#: Labels are cut at this length.
REACH = 52.0
#: A shorter stretch stays in columns: a sliver would hide it without need.
_SHORTEST_FOLD = 2
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class Column:
    """Positions `first` to `last`, both included. `left` and `width` in points."""

    first: int
    last: int
    left: float
    width: float
    folded: bool

    @property
    def middle(self) -> float:
        return self.left + self.width / 2

    @property
    def label(self) -> str:
        n = self.last - self.first + 1
        return f"{n} tokens"


class Columns:
    """Where each position stands.

    `carried` [position]: how much of what is drawn a position carries; 0: nothing. `room`: points for all columns;
    None: as much as they need. `also` [position]: other texts that stand in the columns if these are not turned.
    """

    def __init__(
        self,
        labels: Sequence[str],
        carried: Sequence[float],
        *,
        left: float,
        room: float | None,
        kept: bool,
        also: Sequence[str] = (),
    ) -> None:
        self.labels = list(labels)
        self.left = left
        n = len(labels)
        shown = {at for at in range(n) if carried[at] > 0 or not kept}
        if room is not None and _least_width(shown, n) > room:
            shown = _strongest(carried, n, room)
        stretches = _stretches(shown, n)
        n_folds = sum(folded for *_, folded in stretches)
        n_columns = len(stretches) - n_folds
        texts = [self.labels[first] for first, _, folded in stretches if not folded]
        texts += [clip(text, TOKEN, REACH) for text in also]
        longest = max((width(text, TOKEN) for text in texts), default=0.0)
        dx = max(24.0, longest + 7) if room is None else min(_MOST, (room - n_folds * _SLIVER) / max(1, n_columns))
        fits = longest + 3.5 <= dx
        self.size = TOKEN if fits else _SMALL_TOKEN
        #: Whether labels read upwards.
        self.turned = not fits and longest * _SMALL_TOKEN / TOKEN + 3 > dx
        if self.turned:
            self.size = min(TOKEN, dx - 1.8)
        self.dx = dx
        self.columns: list[Column] = []
        self._of: list[Column] = []
        for first, last, folded in stretches:
            column = Column(first, last, left, _SLIVER if folded else dx, folded)
            self.columns.append(column)
            self._of += [column] * (last - first + 1)
            left += column.width
        self.right = left

    @property
    def reach(self) -> float:
        """The height of the labels."""
        if not self.turned:
            return self.size
        folds = (width(column.label, 5.5) for column in self.folds)
        return max(max((width(self.labels[c.first], self.size) for c in self.shown), default=0.0), *folds, 0.0)

    @property
    def shown(self) -> list[Column]:
        return [column for column in self.columns if not column.folded]

    @property
    def folds(self) -> list[Column]:
        return [column for column in self.columns if column.folded]

    def at(self, position: int) -> Column:
        return self._of[position]

    def x(self, position: int) -> float:
        return self._of[position].middle


def token_labels(analysis: Analysis) -> list[str]:
    """The tokens as columns name them: visible spaces, cut if long, and a number where a word comes again."""
    words = [
        "" if token.special or token.template or not any(map(str.isalnum, token.text)) else token.text
        for token in analysis.tokens
    ]
    times, seen = Counter(words), Counter[str]()
    labels: list[str] = []
    for token, word in zip(analysis.tokens, words, strict=True):
        seen[word] += 1
        number = str(seen[word]).translate(_SUBSCRIPTS) if word and times[word] > 1 else ""
        labels.append(clip(visible(token.text), TOKEN, REACH) + number)
    return labels


def _stretches(shown: set[int], n: int) -> list[tuple[int, int, bool]]:
    found: list[tuple[int, int, bool]] = []
    at = 0
    while at < n:
        end = at
        while end < n and end not in shown:
            end += 1
        if end - at >= _SHORTEST_FOLD:
            found.append((at, end - 1, True))
        else:
            end = max(end, at + 1)
            found += [(position, position, False) for position in range(at, end)]
        at = end
    return found


def _least_width(shown: set[int], n: int) -> float:
    return sum(_SLIVER if folded else _LEAST for *_, folded in _stretches(shown, n))


def _strongest(carried: Sequence[float], n: int, room: float) -> set[int]:
    """As many of the positions that carry most as fit."""
    order = sorted(range(n), key=lambda at: (-carried[at], -at))
    fits, too_many = 1, n
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if _least_width(set(order[:middle]), n) <= room:
            fits = middle
        else:
            too_many = middle
    return set(order[:fits])
