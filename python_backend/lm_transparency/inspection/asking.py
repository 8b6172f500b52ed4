"""Rules for every question about an analysis: one thread at a time in its model, and finite numbers only."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from torch import Tensor

from ..ambient import guarded
from ..analysis.result import Analysis
from ..trace.finite import is_finite, overflow

_P = ParamSpec("_P")
_R = TypeVar("_R")


def question(ask: Callable[Concatenate[Analysis, _P], _R]) -> Callable[Concatenate[Analysis, _P], _R]:
    """Run `ask` inside `guard`.

    Raises `TransparencyError("modelUnsupported")` if a number in the answer is not finite. Only a score may be −∞, for
    a key that the query does not see.
    """

    @wraps(ask)
    def asked(analysis: Analysis, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        answer = ask(analysis, *args, **kwargs)
        if not all_finite(answer):
            raise overflow(analysis.model.dtype, f"This part of {analysis.model.name}")
        return answer

    return guarded(asked)


def all_finite(answer: Any) -> bool:
    """Whether all numbers in an answer are finite, but for the scores of keys that a query does not see."""
    if isinstance(answer, float):
        return math.isfinite(answer)
    if isinstance(answer, Tensor):
        return is_finite(answer)
    if isinstance(answer, np.ndarray):
        return answer.dtype.kind != "f" or bool(np.isfinite(answer).all())
    if isinstance(answer, tuple):
        return all(map(all_finite, answer))
    if is_dataclass(answer):
        held = ((field.name, getattr(answer, field.name)) for field in fields(answer))
        return all((name == "score" and value == -math.inf) or all_finite(value) for name, value in held)
    return True
