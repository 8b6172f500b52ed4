"""Fitting a lens for a client: what it takes, and the fit itself, which goes behind everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lsprotocol.types import PROGRESS, ProgressParams

from ... import protocol
from ...errors import TransparencyError
from ...lens.plan import Plan
from ...protocol.fits import EstimateFitParams, EstimateFitResult, FitLensParams, FitLensResult
from ...protocol.wire import read, to_wire
from ...watch import Watch
from ..compute.backend import Asked, Backend
from ..compute.fits import Fit
from .loading import load
from .progress import Progress
from .rpc import AnsweringProtocol

if TYPE_CHECKING:
    from ...lens.fits import Kept
    from ...model.loading import LoadedModel
    from ...session.session import Session

#: Seconds between two reports of progress; other background work runs in between.
_SLICE_S = 0.5
#: Seconds between two looks for a model that was unloaded.
_AWAY_S = 1.0


@dataclass
class _State:
    """Of one request. `fit` None: the model was unloaded. `latest`: the last sequence that was kept; `news`: those that
    the client has not been told of.
    """

    plan: Plan
    fit: Fit | None = None
    name: str = ""
    latest: FitLensResult = field(default_factory=lambda: FitLensResult(0))
    news: list[FitLensResult] = field(default_factory=list[FitLensResult])

    def begin(self, model: LoadedModel) -> Fit:
        from ...lens.places import going_on

        self.name = model.name
        self.plan = going_on(model.files, self.plan)
        self.fit = Fit(model, self.plan, self._keep)
        return self.fit

    def leave(self, model: LoadedModel) -> None:
        """Keep nothing of a model that is unloaded."""
        if self.fit is not None and self.fit.model is model:
            self.close()

    def close(self) -> None:
        fit, self.fit = self.fit, None
        if fit is not None:
            fit.close()

    def words(self) -> str:
        wanted = self.plan.sequences
        done = self.latest.sequences
        said = "first sequences" if not done else f"{done} sequences"
        if wanted is not None:
            said = f"{done} of {max(done, wanted)} sequences"
        left = self.fit.seconds_left if self.fit else None
        return said if left is None else f"{said}, {_duration(left)} left"

    def _keep(self, found: Kept) -> None:
        self.latest = FitLensResult(found.fit.n_sequences, found.changing)
        self.news.append(self.latest)


class Fitting:
    """The handlers of one connection."""

    def __init__(self, backend: Backend, connection: AnsweringProtocol) -> None:
        self._backend = backend
        self._connection = connection

    def by_method(self) -> dict[str, Callable[[Any], Awaitable[Any]]]:
        return {protocol.ESTIMATE_FIT: self.estimate, protocol.FIT_LENS: self.fit}

    async def estimate(self, raw: Any) -> EstimateFitResult:
        params = read(EstimateFitParams, raw)

        def job(session: Session, watch: Watch) -> EstimateFitResult:
            from ...lens.fit_cost import seconds_of_sequence
            from ...lens.places import fit_kept, going_on

            model = load(session, params, watch)
            plan = going_on(model.files, Plan())
            with _of_a_fit():
                return EstimateFitResult(fit_kept(model.files) or 0, seconds_of_sequence(model, plan, watch))

        with Progress(self._connection, params.work_done_token, "Measuring a fit") as progress:
            return await self._take_turn(job, "Measuring how long a fit takes", progress)

    async def fit(self, raw: Any) -> FitLensResult:
        params = read(FitLensParams, raw)
        state = _State(Plan(sequences=params.sequences))
        state.plan.check()

        def begin(session: Session, watch: Watch) -> str:
            from ...lens.places import fit_kept

            model = load(session, params, watch)
            state.begin(model)
            state.latest = FitLensResult(fit_kept(model.files) or 0)
            session.leaving.append(state.leave)
            return model.files

        def go_on(session: Session, watch: Watch) -> bool | None:
            """None where the model is away."""
            model = session.current(params.source) if state.fit is None else None
            fit = state.fit or (state.begin(model) if model else None)
            with _of_a_fit():
                return fit and fit.go_on(watch, _SLICE_S)

        def end(session: Session) -> None:
            state.close()
            if state.leave in session.leaving:
                session.leaving.remove(state.leave)

        with Progress(self._connection, params.work_done_token, "Fitting the lens") as progress:
            session = await self._backend.start()
            try:
                self._take_over(await self._take_turn(begin, "Loading for the lens", progress))
                while not (over := await self._backend.run_spare(go_on)):
                    self._tell(params, state)
                    if over is None:
                        progress.say(f"Waits until {state.name} is loaded again", None)
                        await asyncio.sleep(_AWAY_S)
                    elif state.fit:
                        progress.say(state.words(), state.fit.share)
                self._tell(params, state)
                return state.latest
            finally:
                # its thread ends within one pass
                await asyncio.shield(asyncio.to_thread(end, session))

    def _take_over(self, model: str) -> None:
        """One fit of a model at a time: the newest, as that of a window that is back."""
        task = asyncio.current_task()
        before = self._backend.fits.get(model)
        if before is not None:
            before.cancel()
        if task is not None:
            self._backend.fits[model] = task
            task.add_done_callback(lambda _: self._backend.fits.get(model) is task and self._backend.fits.pop(model))

    def _tell(self, params: FitLensParams, state: _State) -> None:
        news, state.news = state.news, []
        for found in news if params.partial_result_token else ():
            self._connection.notify(PROGRESS, ProgressParams(params.partial_result_token, to_wire(found)))

    async def _take_turn(self, job: Callable[[Session, Watch], Any], doing: str, progress: Progress) -> Any:
        watch = Watch(progress.report)
        asked = Asked(self._connection, progress.waiting)
        return await self._backend.run(lambda session: job(session, watch), watch, doing, asked)


@contextmanager
def _of_a_fit() -> Generator[None]:
    """What cannot be differentiated still has a lens."""
    try:
        yield
    except TransparencyError as error:
        if error.kind != "modelUnsupported":
            raise
        remedy = "No lens can be fitted on this model; the logit lens reads it."
        raise TransparencyError(error.kind, error.message, remedy) from error


def _duration(seconds: float) -> str:
    """Rounded up, as people say it."""
    if seconds < 90:
        return f"{max(10, 10 * -(-int(seconds) // 10))} s"
    minutes = -(-int(seconds) // 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
