"""Functions compiled by numba and cached on disk where possible; nothing requires a writable folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[F], F]:
    """`numba.njit` with a cache, or without one where the cache has no place, is damaged or is full."""

    def decorate(function: F) -> F:
        made: Any
        try:
            made = numba.njit(cache=True, **options)(function)
        except RuntimeError:
            # numba found no writable folder
            made = numba.njit(**options)(function)
            return made
        _forgive(made)
        return made

    return decorate


def _forgive(made: Any) -> None:
    """Make failures of the cache harmless: unreadable entries are compiled again, unwritable ones are dropped."""
    cache = made._cache
    for name in ("load_overload", "save_overload"):
        setattr(cache, name, _without_errors(getattr(cache, name)))


def _without_errors(method: Callable[..., Any]) -> Callable[..., Any]:
    def attempt(*arguments: Any) -> Any:
        try:
            return method(*arguments)
        except (OSError, EOFError, ValueError, RuntimeError):
            return None

    return attempt
