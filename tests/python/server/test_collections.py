"""Garbage collections, which pause every thread, skip the objects of PyTorch and transformers."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio, gc, time
from lm_transparency.server.compute.backend import Backend

async def main():
    await Backend().start()

asyncio.run(main())
began = time.thread_time()
gc.collect()
print(gc.get_freeze_count(), len(gc.get_objects()), time.thread_time() - began)
"""


def test_a_collection_looks_at_few_objects_once_the_backend_has_started() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=250)
    frozen, looked_at, seconds = done.stdout.split()
    print(done.stdout)
    assert int(frozen) > 300_000 and int(looked_at) < 100_000
    # it was a quarter of a second without freezing
    assert float(seconds) < 0.1
