"""What the cores do at once: the rows of one layer or, of a short prompt, several layers.

Threads of our own, as many as torch computes with: compiled code and torch let go of the interpreter. A layer of a
short prompt is many small steps; to share each of them among the cores takes longer than most of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import lru_cache
from typing import Any, TypeVar

import torch

_T = TypeVar("_T")
_R = TypeVar("_R")


def shared(work: Callable[..., None], *arguments: Any) -> None:
    """`work(share, n_shares, *arguments)` for each share, each on a core: every n-th row from the share's own on."""
    n_shares = torch.get_num_threads()
    if n_shares == 1:
        return work(0, 1, *arguments)
    others = [_threads(n_shares).submit(work, share, n_shares, *arguments) for share in range(1, n_shares)]
    try:
        work(0, n_shares, *arguments)
    finally:
        wait(others)
    for other in others:
        other.result()


def on_a_core_each(compute: Callable[[_T], _R], items: Sequence[_T]) -> Generator[_R]:
    """`map(compute, items)`, as many items at once as torch has threads; in each of them torch has one.

    What is begun comes to its end before an error, or the end of the generator, is passed on.
    """
    n_threads = torch.get_num_threads()
    if n_threads == 1 or len(items) < 2:
        yield from map(compute, items)
        return
    begun: deque[Future[_R]] = deque()
    torch.set_num_threads(1)
    try:
        for item in items:
            begun.append(_threads(n_threads).submit(compute, item))
            # one more than there are threads: no core waits for who reads the results
            if len(begun) > n_threads:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()
        wait(begun)
        torch.set_num_threads(n_threads)


@lru_cache(maxsize=2)
def _threads(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="core")
