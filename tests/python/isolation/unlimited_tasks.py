"""A task without any limit from the system."""

from __future__ import annotations

import time


def fill_slowly() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    blocks: list[bytearray] = []
    while True:
        blocks.append(bytearray(b"x" * 10_000_000))
        time.sleep(0.002)
