"""The end of a shared server: on request, killed, or out of memory; and the messages to its clients."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from language_client import Client
from shared_world import World

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Unix sockets")

ANALYZE, HEALTH, LOAD, QUIT, UNLOAD = (
    f"lmTransparency/{name}" for name in ("analyze", "health", "loadModel", "quit", "unloadModel")
)
as_root = pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can be another user")


def test_quit_ends_the_process_for_all_and_is_no_crash(world: World) -> None:
    one, two = world.client("one"), world.client("two")
    assert one.ask(QUIT) is None
    assert (one.process.wait(10), two.process.wait(10)) == (0, 0)
    assert "lm-transparency ended" not in one.stderr() + two.stderr()


def ended(client: Client) -> dict[str, Any]:
    """The report of a bridge on a server that ended unexpectedly."""
    assert client.process.wait(20) == 5
    return json.loads(client.stderr().partition("lm-transparency ended ")[2].splitlines()[0])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_server_that_dies_is_reported_with_its_signal_and_the_next_attach_starts_another(
    world: World, number: signal.Signals
) -> None:
    client = world.client("window")
    before = world.process_id(client)
    os.kill(before, number)
    told = ended(client)
    assert (told["processId"], told["signal"], told["code"]) == (before, number.name, None)
    assert not told["outOfMemory"]
    words = "Listening" if number == signal.SIGKILL else "Fatal Python error: Segmentation fault"
    assert any(words in line for line in told["lines"])
    assert world.process_id(world.client("window")) != before


@pytest.fixture
def little_memory() -> Iterator[Path]:
    """A kernel control group with a limit of 50 MB."""
    old, new = (Path(f"/sys/fs/cgroup{where}/lmt-{os.getpid()}") for where in ("/memory", ""))
    group, limit = (old, "memory.limit_in_bytes") if old.parent.is_dir() else (new, "memory.max")
    try:
        group.mkdir()
        (group / limit).write_text("50000000")
        (group / "memory.swap.max").write_text("0") if group == new else None
    except OSError:
        if group.is_dir():
            group.rmdir()
        pytest.skip("only root can make control groups, and not everywhere")
    yield group
    group.rmdir()


def test_a_server_that_the_kernel_kills_for_want_of_memory_is_said_to_be(world: World, little_memory: Path) -> None:
    world.fake_server()
    client = world.client("window")
    process_id = client.ask(HEALTH)["processId"]
    (little_memory / "cgroup.procs").write_text(str(process_id))
    client.request(LOAD, {"source": "hungry"})
    told = ended(client)
    assert (told["processId"], told["signal"], told["outOfMemory"]) == (process_id, "SIGKILL", True)


def test_a_server_that_cannot_start_says_why(world: World, tmp_path: Path) -> None:
    (tmp_path / "pygls.py").write_text("raise ImportError('broken', name='pygls')")
    world.environment["PYTHONPATH"] = str(tmp_path)
    client = world.raw()
    assert client.process.wait(20) == 3
    assert "The Python package pygls cannot be imported" in client.stderr()
