"""The door of the guard: many at a time, or one alone, in the order of their coming."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from lm_transparency.ambient import Door


def test_a_door_lets_in_by_turns() -> None:
    door, soon = Door(), threading.Event()
    order: list[str] = []

    def enter(name: str, alone: bool) -> None:
        with door.entered(alone=alone):
            order.append(name)

    def waits(count: int) -> None:
        while len(door._waiting) < count:  # pyright: ignore[reportPrivateUsage]
            soon.wait(0.001)

    threads = ThreadPoolExecutor(3)
    with door.entered():
        # a call that must run alone delays later calls, and none overtakes it
        for count, (name, alone) in enumerate((("first", True), ("second", False), ("third", True)), 1):
            threads.submit(enter, name, alone)
            waits(count)
        with door.entered():
            order.append("again")
    threads.shutdown()
    assert order == ["again", "first", "second", "third"]
