"""One compute queue: one job at a time; the others wait their turn and can be cancelled.

It has two threads, of which one computes at a time: work that a user waits for never runs on the niced one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import Any, TypeVar

from pygls.exceptions import JsonRpcException

from ...watch import Report, Watch
from .failures import CANCELLED, REQUEST_FAILED, as_reply, failure
from .priority import step_back
from .turns import Turns

T = TypeVar("T")

#: Requests of one client that may wait for their turn; the next one is refused.
MAX_WAITING = 32


@dataclass(eq=False)
class _Ticket:
    """A waiting request. `on_wait` receives how many requests come before it."""

    on_wait: Callable[[int], None]
    called: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class _Rank(IntEnum):
    """How willingly a job yields: a new request cancels the running job of a higher rank."""

    REQUEST = 0
    BEHIND = 1
    SPARE = 2


@dataclass(frozen=True)
class _Running:
    future: Future[Any]
    watch: Watch
    client: Hashable
    rank: _Rank


class ComputeQueue:
    """Used from one event loop. `on_change(doing)` is called there when a job begins, and with "" when none is left.

    Clients take turns; within one client the newest request goes first (`turns.Turns`). Speculative work goes behind
    every request, and is cancelled when one comes.
    """

    def __init__(self, on_change: Callable[[str], None]) -> None:
        self._on_change = on_change
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compute")
        self._behind = ThreadPoolExecutor(max_workers=1, thread_name_prefix="behind", initializer=step_back)
        self._turns: Turns[_Ticket] = Turns()
        # speculative requests
        self._later: Turns[_Ticket] = Turns()
        self._taken = False
        self._current: _Running | None = None
        # jobs that run when nothing waits
        self._spare: list[_Ticket] = []
        self._held = 0

    @property
    def is_idle(self) -> bool:
        return not self._taken and not len(self._turns) and not len(self._later) and not self._held

    @contextmanager
    def held(self) -> Generator[None]:
        """A request that consists of several jobs: between them the queue is not idle."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self._call_next()
            self._tell_idle()

    async def run(
        self,
        job: Callable[[], T],
        watch: Watch,
        doing: str,
        client: Hashable = None,
        on_wait: Callable[[int], None] = lambda _before: None,
    ) -> T:
        """`job()` in its turn.

        A cancelled task leaves at once: if it still waits, its job never runs; if it runs, `watch` is cancelled, and
        the next job begins once this one has noticed. Raises the reply for the job's failure (`failures.as_reply`), and
        refuses when too many of `client` wait.
        """
        self._refuse_too_many(client)
        # waits here and not in the executor, which would keep cancelled jobs until their turn
        self._interrupt(_Rank.REQUEST)
        await self._turn(self._turns, client, _Ticket(on_wait))
        self._on_change(doing)
        future = self._submit(_Rank.REQUEST, job, watch, client)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            # the client will ask again for what an abandoned request has begun to load
            if not watch.is_abandoned:
                watch.cancel()
            raise

    async def run_behind(
        self,
        job: Callable[[Watch], T],
        report: Report,
        doing: str,
        client: Hashable = None,
        on_wait: Callable[[int], None] = lambda _before: None,
    ) -> T:
        """Like `run`, for speculative work on the niced thread. A new request cancels it; afterwards it starts again
        with another watch.
        """
        self._refuse_too_many(client)
        while True:
            self._interrupt(_Rank.BEHIND)
            await self._turn(self._later, client, _Ticket(on_wait))
            self._on_change(doing)
            watch = Watch(report)
            if len(self._turns):
                watch.cancel()
            with suppress(_Interrupted):
                return await self._speculate(_Rank.BEHIND, job, watch, client)

    async def run_spare(self, job: Callable[[Watch], T]) -> T:
        """`job(watch)` when the queue is idle, the newest first, on the niced thread.

        A request cancels it; afterwards it starts again. Raises the reply for the job's failure.
        """
        while True:
            ticket = _Ticket(lambda _before: None)
            self._spare.append(ticket)
            self._call_next()
            try:
                await ticket.called
            except asyncio.CancelledError:
                if ticket in self._spare:
                    self._spare.remove(ticket)
                elif not ticket.called.cancelled():
                    self._free()
                raise
            watch = Watch()
            if len(self._turns) or len(self._later):
                watch.cancel()
            with suppress(_Interrupted):
                return await self._speculate(_Rank.SPARE, job, watch, None)

    def abandon(self, client: Hashable) -> None:
        """`client` was lost: its running job may finish a load, and goes no further."""
        if self._current is not None and self._current.client == client:
            self._current.watch.abandon()

    def stop(self, grace: float) -> None:
        """Stop the running job and give it `grace` seconds to end its child processes. From any thread."""
        current = self._current
        if current is not None:
            current.watch.cancel()
            wait([current.future], grace)

    def _refuse_too_many(self, client: Hashable) -> None:
        waiting = self._turns.waiting(client) + self._later.waiting(client)
        if waiting >= MAX_WAITING:
            message = f"The backend has {waiting} requests waiting already."
            raise failure(REQUEST_FAILED, "internal", message, "Wait until they are answered, or restart the backend.")

    def _interrupt(self, rank: _Rank) -> None:
        """Cancel the running job if a new one of `rank` goes before it."""
        if self._current is not None and self._current.rank > rank:
            self._current.watch.cancel()

    async def _speculate(self, rank: _Rank, job: Callable[[Watch], T], watch: Watch, client: Hashable) -> T:
        """`job(watch)` on the niced thread. Raises `_Interrupted` when a request cancelled it."""
        future = self._submit(rank, partial(job, watch), watch, client)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            watch.cancel()
            raise
        except JsonRpcException as error:
            if error.code != CANCELLED:
                raise
            raise _Interrupted from None

    def _submit(self, rank: _Rank, job: Callable[[], T], watch: Watch, client: Hashable) -> Future[T]:
        loop = asyncio.get_running_loop()
        executor = self._executor if rank == _Rank.REQUEST else self._behind
        future = executor.submit(_guarded, job, watch)
        self._current = _Running(future, watch, client, rank)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._free))
        return future

    async def _turn(self, turns: Turns[_Ticket], client: Hashable, ticket: _Ticket) -> None:
        turns.add(client, ticket)
        self._call_next()
        try:
            await ticket.called
        except asyncio.CancelledError:
            if ticket.called.cancelled():
                turns.remove(client, ticket)
                self._tell_positions()
            else:
                self._free()
            raise

    def _call_next(self) -> None:
        for turns in (self._turns, self._later):
            while not self._taken and len(turns):
                _, ticket = turns.pop()
                # one that was just cancelled has not left the queue yet
                if not ticket.called.done():
                    self._taken = True
                    ticket.called.set_result(None)
        while not self._taken and not self._held and self._spare:
            ticket = self._spare.pop()
            if not ticket.called.done():
                self._taken = True
                ticket.called.set_result(None)
        self._tell_positions()

    def _tell_positions(self) -> None:
        waiting = [*self._turns.order(), *self._later.order()]
        for before, ticket in enumerate(waiting, start=int(self._taken)):
            ticket.on_wait(before)

    def _free(self) -> None:
        self._current = None
        self._taken = False
        self._call_next()
        self._tell_idle()

    def _tell_idle(self) -> None:
        if not self._taken and not self._held:
            self._on_change("")


class _Interrupted(Exception):
    """A request came while speculative work ran."""


def _guarded(job: Callable[[], T], watch: Watch) -> T:
    try:
        watch.check()
        return job()
    except BaseException as error:
        # a future cannot carry StopIteration, and a model's SystemExit would end the server
        raise as_reply(error) from None
