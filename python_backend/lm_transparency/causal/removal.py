"""The changes that remove a unit from a run, or several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, groupby

from torch import Tensor
from transformers import PreTrainedModel

from ..errors import TransparencyError
from ..protocol.effects import How
from ..trace.recording import record
from ..trace.trace import Trace
from ..watch import Watch
from .knockout import hides_keys, keys_hidden
from .parts import Part, Parts, site_of
from .runs import Change, Changes, HiddenKey
from .sites import Site, changed
from .units import Unit, covers, overlap

#: `Removal.how` of a token that later queries cannot look at.
KNOCKED_OUT = "knock-out"


@dataclass(frozen=True)
class Removal:
    """`how`: what the units were set to, or `KNOCKED_OUT`; words with commas where they differ. No changes: there is
    nothing that removing could change (the last token, which no later query looks at).
    """

    changes: Changes
    how: str


def removal(model: PreTrainedModel, parts: Parts, units: Sequence[Unit], how: How, last: int, watch: Watch) -> Removal:
    """What removes `units` from the run of `parts`, which is read at position `last`.

    Several units are removed one after the other, from the first layer up: each is set to its baseline in the run that
    lacks the units before it, as hooks in one run would do. A unit that is part of another adds nothing. Raises
    `TransparencyError("invalidParams")` for units that share a part.
    """
    units = apart(units)
    hidden = [unit for unit in units if _by_knock_out(parts.trace, unit, how)]
    changes: list[Change | HiddenKey] = [
        HiddenKey(unit.position) for unit in hidden if unit.position is not None and unit.position < last
    ]
    hows = [KNOCKED_OUT for _ in hidden]
    of_clean = {unit: parts.of(unit, how) for unit in units if unit not in hidden}

    def when(unit: Unit) -> tuple[Site, bool]:
        return _when(parts.trace, unit)

    for (site, _), group in groupby(sorted(of_clean, key=when), key=when):
        now = Parts(_again(model, parts.trace, changes, watch)) if changes else parts
        for unit in group:
            clean = of_clean[unit]
            here = clean if now is parts else now.of(unit, how)
            changes.append(_change(site, clean, here))
            hows.append(clean.how)
    return Removal(tuple(changes), ", ".join(dict.fromkeys(hows)))


def takes_runs(trace: Trace, units: Sequence[Unit], how: How) -> bool:
    """Whether `removal` runs the model: some of these units come after others of them."""
    return len({None if _by_knock_out(trace, unit, how) else _when(trace, unit) for unit in units}) > 1


def _when(trace: Trace, unit: Unit) -> tuple[Site, bool]:
    """When a unit is removed: a state after all that is summed to it."""
    return site_of(trace, unit), unit.kind == "residual"


def _change(site: Site, clean: Part, here: Part) -> Change:
    return Change(site, clean.positions, clean.baseline - here.vectors)


def _by_knock_out(trace: Trace, unit: Unit, how: How) -> bool:
    return unit.kind == "token" and how == "default" and hides_keys(trace.anatomy)


def _again(model: PreTrainedModel, trace: Trace, changes: Sequence[Change | HiddenKey], watch: Watch) -> Trace:
    """The run with these changes, recorded."""

    def change(site: Site, states: Tensor, factor: float) -> Tensor | None:
        mine = [c for c in changes if isinstance(c, Change) and c.site == site]
        if not mine:
            return None
        made = states.clone()
        rows = made[0] if made.dim() == 3 else made
        for one in mine:
            one.add_to(rows, factor)
        return made

    pairs = [(0, c.key) for c in changes if isinstance(c, HiddenKey)]
    with keys_hidden(trace.anatomy, lambda: pairs, 0), changed(trace.anatomy, change):
        return record(model, trace.anatomy, trace.token_ids, watch)


def apart(units: Sequence[Unit]) -> list[Unit]:
    """`units` without those that are part of others. Raises `TransparencyError("invalidParams")` for a shared part."""
    once = list(dict.fromkeys(units))
    kept = [unit for unit in once if not any(covers(other, unit) for other in once if other != unit)]
    for one, other in combinations(kept, 2):
        if overlap(one, other):
            raise TransparencyError(
                "invalidParams",
                f"{one} and {other} share a part, which cannot be removed twice.",
                "Name the heads of the edge one by one.",
            )
    return kept
