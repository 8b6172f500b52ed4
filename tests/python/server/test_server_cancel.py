"""Cancelling is answered at once, and the worker is free again within a layer's time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from language_client import HERE, SERVER, Client, Refused

ANALYZE, LOAD, UNLOAD = (f"lmTransparency/{name}" for name in ("analyze", "loadModel", "unloadModel"))


def long_prompt(sentences: int) -> str:
    """A prompt with about ten tokens per sentence."""
    return " ".join(f"The number {i} follows {i - 1}." for i in range(sentences))


@pytest.fixture(scope="module")
def noisy() -> Iterator[Client]:
    """A real server, after its first analysis, whose model prints to stdout in every layer."""
    client = Client((SERVER[0], str(HERE / "noisy_model.py")))
    try:
        client.initialize()
        client.ask(LOAD)
        # which reports a first pass, not a forward pass
        client.ask(ANALYZE, {"prompt": "Hello"})
        yield client
    finally:
        client.end()


def until_progress(client: Client, token: str, message: str = "") -> None:
    def matches(m: dict[str, Any]) -> bool:
        if m.get("method") != "$/progress" or m["params"]["token"] != token:
            return False
        return m["params"]["value"].get("message", "").startswith(message)

    client.wait_for(matches)


def until_began(client: Client, source: str) -> int:
    """A request that has started to run."""
    msg_id = client.request(LOAD, {"source": source, "workDoneToken": source})
    client.until_logged(f"began {source}")
    return msg_id


def assert_cancelled(client: Client, msg_id: int, timeout: float) -> None:
    with pytest.raises(Refused) as refused:
        client.answer(msg_id, timeout)
    assert (refused.value.code, refused.value.kind) == (-32800, "cancelled")


def test_a_print_inside_a_model_does_not_break_the_protocol(noisy: Client) -> None:
    result = noisy.ask(ANALYZE, {"prompt": "The capital of France is"})
    assert result["runId"]
    assert noisy.garbage == b""
    assert "noises!" in noisy.stderr()


@pytest.mark.parametrize(
    ("stage", "named", "sentences"), [("forward", "Forward pass", 60), ("contributions", "Contri", 30)]
)
def test_a_cancelled_analysis_is_answered_at_once_and_computes_one_layer_more_at_most(
    stage: str, named: str, sentences: int, noisy: Client
) -> None:
    steps = f"step {stage} "
    before = noisy.stderr().count(steps)
    msg_id = noisy.request(ANALYZE, {"prompt": long_prompt(sentences), "workDoneToken": stage})
    until_progress(noisy, stage, named)
    noisy.cancel(msg_id)
    assert_cancelled(noisy, msg_id, 5)
    when_answered = noisy.stderr().count(steps)
    assert noisy.ask(UNLOAD, {"source": "nothing"}) == {"unloaded": []}
    assert noisy.stderr().count(steps) - when_answered <= 1
    assert when_answered - before < 30
    assert [step["kind"] for step in noisy.progress(stage)].count("end") == 1
    assert noisy.progress(stage)[-1]["kind"] == "end"
    assert noisy.ask(ANALYZE, {"prompt": "The capital of France is"})["runId"]


def test_a_request_cancelled_while_it_waits_never_runs(fake: Client) -> None:
    running = until_began(fake, "step")
    waiting = fake.request(UNLOAD, {"source": "never"})
    after = fake.request(UNLOAD, {"source": "after"})
    fake.cancel(waiting)
    assert_cancelled(fake, waiting, 5)
    fake.cancel(running)
    assert_cancelled(fake, running, 5)
    assert fake.answer(after) == {"unloaded": ["after"]}
    assert "unloaded never" not in fake.stderr()


def test_a_cancel_is_answered_while_the_worker_cannot_be_interrupted(fake: Client) -> None:
    running = until_began(fake, "sleep")
    started = time.monotonic()
    fake.cancel(running)
    assert_cancelled(fake, running, 2)
    assert time.monotonic() - started < 2
    assert fake.ask("lmTransparency/health")["state"] == "busy"


def test_cancelling_the_progress_cancels_the_request(fake: Client) -> None:
    running = until_began(fake, "step")
    until_progress(fake, "step")
    fake.notify("window/workDoneProgress/cancel", {"token": "step"})
    assert_cancelled(fake, running, 5)
    assert fake.progress("step")[-1]["kind"] == "end"


def test_a_cancel_that_comes_late_or_twice_changes_nothing(fake: Client) -> None:
    msg_id = fake.request(UNLOAD, {"source": "a"})
    assert fake.answer(msg_id) == {"unloaded": ["a"]}
    for _ in range(2):
        fake.cancel(msg_id)
    running = until_began(fake, "step")
    for _ in range(3):
        fake.cancel(running)
    assert_cancelled(fake, running, 5)
    fake.ask("lmTransparency/health")
    assert len(fake.answers(msg_id)) == len(fake.answers(running)) == 1


def test_a_hundred_requests_cancelled_in_a_burst_leave_a_working_queue(fake: Client) -> None:
    running = until_began(fake, "step")
    burst = []
    for i in range(100):
        burst.append(fake.request(UNLOAD, {"source": f"burst-{i}"}))
        fake.cancel(burst[-1])
    last = fake.request(UNLOAD, {"source": "last"})
    fake.cancel(running)
    assert fake.answer(last) == {"unloaded": ["last"]}
    for msg_id in burst:
        assert_cancelled(fake, msg_id, 5)
    assert "burst" not in fake.stderr()
    assert all(len(fake.answers(i)) == 1 for i in fake.requests)


def test_the_queue_refuses_more_than_it_can_hold(fake: Client) -> None:
    running = until_began(fake, "step")
    asked = [fake.request(UNLOAD, {"source": f"{i}"}) for i in range(40)]
    for msg_id in asked[32:]:
        with pytest.raises(Refused, match="32 requests waiting") as refused:
            fake.answer(msg_id)
        assert refused.value.code == -32803
    fake.cancel(running)
    assert [fake.answer(i) for i in asked[:32]] == [{"unloaded": [f"{i}"]} for i in range(32)]


def test_reports_are_at_least_fifty_milliseconds_apart_and_rise(fake: Client) -> None:
    with pytest.raises(Refused):
        fake.ask(LOAD, {"source": "progress", "workDoneToken": "p"})
    at = [m["at"] for m in fake.messages if m.get("method") == "$/progress"]
    reports = [step for step in fake.progress("p") if step["kind"] == "report"]
    assert 3 <= len(reports) <= (at[-1] - at[0]) / 0.05 + 2
    assert [r["percentage"] for r in reports] == sorted(r["percentage"] for r in reports)
    assert reports[0]["message"].startswith("Forward pass, layer ")
    assert reports[-1]["message"].startswith("Contributions, layer ")
    assert fake.progress("p")[-1]["kind"] == "end"


def test_an_unexpected_error_is_one_line_to_the_client_and_complete_in_the_log(fake: Client) -> None:
    for source, code, kind in [
        ("stop", -32603, "internal"),
        ("exit", -32603, "internal"),
        ("os", -32603, "internal"),
        ("memory", -32803, "outOfMemory"),
    ]:
        with pytest.raises(Refused) as refused:
            fake.ask(LOAD, {"source": source, "workDoneToken": source})
        error = refused.value
        assert (error.code, error.kind) == (code, kind)
        assert "\n" not in error.message
        assert error.remedy
        assert fake.progress(source)[-1]["kind"] == "end"
        assert fake.ask(UNLOAD, {"source": "next"}) == {"unloaded": ["next"]}
    assert fake.stderr().count("Traceback") >= 4
