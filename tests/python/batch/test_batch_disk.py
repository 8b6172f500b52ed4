"""Output on a full disk, or in a place that somebody else prepared."""

from __future__ import annotations

import errno
import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from batch_prompts import texts, write_jsonl
from lm_transparency import LoadedModel, TransparencyError, analyze_many
from lm_transparency.batch import jsonl, store
from lm_transparency.batch.opening import open_store
from lm_transparency.batch.store import lock, unlock
from lm_transparency.cli import main
from lm_transparency.files import writing


class Full(io.FileIO):
    """A stream that takes a limited number of bytes."""

    room = 0

    def write(self, data: Any, /) -> int:
        part = memoryview(data)[: Full.room]
        if not part:
            raise OSError(errno.ENOSPC, "No space left on device")
        Full.room -= len(part)
        return super().write(part)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_full_disk_ends_a_run_in_one_sentence_and_it_goes_on_later(
    form: str,
    tiny_llama_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", texts(4))
    place = tmp_path / ("out.jsonl" if form == "jsonl" else "out")
    command = ["analyze", str(source), "--model", str(tiny_llama_folder), "-o", str(place), "--format", form]
    command += ["--save-every", "0"]
    assert main([*command[:-6], "-o", str(tmp_path / "whole.jsonl")]) == 0
    room = (tmp_path / "whole.jsonl").stat().st_size // 2
    with monkeypatch.context() as patched:
        if form == "jsonl":
            patched.setattr(jsonl.JsonlStore, "_open", lambda self: Full(self.file, "ab"))
            # some records, and a part of the next
            Full.room = room
        else:
            plain = os.fsync
            saved = iter(range(100))

            def full(handle: int) -> None:
                if next(saved) > 8:
                    raise OSError(errno.ENOSPC, "No space left on device")
                plain(handle)

            patched.setattr(os, "fsync", full)
        assert main(command) == 2
    said = capsys.readouterr().err
    assert f"{place} cannot be written: the disk is full. Make room" in said
    assert "the same command continues from there" in said and "Traceback" not in said
    there = _ids(place)
    assert 0 < len(there) < 4
    assert not [file.name for file in tmp_path.rglob("*.tmp")]
    assert main(command) == 0
    assert _ids(place) == [f"p{i}" for i in range(4)]


def _ids(place: Path) -> list[str]:
    if place.is_dir():
        return [name for part in sorted(place.glob("part-*.parquet")) for name in pq.read_table(part)["id"].to_pylist()]
    return [json.loads(line)["id"] for line in place.read_bytes().splitlines()]


def test_a_disk_that_is_full_at_once_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for form in ("jsonl", "parquet"):
        with pytest.raises(TransparencyError, match="the disk is full"):
            open_store(tmp_path / form, form, {})  # type: ignore[arg-type]


def test_a_full_disk_while_an_output_is_rewritten_leaves_it_as_it_was(
    tiny_llama: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for form in ("jsonl", "parquet"):
        place = tmp_path / form
        list(analyze_many(tiny_llama, texts(4), output=place, form=form))  # type: ignore[arg-type]
        before = {file.name: file.read_bytes() for file in place.iterdir()}
        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", full)
            with pytest.raises(TransparencyError, match="the disk is full"):
                list(analyze_many(tiny_llama, texts(3)[::-1], output=place, form=form))  # type: ignore[arg-type]
        after = {file.name: file.read_bytes() for file in place.iterdir() if "replaced" not in file.name}
        assert {name: after.get(name) for name in before} == before
        list(analyze_many(tiny_llama, texts(3)[::-1], output=place, form=form))  # type: ignore[arg-type]
        assert not list(place.glob(".*"))


def test_links_that_were_planted_are_not_followed(
    tiny_llama: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links at the names of the files that accompany an output."""
    victim = tmp_path / "victim"
    victim.write_text("kept")
    place = tmp_path / "out.jsonl"
    for name in (".out.jsonl.manifest.json.tmp", ".out.jsonl.lock", "out.jsonl.replaced.jsonl"):
        (tmp_path / name).symlink_to(victim)
    list(analyze_many(tiny_llama, texts(2), output=place))
    with pytest.raises(TransparencyError, match="cannot be written"):
        list(analyze_many(tiny_llama, texts(1), output=place))
    assert victim.read_text() == "kept"
    monkeypatch.setattr(writing.secrets, "token_hex", lambda n: "0" * 2 * n)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / f"._manifest.json.{'0' * 16}.tmp").symlink_to(victim)
    # leftovers of a kill are removed; the files they point to stay
    open_store(tmp_path / "parts", "parquet", {}).close()
    assert victim.read_text() == "kept"


def test_a_lock_that_cannot_be_taken_back_is_let_go_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = lock(tmp_path / "out")

    def fails(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(store.Path, "unlink", fails)
        unlock(held)
    unlock(lock(tmp_path / "out"))


def test_an_output_behind_a_link_stays_there(tiny_llama: LoadedModel, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link = tmp_path / "out.jsonl"
    link.symlink_to(tmp_path / "far" / "records.jsonl")
    list(analyze_many(tiny_llama, texts(3), output=link))
    list(analyze_many(tiny_llama, texts(3)[::-1], output=link))
    assert link.is_symlink()
    lines = (tmp_path / "far" / "records.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["prompt"] for line in lines] == texts(3)[::-1]


def test_records_go_through_a_pipe(tiny_llama_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", texts(3))
    pipe, got = tmp_path / "pipe.jsonl", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    command = ["analyze", str(source), "--model", str(tiny_llama_folder)]
    assert main([*command, "-o", str(pipe)]) == 0
    reader.join(10)
    assert [json.loads(line)["id"] for line in got[0].splitlines()] == ["p0", "p1", "p2"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.jsonl", "pipe.jsonl"]
    # devices by their descriptors: a failure here would destroy a device for everybody
    with open("/dev/null", "wb") as null, open("/dev/full", "wb") as full:
        assert main([*command, "-o", f"/dev/fd/{null.fileno()}"]) == 0
        assert main([*command, "-o", f"/dev/fd/{null.fileno()}", "--format", "parquet"]) == 2
        capsys.readouterr()
        assert main([*command, "-o", f"/dev/fd/{full.fileno()}"]) == 2
        assert f"/dev/fd/{full.fileno()} cannot be written: the disk is full" in capsys.readouterr().err
