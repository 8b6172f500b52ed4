"""What each method does. A handler reads its params, hands a job to the backend, and returns a protocol message."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import TransparencyError
from ..model import embedded
from ..model.sources import Listed, listed
from ..model.tokens import check_prompt
from ..watch import Watch
from . import protocol
from .backend import Backend, describe
from .messages import read
from .progress import Progress
from .rpc import AnsweringProtocol

if TYPE_CHECKING:
    from ..model.loading import LoadedModel
    from ..session import Session

T = TypeVar("T")
Handler = Callable[[Any], Awaitable[Any]]

logger = logging.getLogger(__name__)

#: More than this, at every position, is a table of the vocabulary and no longer a list to look at.
MAX_TOP_K = 100


class Handlers:
    """The custom methods of one connection."""

    def __init__(self, backend: Backend, connection: AnsweringProtocol) -> None:
        self._backend = backend
        self._connection = connection

    def by_method(self) -> dict[str, Handler]:
        return {
            protocol.HEALTH: self.health,
            protocol.LIST_MODELS: self.list_models,
            protocol.LOAD_MODEL: self.load_model,
            protocol.UNLOAD_MODEL: self.unload_model,
            protocol.ANALYZE: self.analyze,
            protocol.NODE_TOKENS: self.node_tokens,
        }

    async def health(self, _params: Any) -> protocol.Health:
        return self._backend.health

    async def list_models(self, _params: Any) -> protocol.ListModelsResult:
        loaded = self._backend.health.loaded
        found = await asyncio.to_thread(listed)
        models = [_listed(model, loaded) for model in found]
        names = {model.name for model in models}
        models += [
            protocol.ListedModel(info.source, info.name, "folder", True, info.memory_bytes)
            for info in loaded
            if info.name not in names
        ]
        return protocol.ListModelsResult(models, embedded.NAME)

    async def load_model(self, raw: Any) -> protocol.ModelInfo:
        params = read(protocol.LoadModelParams, raw)

        def job(session: Session, watch: Watch) -> protocol.ModelInfo:
            return describe(_load(session, params, watch))

        return await self._compute(job, f"Loading {_called(params.source)}", params.work_done_token)

    async def unload_model(self, raw: Any) -> protocol.UnloadModelResult:
        params = read(protocol.UnloadModelParams, raw)

        def job(session: Session, _watch: Watch) -> protocol.UnloadModelResult:
            return protocol.UnloadModelResult(session.unload(params.source))

        return await self._compute(job, "Unloading")

    async def analyze(self, raw: Any) -> protocol.AnalyzeResult:
        params = read(protocol.AnalyzeParams, raw)
        _check_top_k(params.top_k)
        # here as well as in the analysis: no model need be loaded to see this
        check_prompt(params.prompt)

        def job(session: Session, watch: Watch) -> protocol.AnalyzeResult:
            from .payload import encode_payload

            model = _load(session, params, watch)
            run_id, run = session.analyze(model, params.prompt, special_tokens=params.special_tokens, watch=watch)
            figures = (len(run.tokens), run.forward_s, run.contributions_s)
            logger.info("Analyzed %d tokens: forward %.2f s, contributions %.2f s.", *figures)
            payload = encode_payload(run_id, run, params.top_k)
            return protocol.AnalyzeResult(run_id, base64.b64encode(payload).decode("ascii"))

        return await self._compute(job, "Analyzing", params.work_done_token)

    async def node_tokens(self, raw: Any) -> protocol.NodeTokensResult:
        params = read(protocol.NodeTokensParams, raw)
        _check_top_k(params.top_k)

        def job(session: Session, _watch: Watch) -> protocol.NodeTokensResult:
            from .nodes import node_tokens_result

            found = session.node_tokens(params.run_id, params.node, top_k=params.top_k, normalize=params.normalize)
            return node_tokens_result(params.node, found, session.run(params.run_id))

        return await self._compute(job, "Reading a node")

    async def _compute(self, job: Callable[[Session, Watch], T], doing: str, token: str = "") -> T:
        with Progress(self._connection, token, doing) as progress:
            watch = Watch(progress.report)
            return await self._backend.run(lambda session: job(session, watch), watch, doing)


def _load(session: Session, params: protocol.LoadModelParams | protocol.AnalyzeParams, watch: Watch) -> LoadedModel:
    return session.load(
        params.source, dtype=params.dtype, device=params.device, allow_download=params.allow_download, watch=watch
    )


def _listed(model: Listed, loaded: list[protocol.ModelInfo]) -> protocol.ListedModel:
    is_loaded = any(info.name == model.name for info in loaded)
    return protocol.ListedModel(model.source, model.name, model.kind, is_loaded, model.size_bytes)


def _called(source: str) -> str:
    return Path(source).name or embedded.NAME


def _check_top_k(top_k: int) -> None:
    if not 1 <= top_k <= MAX_TOP_K:
        raise TransparencyError("invalidParams", f"'topK' is {top_k}.", f"It takes 1 to {MAX_TOP_K}.")
