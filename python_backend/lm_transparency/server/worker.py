"""One compute queue: one job at a time on one thread of its own, the others wait their turn and can be called off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from ..watch import Watch
from .failures import REQUEST_FAILED, as_reply, failure

T = TypeVar("T")

#: Requests that may wait for their turn; the next one is refused.
MAX_WAITING = 32


class ComputeQueue:
    """Used from one event loop. `on_change(doing)` is called there when a job begins, and with "" when none is left."""

    def __init__(self, on_change: Callable[[str], None]) -> None:
        self._on_change = on_change
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compute")
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._current: tuple[Future[Any], Watch] | None = None

    async def run(self, job: Callable[[], T], watch: Watch, doing: str) -> T:
        """`job()` in its turn. A task that is cancelled leaves at once: still waiting, its job never runs; running,
        `watch` is cancelled, and the next job begins when this one has noticed.

        Raises what stands for the job's failure (`failures.as_reply`), and refuses when too many wait.
        """
        if self._waiting >= MAX_WAITING:
            message = f"The backend has {self._waiting} requests waiting already."
            raise failure(REQUEST_FAILED, "internal", message, "Wait until they are answered, or restart the backend.")
        # waiting happens here and not in the executor, which would keep what was called off until its turn came
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        loop = asyncio.get_running_loop()
        self._on_change(doing)
        future = self._executor.submit(_guarded, job, watch)
        self._current = future, watch
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._free))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            watch.cancel()
            raise

    def stop(self, grace: float) -> None:
        """Tell the running job to stop and give it `grace` seconds to end what it started. From any thread."""
        current = self._current
        if current is not None:
            future, watch = current
            watch.cancel()
            wait([future], grace)

    def _free(self) -> None:
        self._current = None
        self._turn.release()
        if not self._waiting:
            self._on_change("")


def _guarded(job: Callable[[], T], watch: Watch) -> T:
    try:
        watch.check()
        return job()
    except BaseException as error:
        # a future cannot carry StopIteration, and SystemExit out of a model would end the server
        raise as_reply(error) from None
