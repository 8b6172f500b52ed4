"""The cost of an analysis after a prompt that it continues by a token, against one from nothing."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from .bench_measure import Row, token_ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..analysis.result import Analysis
    from ..model.loading import LoadedModel


def measure_append(model: LoadedModel, n_tokens: int, repeats: int) -> Row:
    """A prompt of `n_tokens` and one token more: medians in seconds of processor time, over all threads.

    `whole` computes everything, `after` uses the analysis of the prompt; both end with the contributions of every
    position. Each round times both. `n_reused`: positions taken over.
    """
    from ..analysis.making import analyze

    ids = token_ids(model, n_tokens + 1)
    prompt, longer = (model.tokenizer.decode(part) for part in (ids[:-1], ids))
    earlier = analyze(model, prompt, special_tokens="none")
    runs: list[tuple[float, float]] = []
    n_reused = 0
    for _ in range(1 + repeats):
        _, whole = _processor(lambda: analyze(model, longer, special_tokens="none"))
        run, after = _processor(lambda: analyze(model, longer, special_tokens="none", earlier=earlier))
        n_reused = run.n_reused
        runs.append((whole, after))
    # the first round warms up
    whole, after = (statistics.median(times) for times in zip(*runs[1:], strict=True))
    ratio = statistics.median(whole / after for whole, after in runs[1:])
    return {
        "tokens": n_tokens,
        "n_reused": n_reused,
        "whole_cpu_s": whole,
        "after_cpu_s": after,
        "whole_over_after": ratio,
    }


def append_table(rows: list[Row]) -> str:
    lines = [
        "",
        "a token more, every position analysed: processor time of all, and after the analysis of the prompt",
        f"{'tokens':>8}{'taken over':>12}{'all':>12}{'after':>12}{'all ÷ after':>14}",
    ]
    lines += [
        f"{row['tokens']:>8}{row['n_reused']:>12}{row['whole_cpu_s']:>10.3f} s{row['after_cpu_s']:>10.3f} s"
        f"{row['whole_over_after']:>13.1f}×"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _processor(work: Callable[[], Analysis]) -> tuple[Analysis, float]:
    started = time.process_time()
    run = work()
    return run, time.process_time() - started
