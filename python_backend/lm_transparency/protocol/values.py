"""Kinds of values that Python and the wire write differently: arrays, numbers that may be −∞, names of nodes.

A field says which it is by its annotation; `wire.to_wire` and the generator of the TypeScript go by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any


@dataclass(frozen=True)
class Column:
    """An array that travels as base64 of its little-endian values (`NumericArray`)."""

    dtype: str


@dataclass(frozen=True)
class Numbers:
    """A small array [n] that travels as a list of numbers."""


@dataclass(frozen=True)
class Unbounded:
    """A number that may be −∞, which JSON lacks: null on the wire."""


@dataclass(frozen=True)
class Named:
    """What travels as `str` of it."""


if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    #: Of one dtype each. `…Tensor`: the same as tensors.
    Float32 = Uint32 = Uint8 = Floats = Ints = np.ndarray
    Float32Tensor = Uint32Tensor = Tensor
    Score = float
else:
    Float32 = Float32Tensor = Annotated[Any, Column("float32")]
    Uint32 = Uint32Tensor = Annotated[Any, Column("uint32")]
    Uint8 = Annotated[Any, Column("uint8")]
    Floats = Ints = Annotated[Any, Numbers()]
    Score = Annotated[float, Unbounded()]
