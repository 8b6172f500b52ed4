"""Fitting a Jacobian lens from start to end: each sequence is kept in a file, so that a stopped fit goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..model.loading import LoadedModel
from ..watch import Watch
from .files import read_fit, write_fit
from .fitting import JacobianSum, add_sequence, half_is_faster, passes_of
from .material import material
from .plan import MOST, Plan
from .settling import SETTLED, Settling


@dataclass(frozen=True)
class Kept:
    """A fit after a sequence. `changing`: the share of top tokens that still change, where that is asked."""

    fit: JacobianSum
    changing: float | None

    @property
    def settled(self) -> bool:
        return self.changing is not None and self.changing < SETTLED


def fit_lens(
    model: LoadedModel,
    plan: Plan,
    file: Path,
    watch: Watch | None = None,
    *,
    resume: bool = False,
    kept: Callable[[Kept], None] | None = None,
) -> JacobianSum:
    """Fit what is missing in `file`, and keep each sequence there.

    `resume`: go on with what `file` holds. `kept` is called after each sequence. `watch`: "fitting" with the backward
    passes done and all; where the number of sequences is open, all is an estimate. When it is told of a step, nothing
    of the fit is in the model, so that others may use it. Cancelled, what is done is in the file. Raises
    `TransparencyError` for a plan that does not go, texts that are too short, a model without a gradient, and a file of
    another model or plan.
    """
    plan.check()
    watch = watch or Watch()
    source = material(model, plan, watch)
    total = JacobianSum(model.anatomy.d_model, len(model.anatomy.blocks))
    if resume and file.exists():
        total = read_fit(file, fingerprint=model.files, settings=plan.settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    settling = Settling(model, source.apart(), plan.skip) if plan.sequences is None else None
    if settling and total.n_sequences:
        settling.changing(total)
    left = len(set(source.numbers).difference(total.sequences))
    half, each, expected = half_is_faster(model.model), passes_of(model.anatomy.d_model, plan.batch), left
    for index, (number, ids) in enumerate(source.left(total.sequences)):
        part = _part(watch, index, expected, each)
        total = add_sequence(
            total, model.model, model.anatomy, ids, number, part, skip=plan.skip, batch=plan.batch, half=half
        )
        write_fit(file, total, fingerprint=model.files, model=model.name, settings=plan.settings)
        found = Kept(total, settling.changing(total) if settling else None)
        if kept:
            kept(found)
        if found.settled:
            break
        if found.changing:
            expected = min(left, index + 1 + _more(total, found.changing))
    return total


def _part(watch: Watch, index: int, sequences: int, each: int) -> Watch:
    """The watch of one sequence among all."""

    def report(stage: str, done: int, of: int) -> None:
        watch.step(stage, index * each + done * each // of, sequences * each)

    return Watch(report)


def _more(total: JacobianSum, changing: float) -> int:
    """Sequences until the readings settle: the error falls with the square root of their number."""
    return max(1, round(min(MOST, total.n_sequences * ((changing / SETTLED) ** 2 - 1))))
