"""Many named tuples of whole numbers, in one array."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, overload

R = TypeVar("R", bound="tuple[int, ...]")


class Rows(Sequence[R]):
    """Like a list of `kind`. Python's collector stops every thread while it visits each tuple of a list, but it visits
    no array.
    """

    def __init__(self, kind: Callable[..., R], width: int, rows: Iterable[R] = ()) -> None:
        self._kind = kind
        self._width = width
        self._values = array("q")
        for row in rows:
            self._values.extend(row)

    def append(self, row: R) -> None:
        self._values.extend(row)

    def replace_last(self, row: R) -> None:
        self._values[-self._width :] = array("q", row)

    def __len__(self) -> int:
        return len(self._values) // self._width

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[R]: ...
    def __getitem__(self, index: int | slice) -> R | Sequence[R]:
        count = len(self)
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(count))]
        at = index + count if index < 0 else index
        if not 0 <= at < count:
            raise IndexError(index)
        return self._kind(*self._values[at * self._width : (at + 1) * self._width])

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # pyright: ignore[reportAssignmentType]
