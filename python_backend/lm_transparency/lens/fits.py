"""Fitting a lens from start to end: each sequence is kept in a file, so that a stopped fit goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import TransparencyError
from ..model.loading import LoadedModel
from ..watch import Watch
from .files import Fit, read_fit, write_fit
from .fitting import JacobianSum, add_sequence, half_is_faster, passes_of
from .material import TOGETHER, material
from .plan import MOST, Fitted, Plan
from .settling import SETTLED, Settling
from .tuning import TunedSum, add_states


@dataclass(frozen=True)
class Kept:
    """A fit after a sequence or a few more. `changing`: the share of top tokens that still change, if known."""

    fit: Fit
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
) -> Fit:
    """Fit what is missing in `file`, and keep each sequence there.

    `resume`: go on with what `file` holds. `kept` is called after each sequence. `watch` reports "fitting" with the
    number of backward passes, done and in all; the total is an estimate where the number of sequences is open. No hook
    is in the model during a report, so others may use it. The file keeps what is done before a cancellation. Raises
    `TransparencyError` for a file that is there without `resume`, a plan that does not go, texts that are too short, a
    model without a gradient, and a file of another model or plan.
    """
    plan.check()
    watch = watch or Watch()
    source = material(model, plan, watch)
    total = start(plan.kind, model)
    if resume and file.exists():
        total = read_fit(file, fingerprint=model.files, settings=plan.settings)
    elif file.exists():
        # hours may be in it
        remedy = "Use --resume to go on with it, or --output to write another one."
        raise TransparencyError("invalidParams", f"{file} is there already.", remedy)
    file.parent.mkdir(parents=True, exist_ok=True)
    settling = Settling(model, source.apart(), plan.skip) if source.apart else None
    if settling and total.n_sequences:
        settling.changing(total)
    before = total.n_sequences
    left = len(set(source.numbers).difference(total.sequences))
    expected = left
    tuned = plan.kind == "tuned"
    at_once, each = (TOGETHER, 1) if tuned else (1, passes_of(model.anatomy.d_model, plan.batch))
    half = not tuned and half_is_faster(model.model)
    for numbers, ids in source.left(total.sequences, at_once):
        part = _part(watch, total.n_sequences - before, expected, each)
        if isinstance(total, TunedSum):
            total = add_states(total, model.model, model.anatomy, ids, numbers, part, skip=plan.skip)
        else:
            one = model.model, model.anatomy, ids[0], numbers[0], part
            total = add_sequence(total, *one, skip=plan.skip, batch=plan.batch, half=half)
        write_fit(file, total, fingerprint=model.files, model=model.name, settings=plan.settings)
        found = Kept(total, settling.changing(total) if settling else None)
        if kept:
            kept(found)
        if plan.sequences is not None:
            continue
        if found.settled:
            break
        if found.changing:
            expected = min(left, total.n_sequences - before + _more(total, found.changing))
    return total


def start(kind: Fitted, model: LoadedModel) -> Fit:
    """A fit of nothing."""
    sums = TunedSum if kind == "tuned" else JacobianSum
    return sums(model.anatomy.d_model, len(model.anatomy.blocks))


def _part(watch: Watch, index: int, sequences: int, each: int) -> Watch:
    """The watch of one sequence among all."""

    def report(stage: str, done: int, of: int) -> None:
        watch.step(stage, index * each + done * each // of, sequences * each)

    return Watch(report)


def _more(total: Fit, changing: float) -> int:
    """Sequences until the readings settle: the error falls with the square root of their number."""
    return max(1, round(min(MOST, total.n_sequences * ((changing / SETTLED) ** 2 - 1))))
