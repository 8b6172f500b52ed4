"""JSON from anyone gives an answer or one reason, whatever it contains."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lm_transparency
from lm_transparency.errors import TransparencyError
from lm_transparency.files.json_files import (
    NotJson,
    decode_json,
    object_or_none,
    parse_json,
    read_json,
    read_object,
)

BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not JSON"),
    "half": (b'{"a": [1, 2', "is not JSON"),
    "two values": (b"{} {}", "is not JSON"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "is not UTF-8: byte 0"),
    "binary": (b'{"a": "\xff\xfe"}', "is not UTF-8: byte 7"),
    "deep lists": (b"[" * 100_000 + b"]" * 100_000, "is nested too deeply"),
    "deep objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "is nested too deeply"),
    "deeper than a caller can print": (b"[" * 500 + b"]" * 500, "is nested too deeply"),
    "many digits": (b'{"a": ' + b"9" * 5000 + b"}", "a number that is too long"),
    "NaN": (b'{"a": NaN}', "has the number NaN"),
    "infinity": (b"[-Infinity]", "has the number -Infinity"),
    "a float past infinity": (b"[1e999]", "has the number 1e999"),
    "an escaped half": (rb'{"a": ["\ud83d"]}', "half of a character"),
    "a half as a key": (rb'{"\uDE00": 1}', "half of a character"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_refused_with_one_reason(name: str, tmp_path: Path) -> None:
    content, reason = BROKEN[name]
    with pytest.raises(NotJson, match=reason):
        decode_json(content)
    file = tmp_path / "config.json"
    file.write_bytes(content)
    with pytest.raises(TransparencyError, match=reason) as refused:
        read_json(file, kind="modelUnusable", remedy="Save it again.")
    assert refused.value.kind == "modelUnusable"
    assert refused.value.message.startswith(str(file)) and refused.value.remedy == "Save it again."
    assert "\n" not in str(refused.value)


def test_text_bytes_and_a_byte_order_mark_are_read_the_same() -> None:
    text = '{"a": "é 😀 \\ud83d\\ude00", "b": [1, 2.5, null, true]}'
    wanted = json.loads(text)
    assert decode_json(text) == wanted
    assert decode_json(text.encode()) == wanted
    assert decode_json(b"\xef\xbb\xbf" + text.encode()) == wanted
    assert decode_json("\ufeff" + text) == wanted
    assert decode_json("[" * 100 + "]" * 100)


def test_data_may_hold_what_a_strict_reader_refuses() -> None:
    """Mamba's configurations contain Infinity, and Python's own writer emits NaN and lone surrogates."""
    assert decode_json('{"limit": [0.0, Infinity]}', strict=False) == {"limit": [0.0, float("inf")]}
    assert decode_json(r'{"id": "\ud83d"}', strict=False) == {"id": "\ud83d"}
    for hard in ("9" * 5000, "[" * 100_000):
        with pytest.raises(NotJson):
            decode_json(hard, strict=False)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    folder, missing, pipe = tmp_path / "folder.json", tmp_path / "missing.json", tmp_path / "pipe.json"
    folder.mkdir()
    os.mkfifo(pipe)
    large = tmp_path / "large.json"
    large.write_text("[" + " " * 2000 + "]")
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop)
    for file, reason in (
        (folder, "it is a folder"),
        (missing, "No such file"),
        (pipe, "not an ordinary file"),
        (large, "more than 1,000 bytes"),
        (loop, "symbolic links"),
        (Path("/dev/zero"), "not an ordinary file"),
        (tmp_path / ("long" * 100), "name too long"),
        (tmp_path / "nul\0.json", "NUL"),
    ):
        with pytest.raises(TransparencyError, match=f"cannot be read: .*{reason}"):
            read_json(file, most=1000)
        assert object_or_none(file, most=1000) is None


def test_a_pipe_is_read_where_it_is_allowed_and_not_without_end() -> None:
    end, other = os.pipe()
    os.write(other, b'{"a": 1}')
    os.close(other)
    try:
        assert read_json(Path(f"/dev/fd/{end}"), pipes=True) == {"a": 1}
    finally:
        os.close(end)
    with pytest.raises(TransparencyError, match="more than 1,000 bytes"):
        read_json(Path("/dev/zero"), pipes=True, most=1000)


def test_another_type_than_an_object_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    for content in ("[]", "3", "null", '"text"'):
        file.write_text(content)
        with pytest.raises(TransparencyError, match="does not hold a JSON object"):
            read_object(file)
        assert object_or_none(file) is None
        assert parse_json(content, "it") == json.loads(content)
    file.write_text("{}")
    assert read_object(file) == {} == object_or_none(file)


@settings(max_examples=1000)
@given(st.one_of(st.binary(max_size=60), st.text('[]{}",:\\u0d8e1.-NaInfity ', max_size=40).map(str.encode)))
def test_random_bytes_are_read_or_refused(content: bytes) -> None:
    for strict in (True, False):
        try:
            decode_json(content, strict=strict)
        except NotJson as refused:
            reasons = refused.reason.splitlines()
            assert len(reasons) == 1


#: Readers of their own, and why.
ALLOWED = {
    "files/json_files.py": "the helper",
    "isolation/frames.py": "frames of a known length between a process and its child",
    "server/connection/frames.py": "a message that cannot be read is answered by its id, which this file looks for",
}


def test_nobody_reads_json_in_another_way() -> None:
    root = Path(lm_transparency.__file__).parent
    found: dict[str, Any] = {}
    for file in root.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            called = isinstance(node, ast.Attribute) and node.attr in ("load", "loads")
            if called and isinstance(node.value, ast.Name) and node.value.id == "json":
                found[file.relative_to(root).as_posix()] = node.lineno
            if isinstance(node, ast.ImportFrom) and node.module == "json":
                assert not {"load", "loads"} & {name.name for name in node.names}, file
    assert set(found) == set(ALLOWED)
