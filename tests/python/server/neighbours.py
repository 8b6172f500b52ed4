"""A window that works while another one is given something hostile, and the limits that hold for it."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
from language_client import Client
from shared_world import PING, World

from longer import MORE

#: Seconds of a ping, and of a cancelled or quit request.
PING_S, END_S = (0.5, 2.0) if MORE else (10.0, 30.0)
#: Bytes that the server's process may grow by.
GROWTH = 1_500_000_000


def neighbour_of(world: World, folder: Path) -> Client:
    """Another window, with the model in `folder` loaded."""
    client = world.client("neighbour")
    client.ask("lmTransparency/loadModel", {"source": str(folder)}, 300)
    return client


class Beside:
    """The measured work of `neighbour`: an analysis by the model in `folder`, and one ping after another."""

    def __init__(self, world: World, neighbour: Client, folder: Path) -> None:
        self._neighbour = neighbour
        self._source = str(folder)
        self._process = psutil.Process(world.process_id(neighbour))
        self._before = self._most = self._process.memory_info().rss
        self._longest = 0.0
        self._analysis = -1

    def work(self, name: str, owner: Client, asked: list[int], seconds: float) -> None:
        """Work until `owner` has its answers to `asked`, for at most `seconds`."""
        asking = {"source": self._source, "prompt": f"a {name}"}
        self._analysis = self._neighbour.request("lmTransparency/analyze", asking)
        end = time.monotonic() + seconds
        while time.monotonic() < end and not all(owner.answers(msg_id) for msg_id in asked):
            began = time.monotonic()
            assert self._neighbour.ask(PING, timeout=60) is None
            self._longest = max(self._longest, time.monotonic() - began)
            self._measure()
            time.sleep(0.02)

    def finish(self, timeout: float) -> None:
        """Wait for the analysis."""
        assert self._neighbour.answer(self._analysis, timeout)["runId"]
        self._measure()

    def hold(self, name: str, ended: float) -> None:
        """Print the figures and hold them to the limits. `ended`: seconds until the cancelled requests had ended."""
        grown = self._most - self._before
        print(f"\n{name}: longest ping {self._longest:.2f} s, called off in {ended:.2f} s, {grown / 1e6:+.0f} MB")
        assert self._longest < PING_S and ended < END_S and grown < GROWTH

    def _measure(self) -> None:
        self._most = max(self._most, self._process.memory_info().rss)
