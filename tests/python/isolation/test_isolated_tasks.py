"""A task in a child process: its answer, and one sentence for every way it can fail."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import psutil
import pytest

from lm_transparency.errors import Cancelled, Kind, TransparencyError
from lm_transparency.isolation import Limits, run_isolated
from lm_transparency.watch import Watch

MB = 1_000_000


def run(name: str, *, watch: Watch | None = None, limits: Limits | None = None, **arguments: Any) -> Any:
    task = f"hostile_tasks:{name}"
    return run_isolated(task, arguments, about="The file", watch=watch, limits=limits or Limits())


@pytest.fixture(autouse=True)
def tasks_on_the_path(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.syspath_prepend(str(request.path.parent))


def refused(words: str, name: str, kind: Kind = "modelUnusable", limits: Limits | None = None, **given: Any) -> None:
    with pytest.raises(TransparencyError, match=words) as caught:
        run(name, limits=limits, **given)
    assert caught.value.kind == kind
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    # and the next one is answered
    assert run("add", a=1, b=2) == 3


def test_a_task_is_answered_by_another_process_which_is_used_again() -> None:
    first = run("process_id")
    assert first != psutil.Process().pid
    assert run("process_id") == first


def test_the_child_imports_next_to_nothing() -> None:
    heavy = {"torch", "transformers", "numpy", "tokenizers", "huggingface_hub", "lm_transparency.model.loading"}
    found = run_isolated("hostile_tasks:loaded_modules", {}, about="The file", fresh=True)
    assert not heavy & set(found)


@pytest.mark.parametrize("name", ["spin", "wait_without_python"])
def test_what_does_not_end_is_stopped(name: str) -> None:
    refused(r"The file took more than 1 s of processor time and was stopped\.", name, limits=Limits(seconds=0.6))


def test_what_waits_for_something_that_never_comes_is_stopped() -> None:
    refused("nothing came for 0 s", "wait", limits=Limits(idle_seconds=0.3))


@pytest.mark.parametrize("name", ["fill", "one_block"])
def test_what_fills_memory_is_stopped(name: str) -> None:
    refused("took more than 200 MB of memory", name, limits=Limits(memory_bytes=200 * MB))


def test_memory_that_the_system_does_not_limit_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The case of Windows and macOS."""
    from lm_transparency.isolation import runner

    monkeypatch.setattr(runner, "_LOOK", 0.01)
    assert run("add", a=1, b=2) == 3
    limits = Limits(memory_bytes=100 * MB)
    with pytest.raises(TransparencyError, match="took more than 100 MB of memory"):
        run_isolated("unlimited_tasks:fill_slowly", {}, about="The file", limits=limits)


def test_a_long_answer_is_refused() -> None:
    refused("makes more than 1 MB of text", "long_answer", length=2 * MB, limits=Limits(answer_bytes=MB))
    assert len(run("long_answer", length=2 * MB)) == 2 * MB


def test_what_a_task_refuses_comes_back_as_it_is() -> None:
    refused(r"It is of no use\. Choose another\.", "refuse", "modelUnsupported")


def test_a_panic_is_a_sentence() -> None:
    refused(r"The file cannot be used: index out of bounds\.", "raise_base_exception")


@pytest.mark.parametrize("name", ["leave", "no_data"])
def test_whatever_else_is_raised_is_a_sentence(name: str) -> None:
    refused("The file cannot be used", name)


def test_a_child_that_dies_is_a_sentence() -> None:
    refused("the process that read it ended with code", "die")


def test_what_is_printed_is_no_answer() -> None:
    assert run("print_much") == 1


@pytest.mark.parametrize("name", ["spin", "wait", "wait_without_python"])
def test_cancelling_is_answered_at_once_and_kills_the_child(name: str) -> None:
    child = run("process_id")
    watch = Watch()
    threading.Timer(0.2, watch.cancel).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        run(name, watch=watch)
    assert time.monotonic() - began < 2
    assert not psutil.pid_exists(child)


def test_a_watch_that_was_cancelled_before_starts_nothing() -> None:
    watch = Watch()
    watch.cancel()
    with pytest.raises(Cancelled):
        run("add", watch=watch, a=1, b=2)


def test_two_tasks_at_a_time_have_a_child_each() -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(run("process_id"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    # one is kept
    children = [child.pid for child in psutil.Process().children() if child.pid in found]
    assert len(children) <= 1


@pytest.mark.skipif(sys.platform == "win32", reason="the parent is killed by a signal")
def test_a_child_goes_when_its_parent_is_killed(request: pytest.FixtureRequest) -> None:
    import subprocess

    program = f"""
import sys, threading
sys.path.insert(0, {str(request.path.parent)!r})
from lm_transparency.isolation import run_isolated
print(run_isolated("hostile_tasks:process_id", {{}}, about="x"), flush=True)
run_isolated("hostile_tasks:wait", {{}}, about="x")
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    child.wait(timeout=30)
