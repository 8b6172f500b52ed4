"""Background work never delays a request."""

from __future__ import annotations

import asyncio
import time

import pytest
from pygls.exceptions import JsonRpcException

from lm_transparency.server.compute.worker import ComputeQueue
from lm_transparency.watch import Watch


def test_a_request_stops_spare_work_which_restarts_after_it() -> None:
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


def test_a_request_calls_off_speculative_work_which_begins_once_more_behind_it() -> None:
    async def scene() -> list[str]:
        queue = ComputeQueue(lambda _doing: None)
        said: list[str] = []

        def follow(watch: Watch) -> str:
            said.append("follow begins")
            while "request" not in said:
                watch.check()
                time.sleep(0.001)
            return "followed"

        following = asyncio.ensure_future(queue.run_behind(follow, lambda *_: None, "", "one"))
        while not said:
            await asyncio.sleep(0.001)
        spare = asyncio.ensure_future(queue.run_spare(lambda _watch: said.append("spare")))
        later = asyncio.ensure_future(queue.run_behind(lambda _watch: said.append("later"), lambda *_: None, "", "two"))
        await asyncio.sleep(0)
        await queue.run(lambda: said.append("request"), Watch(), "", "three")
        said.append(await following)
        await asyncio.gather(spare, later)
        assert queue.is_idle
        return said

    said = asyncio.run(scene())
    assert said[:2] == ["follow begins", "request"]
    assert sorted(said[2:]) == ["follow begins", "followed", "later", "spare"]


def test_speculative_work_goes_behind_every_request_that_waits() -> None:
    async def scene() -> list[str]:
        queue = ComputeQueue(lambda _doing: None)
        said: list[str] = []
        first = asyncio.ensure_future(queue.run(lambda: time.sleep(0.02), Watch(), "", "a"))
        await asyncio.sleep(0)
        behind = asyncio.ensure_future(queue.run_behind(lambda _watch: said.append("rest"), lambda *_: None, "", "b"))
        await asyncio.sleep(0)
        asked = [
            asyncio.ensure_future(queue.run(lambda said=said: said.append("asked"), Watch(), "", client))
            for client in ("a", "c")
        ]
        await asyncio.gather(first, behind, *asked)
        return said

    assert asyncio.run(scene()) == ["asked", "asked", "rest"]
