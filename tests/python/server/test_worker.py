"""Work that may run when nobody waits never holds up a request."""

from __future__ import annotations

import asyncio
import time

import pytest
from pygls.exceptions import JsonRpcException

from lm_transparency.server.worker import ComputeQueue
from lm_transparency.watch import Watch


def test_a_request_stops_spare_work_which_begins_anew_behind_it() -> None:
    async def scene() -> list[str]:
        queue = ComputeQueue(lambda _doing: None)
        said: list[str] = []

        def spare(watch: Watch) -> str:
            said.append("spare begins")
            while "request" not in said:
                watch.check()
                time.sleep(0.001)
            return "done"

        task = asyncio.ensure_future(queue.run_spare(spare))
        while not said:
            await asyncio.sleep(0.001)
        await queue.run(lambda: said.append("request"), Watch(), "")
        said.append(await task)
        assert queue.is_idle
        return said

    assert asyncio.run(scene()) == ["spare begins", "request", "spare begins", "done"]


def test_spare_work_waits_for_every_request_and_can_be_called_off() -> None:
    async def scene() -> list[str]:
        queue = ComputeQueue(lambda _doing: None)
        said: list[str] = []
        first = asyncio.ensure_future(queue.run(lambda: time.sleep(0.05), Watch(), ""))
        await asyncio.sleep(0)
        gone = asyncio.ensure_future(queue.run_spare(lambda _watch: said.append("never")))
        older = asyncio.ensure_future(queue.run_spare(lambda _watch: said.append("older")))
        newer = asyncio.ensure_future(queue.run_spare(lambda _watch: said.append("newer")))
        await asyncio.sleep(0)
        request = asyncio.ensure_future(queue.run(lambda: said.append("request"), Watch(), ""))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(first, older, newer, request)
        assert queue.is_idle
        return said

    assert asyncio.run(scene()) == ["request", "newer", "older"]


def test_spare_work_that_is_called_off_while_it_runs_makes_way() -> None:
    async def scene() -> None:
        queue = ComputeQueue(lambda _doing: None)
        began = asyncio.Event()
        loop = asyncio.get_running_loop()

        def spare(watch: Watch) -> None:
            loop.call_soon_threadsafe(began.set)
            while True:
                watch.check()
                time.sleep(0.001)

        task = asyncio.ensure_future(queue.run_spare(spare))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await queue.run(lambda: 7, Watch(), "") == 7
        with pytest.raises(JsonRpcException, match="ZeroDivisionError"):
            await queue.run_spare(lambda _watch: 1 // 0)

    asyncio.run(scene())


def test_spare_work_does_not_come_between_the_jobs_of_one_request() -> None:
    async def scene() -> list[str]:
        queue = ComputeQueue(lambda _doing: None)
        said: list[str] = []
        with queue.held():
            await queue.run(lambda: said.append("first"), Watch(), "")
            spare = asyncio.ensure_future(queue.run_spare(lambda _watch: said.append("spare")))
            await asyncio.sleep(0.02)
            await queue.run(lambda: said.append("second"), Watch(), "")
        await spare
        return said

    assert asyncio.run(scene()) == ["first", "second", "spare"]
