"""Reading a client's documents: small ones at once, large ones on threads of the client's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ...prompts.pace import Pace

T = TypeVar("T")

#: Characters that are read at once, in less time than a thread takes to start.
AT_ONCE = 10_000
#: Seconds of processor time for one answer about a document.
SECONDS = 5.0
_THREADS = 2


class Desk:
    """Used from one event loop. Clients do not wait for each other here."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="documents")

    async def run(self, size: int, work: Callable[[], T]) -> T:
        """`work()` on `size` characters, cancelled with this task. Raises `pace.TooSlow`."""
        pace = Pace(SECONDS)

        def paced() -> T:
            with pace.kept():
                return work()

        if size <= AT_ONCE:
            return paced()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, paced)
        except asyncio.CancelledError:
            pace.call_off()
            raise

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
