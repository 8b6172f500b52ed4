"""An unusable cache costs the time it would have saved, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from lm_transparency.analysis.calibration import Calibration
from lm_transparency.analysis.estimate import Sample, Work
from lm_transparency.errors import Cancelled, TransparencyError
from lm_transparency.model import embedded
from lm_transparency.routes import kernels
from lm_transparency.watch import Watch

SAMPLE = Sample("m", 8, Work(1, 1, 1), Work(1, 1, 1), 1.0, 1.0)


@pytest.fixture(params=["a file in the way", "no such device", "an unknown home", "too long", "empty of rights"])
def unusable(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "file").write_text("")
    where = {
        "a file in the way": str(tmp_path / "file"),
        "no such device": "/dev/null/cache",
        "an unknown home": "~nobody-of-that-name/cache",
        "too long": str(tmp_path / ("long" * 100)),
        "empty of rights": "/proc/cache",
    }[request.param]
    monkeypatch.setenv("LM_TRANSPARENCY_CACHE", where)
    monkeypatch.chdir(tmp_path)
    return where


def test_the_embedded_model_says_which_folder_it_needs(unusable: str, tmp_path: Path) -> None:
    assert embedded.cache_directory().is_absolute()
    assert not embedded.is_present()
    with pytest.raises(TransparencyError, match=r"model cannot be kept in .*LM_TRANSPARENCY_CACHE") as told:
        embedded.ensure(Watch())
    assert told.value.kind == "modelUnusable" and "\n" not in str(told.value)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_measured_times_and_compiled_kernels_do_without(unusable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calibration = Calibration(embedded.cache_directory() / "calibration.json")
    calibration.learn("key", SAMPLE)
    assert calibration.samples("key") == []
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    kernels.use_cache_directory(embedded.cache_directory() / "kernels")
    used = Path(os.environ["NUMBA_CACHE_DIR"])
    assert used.is_dir() and not used.stat().st_mode & 0o077


def test_a_user_without_a_home_makes_no_folder_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a container whose user is only a number."""
    monkeypatch.delenv("LM_TRANSPARENCY_CACHE", raising=False)
    monkeypatch.setattr(embedded, "user_cache_path", lambda name: Path("~/.cache") / name)
    assert str(embedded.cache_directory()).startswith("/dev/null/")
    monkeypatch.setenv("LM_TRANSPARENCY_CACHE", "of/mine")
    assert embedded.cache_directory() == Path.cwd() / "of" / "mine"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1, "measured": []}', b"\xff", b"[" * 100_000])
def test_broken_measurements_are_forgotten(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "calibration.json"
    file.write_bytes(content)
    calibration = Calibration(file)
    assert calibration.samples("key") == []
    calibration.learn("key", SAMPLE)
    assert calibration.samples("key") == [SAMPLE]
    assert [found.name for found in tmp_path.iterdir()] == ["calibration.json"]


def test_broken_entries_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "calibration.json"
    good = '["m", 8, [1, 1, 1], [1, 1, 1], 1.0, 1.0]'
    huge = "9" * 400
    broken = f'3, [], ["m", {huge}, [1, 1, 1], [1, 1, {huge}], 1, 1], ["m", Infinity, [1, 1, 1], [1, 1, 1], 1, 1]'
    file.write_text(f'{{"format": 1, "measured": {{"key": [{broken}, {good}], "other": 3}}}}')
    calibration = Calibration(file)
    assert calibration.samples("key") == [SAMPLE] and calibration.samples("other") == []


def test_waiting_for_another_process_can_be_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LM_TRANSPARENCY_CACHE", str(tmp_path))
    monkeypatch.setattr(embedded, "_PATIENCE_S", 0.01)
    target = embedded.model_directory()
    target.parent.mkdir(parents=True)
    seen: list[str] = []
    watch = Watch(lambda stage, *_: (seen.append(stage), watch.cancel()))
    with FileLock(target.with_name(f"{target.name}.lock")), pytest.raises(Cancelled):
        embedded.ensure(watch)
    assert seen == ["waiting for another process that prepares the embedded model"]
