"""Limits of a task in a child process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """`seconds` of processor time, so that a busy machine refuses no model.

    `idle_seconds`: without progress (a file that never answers). `memory_bytes`: besides what the child held when the
    task began. `answer_bytes`: of the answer as JSON.
    """

    seconds: float = 20.0
    idle_seconds: float = 60.0
    memory_bytes: int = 1_000_000_000
    answer_bytes: int = 32_000_000
