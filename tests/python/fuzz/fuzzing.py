"""Random inputs of one kind: their number, the time limit of each, and the report at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from lm_transparency.errors import TransparencyError

T = TypeVar("T")

#: `make test` tries so many inputs of each kind; `make test-more` sets LMT_FUZZ to 100,000.
INPUTS = int(os.environ.get("LMT_FUZZ", "300"))
#: Processor seconds of one input that mean "hangs": an ordinary one takes about a millisecond.
HANGS = 10.0


def tried(kind: str, inputs: st.SearchStrategy[T], read: Callable[[T], bool | None]) -> None:
    """Pass `INPUTS` of `inputs` to `read`, which may raise `TransparencyError` and nothing else.

    Fails with the smallest input that crashes or hangs, and prints the counts. `read` returns whether it accepted its
    input (None: it did).
    """
    tried_together(kind, inputs.map(lambda one: [one]), lambda ones: read(ones[0]) is not False, 1)


def tried_together(
    kind: str, inputs: st.SearchStrategy[list[T]], read: Callable[[list[T]], int], together: int
) -> None:
    """Like `tried` for lists of `together` inputs. `read` returns how many of them it accepted."""
    counts = {"accepted": 0, "refused": 0}
    slowest = 0.0

    @settings(
        max_examples=INPUTS // together,
        deadline=None,
        database=None,
        # the same inputs each time in `make test`; others in each longer run
        derandomize=INPUTS <= 1000,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs)
    def each(some: list[T]) -> None:
        nonlocal slowest
        started = time.process_time()
        try:
            accepted = int(read(some))
        except TransparencyError as error:
            accepted = _said(error)
        took = time.process_time() - started
        slowest = max(slowest, took)
        assert took < HANGS, f"took {took:.1f} s of processor time"
        counts["accepted"] += accepted
        counts["refused"] += len(some) - accepted

    each()
    total = sum(counts.values())
    print(
        f"\n{kind}: {total:,} inputs ({counts['accepted']:,} accepted, {counts['refused']:,} refused), 0 crashes, "
        f"0 hangs; the slowest took {slowest * 1000:.0f} ms"
    )
    # shrinking and repeats leave a few out; far fewer means that the strategy is too narrow
    assert total >= INPUTS * 0.9


def _said(error: TransparencyError) -> int:
    assert error.message, "a refusal needs a sentence"
    return 0


def pieced(*pieces: str, most: int = 12) -> st.SearchStrategy[str]:
    """Texts from `pieces` and any other characters, including surrogates."""
    anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=8)
    return st.lists(st.one_of(st.sampled_from(pieces), anything), max_size=most).map("".join)


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """`whole` with some of its bytes replaced, inserted or cut off."""
    edit = st.tuples(st.integers(0, len(whole)), st.integers(0, 12), st.binary(max_size=12))

    def apply(edits: list[tuple[int, int, bytes]]) -> bytes:
        data = whole
        for at, length, replacement in edits:
            data = data[:at] + replacement + data[at + length :]
        return data

    return st.lists(edit, min_size=1, max_size=4).map(apply)
