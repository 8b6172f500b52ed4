"""Values that Python and the wire represent differently: arrays, numbers that may be −∞, names of nodes.

The annotation of a field states its kind; `wire.to_wire` and the TypeScript generator follow it.
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
    """A value that travels as its `str`."""


if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    #: Arrays of one dtype each. `…Tensor`: tensors of that dtype.
    Float32 = Uint32 = Uint8 = Floats = Ints = np.ndarray
    Float32Tensor = Uint32Tensor = Tensor
    Score = float
else:
    Float32 = Float32Tensor = Annotated[Any, Column("float32")]
    Uint32 = Uint32Tensor = Annotated[Any, Column("uint32")]
    Uint8 = Annotated[Any, Column("uint8")]
    Floats = Ints = Annotated[Any, Numbers()]
    Score = Annotated[float, Unbounded()]
