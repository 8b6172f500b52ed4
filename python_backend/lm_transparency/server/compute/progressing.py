"""Detects progress without reports, as during the import of torch: the processor time of the process advances.

Before the protocol starts, it is reported by lines on stderr that begin with `LINE`, afterwards by the notification
`protocol.PROGRESSING`. A process that stands still reports nothing. Nothing heavy is imported.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

#: Begins a line that reports progress.
LINE = b"lm-transparency progressing"

_EVERY_S = 2.0
#: Processor time that counts as progress. An idle process uses less in the two minutes that a client waits.
_LEAST_S = 0.02


class ProcessorTime:
    """The processor time of this process, without the calling thread."""

    def __init__(self) -> None:
        self._told = 0.0

    def has_advanced(self) -> bool:
        """Whether there is more of it than when this was last true."""
        now = time.process_time() - time.thread_time()
        if now - self._told < _LEAST_S:
            return False
        self._told = now
        return True


@contextmanager
def telling(tell: Callable[[bytes], object]) -> Generator[None]:
    """Call `tell(line)` on a thread of its own whenever progress was made, until the context is left."""
    over = threading.Event()

    def watch() -> None:
        processor = ProcessorTime()
        while not over.wait(_EVERY_S):
            if processor.has_advanced():
                tell(LINE + b"\n")

    thread = threading.Thread(target=watch, name="progressing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        # the receiver may be closed next
        thread.join()


async def keep_telling(tell: Callable[[], None]) -> None:
    """Call `tell()` on the event loop, without end, whenever progress was made on other threads."""
    processor = ProcessorTime()
    while True:
        await asyncio.sleep(_EVERY_S)
        if processor.has_advanced():
            tell()
