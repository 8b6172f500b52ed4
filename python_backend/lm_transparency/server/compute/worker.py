"""One compute queue: one job at a time; the others wait their turn and can be cancelled.

It has two threads, of which one computes at a time: work that a user waits for never runs on the niced one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
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
        # speculative requests, and the watch of the running one
        self._later: Turns[_Ticket] = Turns()
        self._later_watch: Watch | None = None
        self._taken = False
        self._current: tuple[Future[Any], Watch, Hashable] | None = None
        # jobs that run when nothing waits, and the watch of the running one
        self._spare: list[_Ticket] = []
        self._spare_watch: Watch | None = None
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
        for running in (self._later_watch, self._spare_watch):
            if running is not None:
                running.cancel()
        await self._turn(self._turns, client, _Ticket(on_wait))
        self._on_change(doing)
        future = self._submit(self._executor, job, watch, client)
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
            if self._spare_watch is not None:
                self._spare_watch.cancel()
            await self._turn(self._later, client, _Ticket(on_wait))
            self._on_change(doing)
            watch = self._later_watch = Watch(report)
            if len(self._turns):
                watch.cancel()
            future = self._submit(self._behind, partial(job, watch), watch, client)
            try:
                return await asyncio.wrap_future(future)
            except asyncio.CancelledError:
                watch.cancel()
                raise
            except JsonRpcException as error:
                if error.code != CANCELLED:
                    raise
            finally:
                if self._later_watch is watch:
                    self._later_watch = None

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
            watch = self._spare_watch = Watch()
            if len(self._turns) or len(self._later):
                watch.cancel()
            future = self._submit(self._behind, partial(job, watch), watch, None)
            try:
                return await asyncio.wrap_future(future)
            except asyncio.CancelledError:
                watch.cancel()
                raise
            except JsonRpcException as error:
                if error.code != CANCELLED:
                    raise
            finally:
                if self._spare_watch is watch:
                    self._spare_watch = None

    def abandon(self, client: Hashable) -> None:
        """`client` was lost: its running job may finish a load, and goes no further."""
        if self._current is not None and self._current[2] == client:
            self._current[1].abandon()

    def stop(self, grace: float) -> None:
        """Stop the running job and give it `grace` seconds to end its child processes. From any thread."""
        current = self._current
        if current is not None:
            future, watch, _ = current
            watch.cancel()
            wait([future], grace)

    def _refuse_too_many(self, client: Hashable) -> None:
        waiting = self._turns.waiting(client) + self._later.waiting(client)
        if waiting >= MAX_WAITING:
            message = f"The backend has {waiting} requests waiting already."
            raise failure(REQUEST_FAILED, "internal", message, "Wait until they are answered, or restart the backend.")

    def _submit(self, executor: ThreadPoolExecutor, job: Callable[[], T], watch: Watch, client: Hashable) -> Future[T]:
        loop = asyncio.get_running_loop()
        future = executor.submit(_guarded, job, watch)
        self._current = future, watch, client
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


def _guarded(job: Callable[[], T], watch: Watch) -> T:
    try:
        watch.check()
        return job()
    except BaseException as error:
        # a future cannot carry StopIteration, and a model's SystemExit would end the server
        raise as_reply(error) from None
