"""An attribute that is computed on first access and kept, and so is its refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ..errors import TransparencyError
from .pace import TooSlow

V = TypeVar("V")


class once(Generic[V]):  # noqa: N801
    """Like `functools.cached_property`, whose lock before Python 3.12 blocks every thread, whichever object it
    reads.
    """

    def __init__(self, compute: Callable[[Any], V]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self._refusal = f"{self._name} refused"
        self.__doc__ = compute.__doc__

    def __get__(self, of: Any, _owner: type | None = None) -> V:
        refused: TransparencyError | None = of.__dict__.get(self._refusal)
        if refused is not None:
            raise refused.with_traceback(None)
        try:
            # found in the instance from then on
            found = of.__dict__[self._name] = self._compute(of)
            return found
        except TooSlow:
            raise
        except TransparencyError as error:
            of.__dict__[self._refusal] = error
            raise
