"""Fingerprints recognise files that are unchanged, and files that are not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lm_transparency.files import fingerprint
from lm_transparency.files.fingerprint import content, state, text_fingerprint


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer.model", "chat_template.jinja"):
        (folder / name).write_bytes(b"1234" + name.encode())
    return folder


@pytest.mark.parametrize("part", ["config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"])
def test_a_part_that_is_written_to_shows(model: Path, part: str) -> None:
    before = content(model), state(model)
    # the same size, at the same time
    times = (model / part).stat()
    (model / part).write_bytes(b"4321" + part.encode())
    os.utime(model / part, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert content(model) != before[0]
    os.utime(model / part, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert state(model) != before[1]


def test_a_part_that_comes_goes_or_is_renamed_shows(model: Path) -> None:
    seen = {content(model)}
    (model / "additional_chat_templates").mkdir()
    (model / "additional_chat_templates" / "tools.jinja").write_text("{{ messages }}")
    seen.add(content(model))
    (model / "tokenizer.model").rename(model / "spiece.model")
    seen.add(content(model))
    (model / "spiece.model").unlink()
    seen.add(content(model))
    assert len(seen) == 4


def test_a_copy_a_touch_and_a_log_are_the_same_model(model: Path, tmp_path: Path) -> None:
    before = content(model)
    shutil.copytree(model, tmp_path / "copy")
    os.utime(model / "config.json")
    (model / "README.md").write_text("about it")
    (model / "trainer_state.json").write_text("{}")
    assert content(model) == content(tmp_path / "copy") == before
    link = tmp_path / "link"
    link.symlink_to(model)
    assert content(link) == before and state(link) == state(model)


def test_very_large_files_are_not_read(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(model)
    monkeypatch.setattr(fingerprint, "MOST_READ", 3)
    first = content(model)
    assert first != before
    os.utime(model / "model.safetensors")
    assert content(model) != first


def test_what_the_hub_cache_names_by_its_hash_is_not_read(model: Path, tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (blobs / ("a" * 64)).write_bytes(b"weights")
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").symlink_to(blobs / ("a" * 64))
    before = content(model)
    (blobs / ("a" * 64)).write_bytes(b"others, under a name that says they are the same")
    assert content(model) == before


def test_nothing_to_look_at_is_no_fingerprint(tmp_path: Path) -> None:
    assert content(tmp_path) == state(tmp_path) == content(tmp_path / "missing") == ""
    single = tmp_path / "model.gguf"
    single.write_bytes(b"GGUF")
    assert content(single) and state(single)


def test_parts_of_a_text_are_told_apart() -> None:
    assert len({text_fingerprint("ab", "c"), text_fingerprint("a", "bc"), text_fingerprint("abc")}) == 3
    assert text_fingerprint("\ud83d") != text_fingerprint("?")
