"""The estimated cost of an analysis against its real cost, and the behaviour where memory does not suffice."""

from __future__ import annotations

import ctypes
import gc
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import prompts
from lm_transparency import LoadedModel, Session
from lm_transparency.analysis.calibration import Calibration
from lm_transparency.analysis.estimate import (
    ASSUMED,
    Costly,
    Estimate,
    Rates,
    Sample,
    Shape,
    Work,
    contributions_work,
    does_not_fit,
    duration,
    fit,
    forward_work,
    in_words,
    longest,
    peak_bytes,
    rates,
    rounded,
    trace_bytes,
)
from lm_transparency.analysis.limits import shape_of

SHAPE = Shape(135_000_000, 540_000_000, 30, 9, 3, 576, 64, 1536, 49152, 8192, 4)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session that has measured nothing yet."""
    monkeypatch.setenv("LM_TRANSPARENCY_CACHE", str(tmp_path))
    return Session(reuse=False)


@pytest.fixture(scope="module")
def text(embedded: LoadedModel) -> Callable[[int], str]:
    """Prompts with a given number of tokens."""
    ids = embedded.tokenizer(prompts.WAR * 120)["input_ids"]
    return lambda n: embedded.tokenizer.decode(ids[:n])


def peak_of(work: Callable[[], object]) -> int:
    """Bytes by which the resident memory rises during `work`, after freed memory was returned."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = psutil.Process().memory_info().rss
    work()
    highest = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert highest is not None
    return int(highest[1]) * 1024 - before


@LINUX
def test_after_a_few_runs_an_estimate_is_near_what_the_next_takes(
    session: Session, embedded: LoadedModel, text: Callable[[int], str]
) -> None:
    for n in (16, 16, 64, 256):
        assert not session.estimate(embedded, text(n)).calibrated or n > 16
        session.analyze(embedded, text(n))
    for n in (16, 32, 128, 512):
        session.set_trace_budget(1)
        told = session.estimate(embedded, text(n))
        assert told.n_tokens == n
        assert told.calibrated
        assert told.fits
        times: list[float] = []

        def timed(n: int = n, times: list[float] = times) -> None:
            started = time.perf_counter()
            session.analyze(embedded, text(n))
            times.append(time.perf_counter() - started)

        peak = peak_of(timed)
        ratios = told.seconds / times[0], told.n_bytes / peak
        print(f"T = {n}: time told / taken {ratios[0]:.2f}, memory told / taken {ratios[1]:.2f}")
        assert all(1 / 4 < ratio < 4 for ratio in ratios), ratios


def test_what_a_trace_holds_is_known_from_the_shape(session: Session, embedded: LoadedModel) -> None:
    _, run = session.analyze(embedded, prompts.WAR)
    assert trace_bytes(shape_of(embedded), len(run.tokens)) == pytest.approx(run.trace.memory_bytes(), rel=0.05)


def test_the_longest_prompt_that_fits_is_the_last_that_does() -> None:
    for free in (100_000_000, 1_000_000_000, 3_000_000_000):
        most = longest(SHAPE, free)
        assert peak_bytes(SHAPE, most) <= 0.8 * free < peak_bytes(SHAPE, most + 1)
    assert longest(SHAPE, 1_000_000) == 0
    assert longest(SHAPE, 1 << 50) == SHAPE.n_context


def test_work_and_memory_grow_with_the_prompt() -> None:
    for work in (forward_work, contributions_work):
        short, long = work(SHAPE, 64), work(SHAPE, 640)
        assert 10 <= long.operations / short.operations <= 100
        assert long.n_bytes > short.n_bytes
    assert peak_bytes(SHAPE, 640) > 4 * peak_bytes(SHAPE, 64)


def test_rates_that_explain_the_measurements_are_found_again() -> None:
    true = Rates(3e-4, 1 / 7e10, 1 / 9e9)
    works = [forward_work(SHAPE, n) for n in (8, 64, 512, 2048)] + [Work(30, 1e9, 1e10), Work(900, 1e9, 1e8)]
    found = fit(ASSUMED["cpu"], [(work, true.seconds(work), 1.0) for work in works])
    for work in works:
        assert found.seconds(work) == pytest.approx(true.seconds(work), rel=0.03)


def test_one_measurement_is_enough_for_its_own_length_and_none_leaves_the_assumption() -> None:
    work = forward_work(SHAPE, 100)
    assert fit(ASSUMED["cpu"], []) == pytest.approx(ASSUMED["cpu"])
    assert fit(ASSUMED["cpu"], [(work, 0.25, 1.0)]).seconds(work) == pytest.approx(0.25, rel=0.1)


def test_a_disturbed_run_and_another_model_do_not_carry_the_estimate_away() -> None:
    works = {n: (forward_work(SHAPE, n), contributions_work(SHAPE, n)) for n in (32, 256)}
    calm = [Sample("a", n, *w, n / 100, n / 200) for n, w in works.items() for _ in range(3)]
    disturbed = Sample("a", 256, *works[256], 60.0, 60.0)
    other = [Sample("b", n, *w, n / 10, n / 20) for n, w in works.items()]
    forward, rest = rates(ASSUMED["cpu"], [*calm, disturbed, *other], "a")
    assert forward.seconds(works[256][0]) == pytest.approx(2.56, rel=0.4)
    assert rest.seconds(works[256][1]) == pytest.approx(1.28, rel=0.4)


def test_what_was_measured_is_kept_a_few_runs_of_each_length(tmp_path: Path) -> None:
    file = tmp_path / "new" / "calibration.json"
    calibration = Calibration(file)
    work = forward_work(SHAPE, 64)
    for i in range(12):
        calibration.learn("cpu", Sample("a", 64, work, work, 1.0 + i, 2.0))
        calibration.learn("cpu", Sample("a", 900, work, work, 50.0 + i, 2.0))
    kept = Calibration(file).samples("cpu")
    assert [s.forward_s for s in kept if s.n_tokens == 64] == [8.0, 9.0, 10.0, 11.0, 12.0]
    assert len(kept) == 10
    assert kept[0].forward == work
    assert calibration.samples("cuda") == []
    assert [path.name for path in file.parent.iterdir()] == ["calibration.json"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"format": 9}', '{"format": 1, "measured": {"cpu": [[1], null, 3]}}', "\x00"]
)
def test_a_file_of_another_kind_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "calibration.json"
    file.write_text(content)
    calibration = Calibration(file)
    assert calibration.samples("cpu") == []
    work = Work(1, 2, 3)
    calibration.learn("cpu", Sample("a", 1, work, work, 1.0, 1.0))
    assert len(calibration.samples("cpu")) == 1
    assert json.loads(file.read_text())["format"] == 1


def test_where_nothing_can_be_written_nothing_is_learnt_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    calibration = Calibration(tmp_path / "file" / "calibration.json")
    calibration.learn("cpu", Sample("a", 1, Work(1, 2, 3), Work(1, 2, 3), 1.0, 1.0))
    assert calibration.samples("cpu") == []


def test_what_is_said_names_the_figures() -> None:
    message, remedy = does_not_fit(SHAPE, 4096, 800_000_000)
    assert re.fullmatch(r"4096 tokens need about \d\.\d GB; 800 MB were free\.", message)
    assert re.search(r"Up to about \d+ tokens fit\. The model is still loaded\.", remedy)
    assert does_not_fit(SHAPE, 400, 1000)[1].startswith("Not even one token fits")
    # memory that ran out although it should have sufficed: half of it is sure to
    assert re.search(r"Up to about (\d+) tokens", does_not_fit(SHAPE, 400, 1 << 40)[1])[1] == "200"  # pyright: ignore[reportOptionalSubscript]
    costly = Costly(Estimate(4096, 190.0, 2_100_000_000, 900_000_000, 1234, True))
    assert costly.message == (
        "4096 tokens take about 3 minutes and 2.1 GB; 900 MB are free. Up to about 1200 tokens fit."
    )
    quick = Estimate(14, 0.3, 32_000_000, 900_000_000, 1234, False)
    assert in_words(quick) == "14 tokens take under a second and 32 MB; 900 MB are free."
    assert [duration(s) for s in (0.2, 4.4, 99, 600, 7300)] == [
        "under a second",
        "4 s",
        "99 s",
        "10 minutes",
        "2 hours",
    ]
    assert [rounded(n) for n in (7, 68, 387, 1999)] == [7, 68, 380, 1900]


_STARVED = """
import resource, sys
import psutil, torch
torch.set_num_threads(1)
from lm_transparency import Session, TransparencyError
session = Session(trace_budget=1)
model = session.load(dtype="float32", device="cpu")
ids = model.tokenizer(sys.argv[1] * 200)["input_ids"]
def analyze(n):
    return session.analyze(model, model.tokenizer.decode(ids[:n]))[1]
analyze(64)
used = psutil.Process().memory_info().vms
resource.setrlimit(resource.RLIMIT_AS, (used + 350_000_000, resource.RLIM_INFINITY))
try:
    analyze(900)
except TransparencyError as error:
    print(error.kind, "|", error.message, "|", error.remedy, flush=True)
    most = int(error.remedy.split("about ")[1].split()[0])
    del error
run = analyze(most)
assert session.loaded == [model] and run.proof.holds and len(run.tokens) == most
print("analyzed", most, flush=True)
"""


@LINUX
def test_memory_that_runs_out_ends_in_what_would_fit_and_that_fits(embedded_folder: Path) -> None:
    command = [sys.executable, "-c", _STARVED, prompts.WAR]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr[-2000:]
    told, then = ended.stdout.splitlines()
    assert re.match(r"outOfMemory \| 900 tokens need about (\d+ MB|\d\.\d GB); \d+ MB were free\. \| Up to", told)
    assert 50 < int(then.removeprefix("analyzed ")) < 900
