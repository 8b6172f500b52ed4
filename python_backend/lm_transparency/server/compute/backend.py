"""The state that all connections of one process share: the session, the compute queue before it, and their health."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import secrets
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pygls.exceptions import JsonRpcException

from ...model import embedded
from ...protocol import PROTOCOL_VERSION
from ...protocol.models import Health, HealthState, ModelInfo, Traces
from ...version import __version__
from ...watch import Report, Watch
from . import dependencies, devices
from .allocator import keep_imports
from .failures import need_not_be_heard
from .progressing import keep_telling
from .worker import ComputeQueue

if TYPE_CHECKING:
    from ...model.loading import LoadedModel
    from ...session.session import Session

T = TypeVar("T")

logger = logging.getLogger(__name__)


def new_session(trace_budget: int = 0) -> Session:
    """A `Session`, and everything that its first request would import. `trace_budget`: 0 for the default."""
    from ...exports import payload  # noqa: F401  # pyright: ignore[reportUnusedImport]
    from ...session.session import TRACE_BUDGET, Session

    return Session(trace_budget=trace_budget or TRACE_BUDGET)


def describe(model: LoadedModel) -> ModelInfo:
    from ...exports.payload import model_info

    return model_info(model)


class Asked(NamedTuple):
    """A client, and how to tell it how many requests come before its own."""

    client: Hashable = None
    on_wait: Callable[[int], None] = lambda _before: None


class Backend:
    """One per process, used from one event loop. `start` makes the session, after the first client is answered."""

    def __init__(self, session_factory: Callable[[], Session] = new_session) -> None:
        self._session_factory = session_factory
        self._session: Session | None = None
        self._queue = ComputeQueue(self._on_queue)
        self._starting: asyncio.Future[Session] | None = None
        self._own_budget = 0
        self._loaded: list[ModelInfo] = []
        self._traces = Traces()
        # the budget that a client has set; 0: none
        self._trace_budget = 0
        self._listeners: list[Callable[[Health], None]] = []
        self._telling: asyncio.Task[None] | None = None
        self._watchers: list[Callable[[], None]] = []
        #: the request that fits the lens of a model, by the model's fingerprint
        self.fits: dict[str, asyncio.Task[Any]] = {}
        self._health = Health(
            instance=secrets.token_hex(8),
            process_id=os.getpid(),
            host=platform.node(),
            protocol_version=PROTOCOL_VERSION,
            package_version=__version__,
            state="starting",
            message="Importing PyTorch.",
            remedy="",
            python=platform.python_version(),
            torch="",
            transformers="",
            devices=[devices.cpu()],
            loaded=[],
            traces=Traces(),
        )

    @property
    def health(self) -> Health:
        return self._health

    def loaded(self, model: str) -> ModelInfo | None:
        """The loaded model named `model`; an empty name means the embedded default."""
        name = model or embedded.NAME
        return next((m for m in self._health.loaded if name in (m.source or embedded.NAME, m.name)), None)

    def listen(self, listener: Callable[[Health], None]) -> Callable[[], None]:
        """Call `listener` on each change of the health; calling the result ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def watch_progress(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Call `tell` whenever work takes processor time, at most every two seconds; calling the result ends that."""
        self._watchers.append(tell)
        if self._telling is None:
            self._telling = asyncio.ensure_future(keep_telling(self._tell_progress))
        return lambda: self._watchers.remove(tell) if tell in self._watchers else None

    def _tell_progress(self) -> None:
        for tell in list(self._watchers):
            tell()

    def start(self) -> asyncio.Future[Session]:
        """Begin the heavy imports unless that was done; the future fails as each request then will."""
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._start())
            # the health reports a failure; nothing has to await this
            need_not_be_heard(self._starting)
        return self._starting

    @property
    def is_idle(self) -> bool:
        return self._queue.is_idle

    async def run(self, job: Callable[[Session], T], watch: Watch, doing: str, asked: Asked = Asked()) -> T:  # noqa: B008
        """`job(session)` in its turn; see `ComputeQueue.run`.

        Raises the reply of kind dependencyMissing where the session cannot be made.
        """
        # shielded: a client that gives up does not stop what the next request needs too
        session = await asyncio.shield(self.start())
        return await self._queue.run(lambda: self._noting(session, job), watch, doing, *asked)

    async def run_behind(
        self,
        job: Callable[[Session, Watch], T],
        report: Report,
        doing: str,
        asked: Asked = Asked(),  # noqa: B008
    ) -> T:
        """Like `run`, for speculative work; see `ComputeQueue.run_behind`."""
        session = await asyncio.shield(self.start())

        def work(watch: Watch) -> T:
            return self._noting(session, lambda session: job(session, watch))

        return await self._queue.run_behind(work, report, doing, *asked)

    def _noting(self, session: Session, job: Callable[[Session], T]) -> T:
        """`job(session)`, with the state of kept models and analyses afterwards."""
        try:
            return job(session)
        finally:
            # described and not kept: a reference here would prevent unloading the model
            before, self._loaded = self._loaded, [describe(model) for model in session.loaded]
            self._traces = Traces(*session.traces)
            for info in self._loaded:
                if info not in before:
                    logger.info("Loaded %s (%s, %s).", info.name, info.device, info.dtype)

    async def run_spare(self, job: Callable[[Session, Watch], T]) -> T:
        """`job(session, watch)` when no request waits; a new request goes first. See `ComputeQueue.run_spare`."""
        session = await asyncio.shield(self.start())
        return await self._queue.run_spare(lambda watch: job(session, watch))

    def held(self) -> AbstractContextManager[None]:
        """See `ComputeQueue.held`."""
        return self._queue.held()

    async def set_trace_budget(self, n_bytes: int) -> int:
        """Let analyses hold `n_bytes` together, for all clients; 0: the session's default. Returns the limit in
        force.
        """
        self._trace_budget = n_bytes
        if self._session is None:
            # applied by the first job
            return n_bytes
        await self.run(self._apply_trace_budget, Watch(), "")
        return self._traces.budget_bytes

    def _apply_trace_budget(self, session: Session) -> None:
        session.set_trace_budget(self._trace_budget or self._own_budget)

    def abandon(self, client: Hashable) -> None:
        """See `ComputeQueue.abandon`."""
        self._queue.abandon(client)

    async def unload_all(self) -> None:
        """Unload every model, if any is loaded."""
        if self._loaded:
            await self.run(lambda session: session.unload(), Watch(), "Unloading")

    def stop(self, grace: float) -> None:
        """Stop the running job, and wait at most `grace` seconds. From any thread."""
        self._queue.stop(grace)

    async def _start(self) -> Session:
        loop = asyncio.get_running_loop()

        def importing(name: str) -> None:
            loop.call_soon_threadsafe(self._change, "starting", f"Importing {name}.")

        try:
            session = await self._queue.run(lambda: self._open(importing), Watch(), "")
        except JsonRpcException as error:
            self._change("error", error.message, error.data["remedy"] if error.data else "")
            logger.error("%s", error.message)
            raise
        self._session = session
        self._change("ready", "Ready.")
        return session

    def _open(self, importing: Callable[[str], None]) -> Session:
        dependencies.import_heavy(importing)
        session = self._session_factory()
        keep_imports()
        self._traces = Traces(*session.traces)
        self._own_budget = self._traces.budget_bytes
        if self._trace_budget:
            self._apply_trace_budget(session)
        return session

    def _on_queue(self, doing: str) -> None:
        if self._session is not None:
            self._change("busy" if doing else "ready", f"{doing}." if doing else "Ready.")

    def _change(self, state: HealthState, message: str, remedy: str = "") -> None:
        versions = dependencies.imported()
        now = replace(
            self._health,
            state=state,
            message=message,
            remedy=remedy,
            torch=versions.torch,
            transformers=versions.transformers,
            devices=[devices.cpu(), *devices.accelerators()],
            loaded=self._loaded,
            traces=self._traces,
        )
        if now != self._health:
            self._health = now
            for listener in list(self._listeners):
                listener(now)
