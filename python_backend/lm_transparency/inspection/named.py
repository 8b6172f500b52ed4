"""The token whose prediction a prompt's file asks about, and the token to compare it with."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from ..analysis.result import Analysis
from ..model.naming import Meant
from ..protocol.lens import LensTrack
from ..trace.trace import position_of
from .asking import question
from .lens import track_tokens
from .tokens import output_meant


@dataclass(frozen=True)
class Named:
    """Both tokens through the layers at one position."""

    target: LensTrack
    contrast: LensTrack | None = None
    #: Notes on the token chosen for a text that could mean several.
    notes: tuple[str, ...] = ()

    @property
    def differences(self) -> tuple[float, ...]:
        """logit(target) - logit(contrast) at the embedding, then after each layer; empty without a contrast."""
        if self.contrast is None:
            return ()
        return tuple(a - b for a, b in zip(self.target.logit, self.contrast.logit, strict=True))

    def strongest(self, count: int) -> list[tuple[int, float]]:
        """The layers that change the difference most, each with its change."""
        changes = [(layer, after - before) for layer, (before, after) in enumerate(pairwise(self.differences))]
        return sorted(changes, key=lambda change: -abs(change[1]))[:count]


@question
def named_tokens(analysis: Analysis, position: int, target: str | None, contrast: str | None) -> Named | None:
    """The tokens, or labels, that `target` and `contrast` name, by their text or by number as `#123`.

    Without a `target`, the model's own prediction takes its place. None where neither is given. Raises
    `TransparencyError`: `invalidParams` for a text that is not a single token, `invalidPosition`.
    """
    if target is None and contrast is None:
        return None
    position = position_of(position, analysis.trace.n_tokens)
    predicted = Meant(int(analysis.predictions(1).ids[position, 0]))
    first = predicted if target is None else output_meant(analysis, target)
    meant = [first] if contrast is None else [first, output_meant(analysis, contrast)]
    notes = tuple(one.note for one in meant if one.note)
    tracks = track_tokens(analysis, position, [one.id for one in meant])
    return Named(tracks[0], tracks[1] if len(tracks) > 1 else None, notes)
