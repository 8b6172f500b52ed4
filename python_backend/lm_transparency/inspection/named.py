"""The token whose prediction a prompt's file asks about, and the one that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from ..analysis import Analysis
from .asking import question
from .lens import LensTrack, track_tokens
from .tokens import output_named


@dataclass(frozen=True)
class Named:
    """Both through the layers at one position."""

    target: LensTrack
    contrast: LensTrack | None = None

    @property
    def differences(self) -> tuple[float, ...]:
        """logit(target) - logit(contrast) of the embedding, then after each layer; empty without a contrast."""
        if self.contrast is None:
            return ()
        return tuple(a - b for a, b in zip(self.target.logit, self.contrast.logit, strict=True))

    def strongest(self, count: int) -> list[tuple[int, float]]:
        """The layers that change the difference most, and by how much."""
        changes = [(layer, after - before) for layer, (before, after) in enumerate(pairwise(self.differences))]
        return sorted(changes, key=lambda change: -abs(change[1]))[:count]


@question
def named_tokens(analysis: Analysis, position: int, target: str | None, contrast: str | None) -> Named | None:
    """Of texts that are a token, or a label, each; without a `target` what the model predicts takes its place.

    None where neither is named. Raises `TransparencyError("invalidParams")` for a text that is no single token.
    """
    if target is None and contrast is None:
        return None
    predicted = int(analysis.predictions(1).ids[position, 0])
    first = predicted if target is None else output_named(analysis, target)
    others = [] if contrast is None else [output_named(analysis, contrast)]
    return Named(*track_tokens(analysis, position, [first, *others]))
