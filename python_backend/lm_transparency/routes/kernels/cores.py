"""How much is computed at once: several layers, or the rows of one layer where several would take too much memory.

A layer consists of many small steps, and sharing each of them among the cores takes longer than most of them. Compiled
code and torch release the interpreter lock, so threads suffice: as many as torch computes with. Like OpenMP's, they
belong to the computing thread and share its niceness.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import torch

_T = TypeVar("_T")
_R = TypeVar("_R")


#: Head outputs that may be in memory at once, for one layer on every core: 24 M float32 are 96 MB.
_MOST_OUTPUTS = 24_000_000
#: Fewer parts than these are not shared: waking another thread takes a good part of their time.
_WORTH_SHARING = 20_000
#: Queries in a block: smaller blocks compute less above the diagonal, larger ones need fewer steps.
_BLOCK_QUERIES = 128
#: Attention weights in memory at once, for every head and key of a block: 4 M float32 are 16 MB.
_BLOCK_WEIGHTS = 4_000_000


def layers_at_once(n_outputs: int) -> int:
    """How many layers to compute at once on the CPU, each with `n_outputs` numbers in its head outputs."""
    n_threads = torch.get_num_threads()
    return n_threads if n_threads * n_outputs <= _MOST_OUTPUTS else 1


def queries_at_once(n_heads: int, n_tokens: int) -> int:
    """How many queries of a prompt all heads of a layer process in one block."""
    if n_tokens <= 2 * _BLOCK_QUERIES:
        return n_tokens
    return max(16, min(_BLOCK_QUERIES, _BLOCK_WEIGHTS // max(1, n_heads * n_tokens)))


def shared(work: Callable[..., None], n_parts: int, *arguments: Any) -> None:
    """Run `work(share, n_shares, *arguments)` for each share on a core of its own; a share is every n-th row."""
    n_shares = torch.get_num_threads() if n_parts > _WORTH_SHARING else 1
    if n_shares == 1:
        work(0, 1, *arguments)
        return
    others = [_threads(n_shares).submit(work, share, n_shares, *arguments) for share in range(1, n_shares)]
    try:
        work(0, n_shares, *arguments)
    finally:
        wait(others)
    for other in others:
        other.result()


def on_a_core_each(compute: Callable[[_T], _R], items: Sequence[_T]) -> Generator[_R]:
    """`map(compute, items)` with as many items at once as torch has threads; torch uses one thread in each.

    Items that have begun finish before an error, or the end of the generator, is passed on.
    """
    n_threads = torch.get_num_threads()
    if n_threads == 1 or len(items) < 2:
        yield from map(compute, items)
        return
    torch.set_num_threads(1)
    others = [_threads(n_threads - 1).submit(compute, item) for item in items]
    own: dict[int, Future[_R]] = {}
    try:
        for i, other in enumerate(others):
            # the reading thread computes too: while the next result is not there, it takes an item that has not begun
            while i not in own and not other.done() and (taken := _take(others, i, own)) is not None:
                own[taken] = _done(compute, items[taken])
            yield own.pop(i, other).result()
    finally:
        wait([other for other in others if not (other.cancel() or other.done())])
        torch.set_num_threads(n_threads)


def _done(compute: Callable[[_T], _R], item: _T) -> Future[_R]:
    """The result or error of `compute`, to be passed on in order."""
    made: Future[_R] = Future()
    try:
        made.set_result(compute(item))
    except Exception as error:
        made.set_exception(error)
    return made


def _take(futures: Sequence[Future[_R]], first: int, taken: Container[int]) -> int | None:
    """The first item that has not begun, now claimed by the caller."""
    return next((i for i in range(first, len(futures)) if i not in taken and futures[i].cancel()), None)


class _Pools(threading.local):
    """Pools by size; they end with the thread that owns them."""

    def __init__(self) -> None:
        self.of_size: dict[int, ThreadPoolExecutor] = {}


_pools = _Pools()


def _threads(n_threads: int) -> ThreadPoolExecutor:
    if n_threads not in _pools.of_size:
        _pools.of_size[n_threads] = ThreadPoolExecutor(n_threads, thread_name_prefix="core")
    return _pools.of_size[n_threads]
