"""Background work runs on low-priority threads of its own; work that a user waits for never does."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
import torch

from lm_transparency.routes.kernels import cores
from lm_transparency.server.compute import priority
from lm_transparency.server.compute.worker import ComputeQueue
from lm_transparency.watch import Watch

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness on Linux alone")


@pytest.fixture
def two_threads() -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def compute() -> dict[str, int]:
    """The niceness of each computing thread: this one, its OpenMP team, and its pool."""
    before = set(os.listdir("/proc/self/task"))
    matrix = torch.randn(600, 600)
    matrix @ matrix
    found = {"own": os.getpriority(os.PRIO_PROCESS, threading.get_native_id())}
    met = threading.Barrier(2, timeout=30)

    def meet(share: int, _n_shares: int) -> None:
        met.wait()
        found[f"share {share}"] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    cores.shared(meet, 10**6)
    for thread in set(os.listdir("/proc/self/task")) - before:
        found[thread] = os.getpriority(os.PRIO_PROCESS, int(thread))
    return found


@on_linux
def test_only_speculative_work_steps_back_and_its_threads_are_its_own(two_threads: None) -> None:
    async def scene() -> list[dict[str, int]]:
        queue = ComputeQueue(lambda _doing: None)
        return [
            await queue.run_spare(lambda _watch: compute()),
            await queue.run(compute, Watch(), ""),
            await queue.run_behind(lambda _watch: compute(), lambda *_: None, ""),
            await queue.run(compute, Watch(), ""),
        ]

    normal = os.getpriority(os.PRIO_PROCESS, 0)
    spare, asked, behind, asked_again = asyncio.run(scene())
    assert set(spare.values()) == set(behind.values()) == {min(19, normal + 5)}
    assert set(asked.values()) == set(asked_again.values()) == {normal}
    # the first computation on each of the two threads creates the team and the pool
    assert len(spare) > 3
    assert len(asked) > 3
    assert os.getpriority(os.PRIO_PROCESS, 0) == normal
    # the file is empty on kernels that do not group sessions
    session = Path("/proc/self/autogroup")
    grouped = session.read_text().split() if session.exists() else []
    assert grouped[1:] in ([], ["nice", "0"])


@on_linux
def test_threads_that_may_come_to_anothers_team_do_not_step_back(monkeypatch: pytest.MonkeyPatch) -> None:
    normal = os.getpriority(os.PRIO_PROCESS, 0)
    monkeypatch.setattr(Path, "read_text", lambda _path: "7f00-7f01 r-xp /opt/conda/lib/libiomp5.so\n")
    priority.step_back()
    assert os.getpriority(os.PRIO_PROCESS, 0) == normal


def test_a_team_waits_asleep_unless_something_else_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    priority.wait_asleep()
    assert os.environ["GOMP_SPINCOUNT"] == "1000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    priority.wait_asleep()
    assert os.environ["GOMP_SPINCOUNT"] == "7"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    priority.wait_asleep()
    assert "GOMP_SPINCOUNT" not in os.environ
