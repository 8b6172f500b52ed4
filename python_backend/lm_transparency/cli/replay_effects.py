"""The effects of a run file, measured again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import TransparencyError

if TYPE_CHECKING:
    from ..analysis.result import Analysis
    from ..protocol.effects import EffectsResult
    from ..watch import Watch


@dataclass(frozen=True)
class EffectsDifference:
    """`n`: units that were measured again. `most`: the largest difference of an effect, `unit` where it occurs;
    `largest`: the largest effect in the file. `others`: units that were set to something else in the file. `refused`:
    why none could be measured; then they do not agree.
    """

    n: int
    most: float
    unit: str
    largest: float
    others: int
    refused: str = ""

    def within(self, tolerance: float) -> bool:
        return not self.refused and self.most <= tolerance * max(1.0, self.largest)

    def line(self) -> str:
        if self.refused:
            return f"effects      not measured again: {self.refused}"
        at = f" ({self.unit})" if self.unit else ""
        others = f"; {self.others} that were set to other means are left out" if self.others else ""
        return f"effects      {self.n} measured again, largest difference {self.most:.4f}{at}{others}"


def effects_again(analysis: Analysis, kept: EffectsResult, watch: Watch) -> EffectsDifference | None:
    """The measured units of `kept`, measured on `analysis`; None where there are none."""
    from ..inspection.effects import inspect_effects

    units = [unit for unit in kept.units if unit.measured is not None]
    if not units:
        return None
    metric = kept.metric
    try:
        found = inspect_effects(
            analysis,
            position=kept.position,
            metric=metric.kind,
            target=f"#{metric.target.id}",
            contrast=None if metric.contrast is None else f"#{metric.contrast.id}",
            units=[unit.unit for unit in units],
            watch=watch,
        )
    except TransparencyError as error:
        # another model may not have the units; the rest of the comparison holds
        return EffectsDifference(0, 0.0, "", 0.0, 0, error.message)
    pairs = [(unit, now) for unit, now in zip(units, found.units, strict=True) if unit.how == now.how]
    changes = [(abs((now.measured or 0.0) - (unit.measured or 0.0)), unit.unit) for unit, now in pairs]
    most, unit = max(changes, default=(0.0, ""))
    largest = max(abs(one.measured or 0.0) for one in units)
    return EffectsDifference(len(pairs), most, unit if most else "", largest, len(units) - len(pairs))
