"""One thread for the tokenizer work of several clients, which take turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from ..compute.turns import Turns

T = TypeVar("T")


class FairThread:
    """Used from one event loop. Within one client, the newest request comes first."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._turns: Turns[tuple[asyncio.Future[Any], Callable[[], Any]]] = Turns()
        self._is_busy = False

    async def run(self, client: Hashable, work: Callable[[], T]) -> T:
        """`work()` in its turn; a task that is cancelled before that leaves."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        asked = (answer, work)
        self._turns.add(client, asked)
        self._next()
        try:
            return await answer
        finally:
            self._turns.remove(client, asked)

    def _next(self) -> None:
        while not self._is_busy and len(self._turns):
            _, (answer, work) = self._turns.pop()
            if answer.done():
                continue
            self._is_busy = True
            self._submit(answer, work)

    def _submit(self, answer: asyncio.Future[Any], work: Callable[[], Any]) -> None:
        loop = asyncio.get_running_loop()

        def done(job: Future[Any]) -> None:
            loop.call_soon_threadsafe(self._done, answer, job)

        self._thread.submit(work).add_done_callback(done)

    def _done(self, answer: asyncio.Future[Any], job: Future[Any]) -> None:
        self._is_busy = False
        if not answer.done():
            error = job.exception()
            if error is None:
                answer.set_result(job.result())
            else:
                answer.set_exception(error if isinstance(error, Exception) else RuntimeError(f"{error}"))
        self._next()
