"""Whether a process makes progress though it reports nothing, as while it imports torch: its processor time advances.

Told in one way before there is a protocol, by lines on stderr that begin with `LINE`, and in another afterwards, by the
notification `protocol.PROGRESSING`. A process that stands still tells nothing. Nothing heavy is imported.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

#: Begins a line that says: progress is made.
LINE = b"lm-transparency progressing"

_EVERY_S = 2.0
#: Processor time that is progress. What a process takes for waiting is less, in the two minutes that a client waits.
_LEAST_S = 0.02


class ProcessorTime:
    """Of this process, all threads but the one that asks."""

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
    """Until the context is left, `tell(line)` from a thread of its own whenever progress was made."""
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
        # where it tells may be closed next
        thread.join()


async def keep_telling(tell: Callable[[], None]) -> None:
    """For ever, `tell()` on the event loop whenever progress was made on other threads."""
    processor = ProcessorTime()
    while True:
        await asyncio.sleep(_EVERY_S)
        if processor.has_advanced():
            tell()
