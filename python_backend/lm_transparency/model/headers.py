"""The headers of safetensors and GGUF files, with every count and length checked against the file's size.

A header's claims are not trusted: a file of a hundred bytes can claim 2^60 tensors. Standard library only.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from ..errors import TransparencyError
from ..files.json_files import NotJson, decode_json

#: Bytes of a safetensors header that the format allows.
_LONGEST_HEADER = 100_000_000
#: A generous limit on the dimensions of a tensor.
_MOST_DIMENSIONS = 16

#: Bits per element, by safetensors' names.
_BITS = {
    **{"F64": 64, "F32": 32, "F16": 16, "BF16": 16},
    **{"I64": 64, "U64": 64, "I32": 32, "U32": 32, "I16": 16, "U16": 16, "I8": 8, "U8": 8, "BOOL": 8},
}

#: Types with one number per element, also GGUF's; other types may pack several into one.
_NUMBERS = ("", "F64", "F32", "F16", "BF16")

_REMEDY = "Download or save the model again."

#: GGUF: bytes of a value by its type; a string and an array give their own.
_VALUE_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
#: Unsigned integers of four and of eight bytes.
_WHOLE = {4: "<I", 10: "<Q"}
#: The fewest bytes of an entry and of a tensor: a key, a type and a value; a name, dimensions, type and offset.
_LEAST_ENTRY, _LEAST_TENSOR = 13, 24


@dataclass(frozen=True)
class Tensor:
    """The header's description of a tensor. `kind`: its type by safetensors' name; empty in GGUF."""

    name: str
    kind: str
    shape: tuple[int, ...]

    @property
    def n_elements(self) -> int:
        return math.prod(self.shape)


def safetensors_header(file: Path) -> list[Tensor]:
    """The tensors of a safetensors file.

    Raises `TransparencyError("modelUnusable")` where the header does not fit the file, and `OSError`.
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if size < 8 or length > min(size - 8, _LONGEST_HEADER):
            _refuse(file, "its header would be longer than the file")
        try:
            header: Any = decode_json(opened.read(length), strict=False)
        except NotJson as error:
            _refuse(file, f"its header {error.reason}")
    if not isinstance(header, dict):
        _refuse(file, "its header holds no tensors")
    spans: list[tuple[int, int]] = []
    tensors: list[Tensor] = []
    for name, entry in header.items():
        if name != "__metadata__":
            tensor, span = _entry(file, name, entry)
            tensors.append(tensor)
            spans.append(span)
    end = 0
    for begin, after in sorted(spans):
        if begin != end and begin != after:
            _refuse(file, "its tensors overlap or leave gaps")
        end = max(end, after)
    if end != size - 8 - length:
        _refuse(file, "its tensors do not end where the file does: it was cut short, or added to")
    return tensors


def _entry(file: Path, name: str, entry: Any) -> tuple[Tensor, tuple[int, int]]:
    given: dict[str, Any] = entry if isinstance(entry, dict) else {}
    kind, shape, offsets = given.get("dtype"), _whole(given.get("shape")), _whole(given.get("data_offsets"))
    if not isinstance(kind, str) or shape is None or offsets is None or len(offsets) != 2:
        _refuse(file, f"the header's entry {name[:100]} is invalid")
    tensor = Tensor(name, kind, shape)
    begin, end = offsets
    # an unknown type may pack eight elements into a byte
    wrong = _BITS.get(kind) is not None and tensor.n_elements * _BITS[kind] != 8 * (end - begin)
    if begin > end or len(shape) > _MOST_DIMENSIONS or wrong or tensor.n_elements > 8 * max(0, end - begin):
        _refuse(file, f"{name[:100]} has another size than its shape says")
    return tensor, (begin, end)


def _whole(value: Any) -> tuple[int, ...] | None:
    """A list of integers from 0 on; None for anything else."""
    if not isinstance(value, list) or not all(type(n) is int and 0 <= n < 1 << 63 for n in value):
        return None
    return tuple(value)


def gguf_header(file: Path) -> list[Tensor]:
    """The tensors of a GGUF file.

    Raises `TransparencyError("modelUnusable")` where the header's counts do not fit into the file, and `OSError`.
    """
    with file.open("rb") as opened:
        return _Gguf(file, opened).tensors()


class _Gguf:
    """One pass over the header, to the end of its tensor descriptions."""

    def __init__(self, file: Path, opened: IO[bytes]) -> None:
        self._file = file
        self._opened = opened
        self._left = file.stat().st_size

    def tensors(self) -> list[Tensor]:
        if self._take(4) != b"GGUF":
            _refuse(self._file, "it does not begin as a GGUF file does")
        (version,) = self._numbers("<I")
        if version not in (2, 3):
            _refuse(self._file, f"it is of version {version} of the format, and 2 and 3 are read")
        n_tensors, n_entries = self._numbers("<QQ")
        self._fits(n_entries, _LEAST_ENTRY, "entries")
        self._fits(n_tensors, _LEAST_TENSOR, "tensors")
        for _ in range(n_entries):
            key = self._string()
            (kind,) = self._numbers("<I")
            self._value(key, kind, n_tensors)
        tensors = [self._tensor() for _ in range(n_tensors)]
        total = sum(tensor.n_elements for tensor in tensors)
        # the smallest quantisation takes more than a bit per element
        if total > 8 * self._left:
            _refuse(self._file, f"its tensors have {total:,} elements, and {self._left:,} bytes are left for them")
        return tensors

    def _tensor(self) -> Tensor:
        name = self._string().decode("utf-8", "replace")
        (n_dimensions,) = self._numbers("<I")
        if n_dimensions > _MOST_DIMENSIONS:
            _refuse(self._file, f"the tensor {name[:100]} has {n_dimensions} dimensions")
        shape = self._numbers(f"<{n_dimensions}Q")
        _, offset = self._numbers("<IQ")
        if offset > self._left:
            _refuse(self._file, f"the tensor {name[:100]} lies beyond its end")
        return Tensor(name, "", shape)

    def _value(self, key: bytes, kind: int, n_tensors: int) -> None:
        if kind == _STRING:
            self._string()
        elif kind == _ARRAY:
            inner, count = self._numbers("<IQ")
            if inner == _ARRAY:
                _refuse(self._file, f"{_shown(key)} is an array of arrays")
            self._fits(count, 8 if inner == _STRING else self._bytes_of(key, inner), f"values of {_shown(key)}")
            if inner == _STRING:
                for _ in range(count):
                    self._string()
            else:
                self._take(count * self._bytes_of(key, inner))
        elif kind in _WHOLE:
            (number,) = self._numbers(_WHOLE[kind])
            if key.endswith(b".block_count") and number > max(1, n_tensors):
                _refuse(self._file, f"it says that it has {number:,} blocks, and holds {n_tensors} tensors")
        else:
            self._take(self._bytes_of(key, kind))

    def _bytes_of(self, key: bytes, kind: int) -> int:
        if kind not in _VALUE_BYTES:
            _refuse(self._file, f"{_shown(key)} has an unknown type")
        return _VALUE_BYTES[kind]

    def _string(self) -> bytes:
        (length,) = self._numbers("<Q")
        return self._take(length)

    def _numbers(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(layout, self._take(struct.calcsize(layout)))

    def _fits(self, count: int, least: int, what: str) -> None:
        if count * least > self._left:
            _refuse(self._file, f"it would have {count:,} {what}, and {self._left:,} bytes are left")

    def _take(self, n_bytes: int) -> bytes:
        if n_bytes > self._left:
            _refuse(self._file, f"a part of {n_bytes:,} bytes is announced where {self._left:,} are left")
        self._left -= n_bytes
        taken = self._opened.read(n_bytes)
        if len(taken) != n_bytes:
            _refuse(self._file, "it was cut short")
        return taken


def _shown(key: bytes) -> str:
    return key[:100].decode("utf-8", "replace")


def _refuse(file: Path, why: str) -> NoReturn:
    raise TransparencyError("modelUnusable", f"{file.name} could not be read: {why}.", _REMEDY)


def numbers_in(tensors: Iterable[Tensor]) -> int:
    """The number of elements in the tensors; packed ones are counted by the bit."""
    return sum(t.n_elements * (1 if t.kind in _NUMBERS else _BITS.get(t.kind, 8)) for t in tensors)
