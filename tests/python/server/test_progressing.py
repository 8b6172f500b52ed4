"""Processor time counts as progress where nothing is reported; a standstill is silent."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator

import pytest

from lm_transparency.server.compute import progressing


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progressing, "_EVERY_S", 0.01)


@pytest.fixture
def work() -> Generator[Callable[[], None]]:
    """Starts work on another thread; it ends with the test."""
    over = threading.Event()

    def compute() -> None:
        while not over.is_set():
            sum(range(1000))

    thread = threading.Thread(target=compute)
    yield thread.start
    over.set()
    if thread.ident is not None:
        thread.join()


def test_lines_come_while_the_process_works_and_none_while_it_waits(work: Callable[[], None]) -> None:
    told: list[bytes] = []
    heard = threading.Event()

    def tell(line: bytes) -> None:
        told.append(line)
        heard.set()

    # processor time used before counts once
    with progressing.telling(tell):
        heard.wait(30)
        told.clear()
        heard.clear()
        time.sleep(0.1)
        assert len(told) <= 1
        heard.clear()
        work()
        assert heard.wait(30)
    assert set(told) == {b"lm-transparency progressing\n"}


def test_the_thread_that_tells_is_no_progress(work: Callable[[], None]) -> None:
    async def scene() -> tuple[int, int]:
        told: list[None] = []
        telling = asyncio.ensure_future(progressing.keep_telling(lambda: told.append(None)))
        await asyncio.sleep(0.05)
        told.clear()
        # the loop itself works, as it also would for a ping
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            await asyncio.sleep(0)
        alone = len(told)
        work()
        limit = time.monotonic() + 30
        while len(told) == alone and time.monotonic() < limit:
            await asyncio.sleep(0.01)
        telling.cancel()
        return alone, len(told)

    alone, with_work = asyncio.run(scene())
    assert alone == 0
    assert with_work > 0
