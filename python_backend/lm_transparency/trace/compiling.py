"""Functions compiled by numba, kept on disk where that can be: nothing depends on a folder that can be written to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[F], F]:
    """`numba.njit` with a cache; without one where there is no place for it, or where it is damaged or full."""

    def decorate(function: F) -> F:
        made: Any
        try:
            made = numba.njit(cache=True, **options)(function)
        except RuntimeError:
            # numba has found no folder that it may write to
            made = numba.njit(**options)(function)
            return made
        _forgive(made)
        return made

    return decorate


def _forgive(made: Any) -> None:
    """What cannot be read is compiled, and what cannot be kept is not."""
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
