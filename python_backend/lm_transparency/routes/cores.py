"""How much is done at once: several layers or, where that would take too much memory, the rows of one.

A layer is many small steps, and to share each of them among the cores takes longer than most of them. Compiled code and
torch let go of the interpreter, so threads of our own suffice: as many as torch computes with. As OpenMP's do, they
belong to the thread that computes, whose niceness they have.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import torch

_T = TypeVar("_T")
_R = TypeVar("_R")


#: Head outputs, of one layer on every core, that may be in memory at once: 24 M float32 are 96 MB.
_MOST_OUTPUTS = 24_000_000
#: Fewer parts than these are not shared: to wake another thread takes a good part of the time they take.
_WORTH_SHARING = 20_000
#: A block has so many queries: with smaller ones less is computed above the diagonal, with larger ones steps are fewer.
_BLOCK_QUERIES = 128
#: Attention weights that are in memory at once, of every head and key for a block: 4 M float32 are 16 MB.
_BLOCK_WEIGHTS = 4_000_000


def layers_at_once(n_outputs: int) -> int:
    """How many layers are computed at once on the CPU, each with `n_outputs` numbers in its head outputs."""
    n_threads = torch.get_num_threads()
    return n_threads if n_threads * n_outputs <= _MOST_OUTPUTS else 1


def queries_at_once(n_heads: int, n_tokens: int) -> int:
    """How many queries of a prompt are looked at in one block, by all heads of a layer."""
    if n_tokens <= 2 * _BLOCK_QUERIES:
        return n_tokens
    return max(16, min(_BLOCK_QUERIES, _BLOCK_WEIGHTS // max(1, n_heads * n_tokens)))


def shared(work: Callable[..., None], n_parts: int, *arguments: Any) -> None:
    """`work(share, n_shares, *arguments)` for every share, each on a core: every n-th row from the share's own on."""
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
    """`map(compute, items)`, as many items at once as torch has threads; in each of them torch has one.

    What is begun comes to its end before an error, or the end of the generator, is passed on.
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
            # who reads computes as well: while the next result is not there, what no other thread has begun
            while i not in own and not other.done() and (taken := _take(others, i, own)) is not None:
                own[taken] = _done(compute, items[taken])
            yield own.pop(i, other).result()
    finally:
        wait([other for other in others if not (other.cancel() or other.done())])
        torch.set_num_threads(n_threads)


def _done(compute: Callable[[_T], _R], item: _T) -> Future[_R]:
    """What `compute` returns or raises, to be handed on in its turn."""
    made: Future[_R] = Future()
    try:
        made.set_result(compute(item))
    except Exception as error:
        made.set_exception(error)
    return made


def _take(futures: Sequence[Future[_R]], first: int, taken: Container[int]) -> int | None:
    """The first that is neither begun nor taken, from now on left to who asks."""
    return next((i for i in range(first, len(futures)) if i not in taken and futures[i].cancel()), None)


class _Pools(threading.local):
    """By their size; they end with the thread that they belong to."""

    def __init__(self) -> None:
        self.of_size: dict[int, ThreadPoolExecutor] = {}


_pools = _Pools()


def _threads(n_threads: int) -> ThreadPoolExecutor:
    if n_threads not in _pools.of_size:
        _pools.of_size[n_threads] = ThreadPoolExecutor(n_threads, thread_name_prefix="core")
    return _pools.of_size[n_threads]
