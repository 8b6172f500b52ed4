"""The handlers of all methods. Each reads its params, gives a job to the backend, and returns a protocol message."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lsprotocol.types import PROGRESS, ProgressParams

from ... import protocol
from ...errors import TransparencyError
from ...model import embedded
from ...model.chat import Chat, parse_chat
from ...model.listing import Listed, listed
from ...model.tokens import check_prompt
from ...protocol.analysis import (
    AnalyzeParams,
    AnalyzeResult,
    EstimateParams,
    EstimateResult,
    PlainLensParams,
    PlainLensResult,
)
from ...protocol.models import (
    ConfigureParams,
    ConfigureResult,
    Health,
    ListedModel,
    ListModelsResult,
    LoadModelParams,
    ModelInfo,
    UnloadModelParams,
    UnloadModelResult,
)
from ...protocol.wire import camel_case, read, to_wire
from ...watch import Watch
from ..compute.backend import Asked, Backend, describe
from ..compute.priority import leaving_a_core
from .fitting import Fitting
from .loading import load
from .progress import Progress
from .rpc import AnsweringProtocol

if TYPE_CHECKING:
    from ...analysis.estimate import Estimate
    from ...analysis.result import Analysis
    from ...session.session import Session

T = TypeVar("T")
Handler = Callable[[Any], Awaitable[Any]]

logger = logging.getLogger(__name__)

#: Longer lists than this would be a table of the vocabulary, and larger map sides are not thumbnails.
MOST = {"most": 400, "top": 400, "top_k": 100, "update_k": 100, "keys_k": 100, "neurons_k": 100, "side": 512}
MOST_TOKENS = 64

#: Seconds after which the rest of an analysis gives way to others.
_SLICE_S = 0.2
#: Characters of a chat that are read at once, sooner than a thread would begin.
_AT_ONCE = 10_000


class Handlers:
    """The custom methods of one connection."""

    def __init__(self, backend: Backend, connection: AnsweringProtocol) -> None:
        self._backend = backend
        self._connection = connection

    def by_method(self) -> dict[str, Handler]:
        return {
            protocol.HEALTH: self.health,
            protocol.PING: self.ping,
            protocol.LIST_MODELS: self.list_models,
            protocol.LOAD_MODEL: self.load_model,
            protocol.UNLOAD_MODEL: self.unload_model,
            protocol.ANALYZE: self.analyze,
            protocol.ESTIMATE: self.estimate,
            protocol.PLAIN_LENS: self.plain_lens,
            protocol.CONFIGURE: self.configure,
            **Fitting(self._backend, self._connection).by_method(),
            **{method: partial(self.inspect, method) for method in protocol.INSPECTIONS},
        }

    async def health(self, _params: Any) -> Health:
        return self._backend.health

    async def ping(self, _params: Any) -> None:
        """Answered at once, as a sign of life."""

    async def list_models(self, _params: Any) -> ListModelsResult:
        loaded = self._backend.health.loaded
        found = await asyncio.to_thread(listed)
        models = [_listed(model, loaded) for model in found]
        names, sources = {model.name for model in models}, {model.source for model in models}
        models += [
            ListedModel(info.source, info.name, "folder", True, info.memory_bytes, "", "unknown", "")
            for info in loaded
            if info.name not in names and info.source not in sources
        ]
        return ListModelsResult(models, embedded.NAME)

    async def load_model(self, raw: Any) -> ModelInfo:
        params = read(LoadModelParams, raw)

        def job(session: Session, watch: Watch) -> ModelInfo:
            return describe(load(session, params, watch))

        return await self._compute(job, f"Loading {_called(params.source)}", params.work_done_token)

    async def unload_model(self, raw: Any) -> UnloadModelResult:
        params = read(UnloadModelParams, raw)

        def job(session: Session, _watch: Watch) -> UnloadModelResult:
            return UnloadModelResult(session.unload(params.source))

        return await self._compute(job, "Unloading")

    async def analyze(self, raw: Any) -> AnalyzeResult:
        params = read(AnalyzeParams, raw)
        _check_counts(params)
        prompt = await _prompt(params)

        if params.partial_result_token:
            return await self._in_two_steps(params, prompt)

        def job(session: Session, watch: Watch) -> AnalyzeResult:
            model = load(session, params, watch)
            if params.ask:
                _check_cost(session.estimate(model, prompt, special_tokens=params.special_tokens), params)
            return _told(*session.analyze(model, prompt, special_tokens=params.special_tokens, watch=watch), params)

        with Progress(self._connection, params.work_done_token, "Analyzing") as progress:
            return await self._take_analysis_turn(job, params, progress)

    async def _in_two_steps(self, params: AnalyzeParams, prompt: str | Chat) -> AnalyzeResult:
        """The routes into the target first; then the rest in short jobs, so that questions fit in between."""

        def begin(session: Session, watch: Watch) -> tuple[AnalyzeResult, bool]:
            model = load(session, params, watch)
            if params.ask:
                _check_cost(session.estimate(model, prompt, special_tokens=params.special_tokens), params)
            run_id, run = session.begin(model, prompt, special_tokens=params.special_tokens, watch=watch)
            return _told(run_id, run, params), run.is_complete

        with Progress(self._connection, params.work_done_token, "Analyzing") as progress, self._backend.held():
            first, is_complete = await self._take_analysis_turn(begin, params, progress)
            if is_complete:
                return first
            self._connection.notify(PROGRESS, ProgressParams(params.partial_result_token, to_wire(first)))

            def go_on(session: Session, watch: Watch) -> AnalyzeResult | None:
                run = session.go_on(first.run_id, watch, _SLICE_S)
                return _told(first.run_id, run, params) if run.is_complete else None

            while True:
                last = await self._take_turn_behind(go_on, progress, live=params.live)
                if last is not None:
                    return last

    async def estimate(self, raw: Any) -> EstimateResult:
        params = read(EstimateParams, raw)
        prompt = await _prompt(params)

        def job(session: Session, watch: Watch) -> EstimateResult:
            model = load(session, params, watch)
            found = session.estimate(model, prompt, special_tokens=params.special_tokens)
            return EstimateResult(
                tokens=found.n_tokens,
                seconds=found.seconds,
                bytes=found.n_bytes,
                free_bytes=found.free_bytes,
                fits=found.fits,
                longest_that_fits=found.longest,
                calibrated=found.calibrated,
            )

        return await self._compute(job, "Estimating", params.work_done_token)

    async def plain_lens(self, raw: Any) -> PlainLensResult:
        params = read(PlainLensParams, raw)
        _check_counts(params)
        prompt = await _prompt(params)

        def job(session: Session, watch: Watch) -> PlainLensResult:
            k, most = params.top_k, params.most
            return session.refused_lens(params, prompt, params.special_tokens, top_k=k, most=most, watch=watch)

        return await self._compute(job, f"Reading {_called(params.source)}", params.work_done_token)

    async def configure(self, raw: Any) -> ConfigureResult:
        params = read(ConfigureParams, raw)
        return ConfigureResult(await self._backend.set_trace_budget(round(params.trace_memory_mb * 1e6)))

    async def inspect(self, method: str, raw: Any) -> Any:
        """Any question of `protocol.INSPECTIONS`."""
        params = read(protocol.INSPECTIONS[method][0], raw)
        _check_counts(params)

        def job(session: Session, watch: Watch) -> Any:
            from ...session.answers import answer

            return answer(params, session, watch)

        doing, token = "Looking into the analysis", getattr(params, "work_done_token", "")
        if not getattr(params, "behind", False):
            return await self._compute(job, doing, token)
        with Progress(self._connection, token, doing) as progress:
            # nobody has asked for it, so the health stays ready
            return await self._take_turn_behind(job, progress, live=False, doing="")

    async def _compute(self, job: Callable[[Session, Watch], T], doing: str, token: str = "") -> T:
        with Progress(self._connection, token, doing) as progress:
            return await self._take_turn(job, doing, progress)

    async def _take_turn(self, job: Callable[[Session, Watch], T], doing: str, progress: Progress) -> T:
        watch = Watch(progress.report)
        asked = Asked(self._connection, progress.waiting)
        return await self._backend.run(lambda session: job(session, watch), watch, doing, asked)

    async def _take_analysis_turn(
        self, job: Callable[[Session, Watch], T], params: AnalyzeParams, progress: Progress
    ) -> T:
        """Work that follows typing is speculative, except for loading its model."""
        if not params.live:
            return await self._take_turn(job, "Analyzing", progress)
        if self._backend.loaded(params.source) is None:
            await self._take_turn(lambda session, watch: load(session, params, watch), "Analyzing", progress)
        return await self._take_turn_behind(job, progress, live=True)

    async def _take_turn_behind(
        self, job: Callable[[Session, Watch], T], progress: Progress, *, live: bool, doing: str = "Analyzing"
    ) -> T:
        def turn(session: Session, watch: Watch) -> T:
            with leaving_a_core() if live else nullcontext():
                return job(session, watch)

        asked = Asked(self._connection, progress.waiting)
        return await self._backend.run_behind(turn, progress.report, doing, asked)


async def _prompt(params: AnalyzeParams | EstimateParams | PlainLensParams) -> str | Chat:
    """The prompt to analyse. It is refused here as well as in the analysis, because this check needs no model."""
    check_prompt(params.prompt)
    if not params.chat:
        return params.prompt
    if len(params.prompt) <= _AT_ONCE:
        return parse_chat(params.prompt)
    return await asyncio.to_thread(parse_chat, params.prompt)


def _told(run_id: str, run: Analysis, params: AnalyzeParams) -> AnalyzeResult:
    from ...exports.payload import encode_payload

    if run.is_complete:
        figures = (len(run.tokens), run.forward_s, run.contributions_s)
        logger.info("Analyzed %d tokens: forward %.2f s, contributions %.2f s.", *figures)
    payload = encode_payload(run_id, run, params.top_k)
    return AnalyzeResult(run_id, base64.b64encode(payload).decode("ascii"))


def _check_cost(estimate: Estimate, params: AnalyzeParams) -> None:
    """Raise `Costly` where the client must be asked first."""
    from ...analysis.estimate import Costly

    too_long = 0 < params.ask_above_seconds < estimate.seconds
    too_much = 0 < params.ask_above_mb < estimate.n_bytes / 1e6
    if too_long or too_much or not estimate.fits:
        raise Costly(estimate)


def _listed(model: Listed, loaded: list[ModelInfo]) -> ListedModel:
    is_loaded = any(info.name == model.name or info.source == model.source for info in loaded)
    told = (model.family, model.support, model.base)
    return ListedModel(model.source, model.name, model.kind, is_loaded, model.size_bytes, *told)


def _called(source: str) -> str:
    return Path(source).name or embedded.NAME


def _check_counts(params: Any) -> None:
    for name, most in MOST.items():
        value = getattr(params, name, 1)
        if not 1 <= value <= most:
            raise TransparencyError("invalidParams", f"{camel_case(name)!r} is {value}.", f"It takes 1 to {most}.")
    if len(getattr(params, "tokens", [])) > MOST_TOKENS:
        raise TransparencyError("invalidParams", f"'tokens' has more than {MOST_TOKENS} entries.", "Ask in turns.")
