"""C5: headers of safetensors and GGUF files are checked against the file's size; random ones neither crash nor hang."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import gguf
import hypothesis.strategies as st
import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "fuzz"))

from fuzzing import tried

from lm_transparency import TransparencyError, load_model
from lm_transparency.model.headers import gguf_header, numbers_in, safetensors_header

HUGE = 1 << 60


def safetensors(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(begin: int, end: int, *shape: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def test_a_header_lists_its_tensors(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(safetensors({"__metadata__": {"a": "b"}, "w": entry(0, 8, 2), "e": entry(8, 8, 0)}, b"12345678"))
    assert [(t.name, t.shape) for t in safetensors_header(file)] == [("w", (2,)), ("e", (0,))]
    assert numbers_in(safetensors_header(file)) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1234567",
        HUGE.to_bytes(8, "little") + b"{}",
        (3).to_bytes(8, "little") + b"{}",
        safetensors(b"[]"),
        safetensors(b"nonsense"),
        safetensors(b"[" * 100_000),
        safetensors(b'{"a": ' + b"9" * 5000 + b"}"),
        safetensors({"w": 3}),
        safetensors({"w": entry(0, HUGE, HUGE // 4)}, b"12345678"),
        safetensors({"w": entry(0, 8, HUGE)}, b"12345678"),
        safetensors({"w": entry(0, 8, 2, -1)}, b"12345678"),
        safetensors({"w": entry(8, 0, 2)}, b"12345678"),
        safetensors({"w": entry(0, 8, *[1] * 1000, 2)}, b"12345678"),
        safetensors({"w": entry(0, 8, 2), "v": entry(4, 8, 1)}, b"12345678"),
        safetensors({"w": entry(0, 4, 1)}, b"12345678"),
        safetensors({"w": entry(0, 8, HUGE, dtype="Q1")}, b"12345678"),
        safetensors({"w": {"dtype": "F32", "shape": "2", "data_offsets": [0, 8]}}, b"12345678"),
        safetensors({"w": {"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]}}, b"12345678"),
    ],
)
def test_a_safetensors_header_that_does_not_fit_its_file_is_refused(tmp_path: Path, copy: Path, content: bytes) -> None:
    (copy / "model.safetensors").write_bytes(content)
    with pytest.raises(TransparencyError, match=r"model\.safetensors could not be read: .*save the model again"):
        safetensors_header(copy / "model.safetensors")
    with pytest.raises(TransparencyError, match="could not be read"):
        load_model(str(copy), anyway=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A GGUF file with an entry of every kind and two tensors."""
    file = tmp_path_factory.mktemp("gguf") / "x.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_block_count(2)
    writer.add_string("s", "text")
    writer.add_bool("b", True)
    writer.add_float64("f", 0.5)
    writer.add_array("strings", ["a", "bc", ""])
    writer.add_array("numbers", [1, 2, 3])
    writer.add_tensor("first", np.zeros((4, 8), np.float32))
    writer.add_tensor("second", np.zeros(3, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file.read_bytes()


def read(content: bytes, file: Path) -> int:
    file.write_bytes(content)
    return len(gguf_header(file))


def test_a_gguf_header_lists_its_tensors(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(whole)
    tensors = gguf_header(tmp_path / "x")
    assert [(t.name, t.n_elements) for t in tensors] == [("first", 32), ("second", 3)]


def put(content: bytes, what: bytes, behind: int, value: bytes) -> bytes:
    """`content` with `value` written at an offset from the end of `what`."""
    at = content.index(what) + len(what) + behind
    return content[:at] + value + content[at + len(value) :]


Q = struct.Struct("<Q").pack


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c[:8] + Q(HUGE) + c[16:],
        lambda c: c[:16] + Q(HUGE) + c[24:],
        lambda c: c[:4] + struct.pack("<I", 77) + c[8:],
        lambda c: put(c, b"strings", 8, Q(HUGE)),
        lambda c: put(c, b"numbers", 8, Q(HUGE)),
        lambda c: put(c, b"numbers", 4, struct.pack("<I", 9)),
        lambda c: put(c, b"numbers", 4, struct.pack("<I", 99)),
        lambda c: put(c, b"llama.block_count", 4, struct.pack("<I", 1 << 31)),
        lambda c: put(c, b"first", 0, struct.pack("<I", 1 << 31)),
        lambda c: put(c, b"first", 4, Q(HUGE)),
        lambda c: put(c, b"second", 4 + 8 + 4, Q(HUGE)),
        lambda c: c[:200],
        lambda c: c[:24] + Q(HUGE) + c[32:],
    ],
)
def test_a_gguf_header_that_does_not_fit_its_file_is_refused(whole: bytes, tmp_path: Path, change: Any) -> None:
    with pytest.raises(TransparencyError, match=r"x\.gguf could not be read: .*save the model again"):
        read(change(whole), tmp_path / "x.gguf")
    with pytest.raises(TransparencyError, match="could not be read"):
        load_model(str(tmp_path / "x.gguf"), anyway=True)


def edited(whole: bytes) -> st.SearchStrategy[bytes]:
    """`whole` with some bytes overwritten, and sometimes truncated."""
    edits = st.lists(st.tuples(st.integers(0, len(whole) - 1), st.binary(min_size=1, max_size=9)), max_size=4)

    def apply(given: tuple[list[tuple[int, bytes]], int]) -> bytes:
        content = whole
        for at, value in given[0]:
            content = content[:at] + value + content[at + len(value) :]
        return content[: given[1]] if given[1] % 3 == 0 else content

    return st.tuples(edits, st.integers(0, len(whole))).map(apply)


@pytest.mark.timeout(3600)
def test_random_gguf_headers(whole: bytes, tmp_path: Path) -> None:
    tried("GGUF headers", edited(whole), lambda content: read(content, tmp_path / "x.gguf") >= 0)


@pytest.mark.timeout(3600)
def test_random_safetensors_headers(tmp_path: Path) -> None:
    numbers = st.one_of(st.integers(0, 16), st.integers(), st.just(HUGE))
    given = st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(["F32", "BF16", "U8", "F4", "", "x"]),
            "shape": st.lists(numbers, max_size=4),
            "data_offsets": st.lists(numbers, min_size=1, max_size=3),
        }
    )
    headers = st.dictionaries(st.text(max_size=5), given, max_size=3).map(safetensors)
    sound = safetensors(
        {"__metadata__": {"a": "b"}, "w": entry(0, 8, 2), "v": entry(8, 16, 2, 2, dtype="BF16")}, b"x" * 16
    )
    contents = st.one_of(edited(sound), st.tuples(headers, st.binary(max_size=16)).map(b"".join))

    def one(content: bytes) -> None:
        (tmp_path / "x.safetensors").write_bytes(content)
        safetensors_header(tmp_path / "x.safetensors")

    tried("safetensors headers", contents, one)
