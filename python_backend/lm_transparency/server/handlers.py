"""What each method does. A handler reads its params, hands a job to the backend, and returns a protocol message."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import TransparencyError
from ..model import embedded
from ..model.chat import parse_chat
from ..model.listing import Listed, listed
from ..model.tokens import check_prompt
from ..watch import Watch
from . import protocol
from .backend import Asked, Backend, describe
from .messages import camel_case, read
from .progress import Progress
from .protocol.analysis import AnalyzeParams, AnalyzeResult
from .protocol.models import (
    Health,
    ListedModel,
    ListModelsResult,
    LoadModelParams,
    ModelInfo,
    UnloadModelParams,
    UnloadModelResult,
)
from .rpc import AnsweringProtocol

if TYPE_CHECKING:
    from ..model.loading import LoadedModel
    from ..session import Session

T = TypeVar("T")
Handler = Callable[[Any], Awaitable[Any]]

logger = logging.getLogger(__name__)

#: More of a list than this is a table of the vocabulary, and more of a map's side no thumbnail.
MOST = {"top_k": 100, "update_k": 100, "keys_k": 100, "neurons_k": 100, "side": 256}
MOST_TOKENS = 64


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
            **{method: partial(self.inspect, method) for method in protocol.INSPECTIONS},
        }

    async def health(self, _params: Any) -> Health:
        return self._backend.health

    async def ping(self, _params: Any) -> None:
        """Answered at once: the connection is there."""

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
            return describe(_load(session, params, watch))

        return await self._compute(job, f"Loading {_called(params.source)}", params.work_done_token)

    async def unload_model(self, raw: Any) -> UnloadModelResult:
        params = read(UnloadModelParams, raw)

        def job(session: Session, _watch: Watch) -> UnloadModelResult:
            return UnloadModelResult(session.unload(params.source))

        return await self._compute(job, "Unloading")

    async def analyze(self, raw: Any) -> AnalyzeResult:
        params = read(AnalyzeParams, raw)
        _check_counts(params)
        # here as well as in the analysis: no model need be loaded to see this
        check_prompt(params.prompt)
        prompt = parse_chat(params.prompt) if params.chat else params.prompt

        def job(session: Session, watch: Watch) -> AnalyzeResult:
            model = _load(session, params, watch)
            run_id, run = session.analyze(model, prompt, special_tokens=params.special_tokens, watch=watch)
            figures = (len(run.tokens), run.forward_s, run.contributions_s)
            logger.info("Analyzed %d tokens: forward %.2f s, contributions %.2f s.", *figures)
            from .payload import encode_payload

            payload = encode_payload(run_id, run, params.top_k)
            return AnalyzeResult(run_id, base64.b64encode(payload).decode("ascii"))

        return await self._compute(job, "Analyzing", params.work_done_token)

    async def inspect(self, method: str, raw: Any) -> Any:
        """Any question of `protocol.INSPECTIONS`."""
        params = read(protocol.INSPECTIONS[method][0], raw)
        _check_counts(params)

        def job(session: Session, watch: Watch) -> Any:
            from .inspectors import answer

            return answer(params, session, watch)

        return await self._compute(job, "Looking into the analysis", getattr(params, "work_done_token", ""))

    async def _compute(self, job: Callable[[Session, Watch], T], doing: str, token: str = "") -> T:
        with Progress(self._connection, token, doing) as progress:
            watch = Watch(progress.report)
            asked = Asked(self._connection, progress.waiting)
            return await self._backend.run(lambda session: job(session, watch), watch, doing, asked)


def _load(session: Session, params: LoadModelParams | AnalyzeParams, watch: Watch) -> LoadedModel:
    # a client that is lost while it loads comes back for the model
    with watch.finishing():
        return session.load(
            params.source,
            dtype=params.dtype,
            device=params.device,
            allow_download=params.allow_download,
            trust_remote_code=params.trust_remote_code,
            anyway=params.anyway,
            watch=watch,
        )


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
