"""Many windows on one real server cancel and vanish at random: every answer equals that of a run alone.

`LMT_CLIENTS` and `LMT_REQUESTS` set its size.
"""

from __future__ import annotations

import os
import random
import resource
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from language_client import Client, Refused, decode
from shared_world import World, leave, private_world

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Unix sockets")

CLIENTS = int(os.environ.get("LMT_CLIENTS", "4"))
REQUESTS = int(os.environ.get("LMT_REQUESTS", "6"))
ANALYZE, HEALTH, NODE = (f"lmTransparency/{name}" for name in ("analyze", "health", "inspectNode"))
PROMPTS = ("The capital of France is", "Mary gave a book to John", "2 + 2 =", "The sea is", "Once upon a time there")


@pytest.fixture
def world() -> Iterator[World]:
    with private_world("load", {}) as found:
        yield found


class Window:
    """One client that asks, sometimes cancels, and is sometimes killed and reconnects."""

    def __init__(self, world: World, number: int, source: str, truth: dict[str, Any]) -> None:
        self._world, self._number, self._source, self._truth = world, number, source, truth
        self._random = random.Random(number)
        self.counts = {"right": 0, "cancelled": 0, "lost": 0, "wrong": 0}

    def run(self) -> None:
        client, done = self._world.client(f"window {self._number}"), 0
        while done < REQUESTS:
            batch = [self._ask(client) for _ in range(min(self._random.randint(1, 5), REQUESTS - done))]
            done += len(batch)
            if self._random.random() < 0.1:
                client.process.kill()
                client.process.wait()
                self.counts["lost"] += len(batch)
                client = self._world.client(f"window {self._number}")
                continue
            for msg_id, prompt, is_cancelled in batch:
                self._take(client, msg_id, prompt, is_cancelled)
            assert all(len(client.answers(i)) == 1 for i in client.requests)
        leave(client)

    def _ask(self, client: Client) -> tuple[int, str, bool]:
        prompt = self._random.choice(PROMPTS)
        msg_id = client.request(
            ANALYZE, {"prompt": prompt, "source": self._source, "workDoneToken": f"t{len(client.requests)}"}
        )
        is_cancelled = self._random.random() < 0.25
        if is_cancelled:
            client.cancel(msg_id)
        return msg_id, prompt, is_cancelled

    def _take(self, client: Client, msg_id: int, prompt: str, is_cancelled: bool) -> None:
        try:
            result = client.answer(msg_id, 600)
        except Refused as refused:
            self.counts["cancelled" if is_cancelled and refused.kind == "cancelled" else "wrong"] += 1
            return
        self.counts["right" if is_same(decode(result)[1], self._truth[prompt]) else "wrong"] += 1


def is_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> bool:
    """Equal up to rounding: a prompt reuses the results of an earlier one with the same beginning."""
    return found.keys() == expected.keys() and all(is_close(found[k], expected[k]) for k in expected)


def is_close(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.shape == expected.shape and np.allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.timeout(1800)
def test_every_request_of_many_windows_is_answered_as_a_lone_run_answers(world: World, tiny_llama_folder: Path) -> None:
    # the queue is the same for every model, and a tiny one serves more windows in less time
    source = str(tiny_llama_folder)
    lone = Client()
    try:
        lone.initialize()
        truth = {prompt: decode(lone.ask(ANALYZE, {"prompt": prompt, "source": source}))[1] for prompt in PROMPTS}
    finally:
        lone.end()
    keeper = world.client("keeper")
    keeper.ask(ANALYZE, {"prompt": PROMPTS[0], "source": source})
    windows = [Window(world, number, source, truth) for number in range(CLIENTS)]
    errors: list[BaseException] = []

    def run(window: Window) -> None:
        try:
            window.run()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(window,)) for window in windows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    total = {key: sum(window.counts[key] for window in windows) for key in windows[0].counts}
    print(f"{CLIENTS} clients, {CLIENTS * REQUESTS} requests: {total}")
    assert total["wrong"] == 0
    assert sum(total.values()) == CLIENTS * REQUESTS
    # the queue is drained: the next request is alone
    assert keeper.ask(HEALTH)["state"] == "ready"
    assert is_same(decode(keeper.ask(ANALYZE, {"prompt": PROMPTS[1], "source": source}))[1], truth[PROMPTS[1]])


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="prlimit is Linux's")
def test_memory_that_does_not_suffice_is_said_and_the_next_analysis_works(world: World) -> None:
    client = world.client("window")
    client.ask(ANALYZE, {"prompt": PROMPTS[0]})
    process_id = world.process_id(client)
    limit = resource.prlimit(process_id, resource.RLIMIT_AS)
    used = psutil.Process(process_id).memory_info().vms
    # the same as `ulimit -v`; the maps of a long prompt need more
    resource.prlimit(process_id, resource.RLIMIT_AS, (used + 40_000_000, limit[1]))
    with pytest.raises(Refused) as refused:
        client.ask(ANALYZE, {"prompt": " ".join(f"The number {i} follows {i - 1}." for i in range(60))}, 300)
    assert refused.value.kind == "outOfMemory"
    assert refused.value.remedy
    resource.prlimit(process_id, resource.RLIMIT_AS, limit)
    assert client.ask(ANALYZE, {"prompt": PROMPTS[1]})["runId"]
    assert world.process_id(client) == process_id
