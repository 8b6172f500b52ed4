"""Several layers in parallel: in order, completed once begun, and with the same numbers as one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

import numpy as np
import pytest
import torch

import prompts
from lm_transparency import LoadedModel, analyze
from lm_transparency.routes.kernels import cores


@pytest.fixture
def two_threads() -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_with_one_thread_each_and_two_at_once(two_threads: None) -> None:
    met = threading.Barrier(2, timeout=30)

    def compute(item: int) -> tuple[int, int, str]:
        # neither gets past here alone
        met.wait()
        return item, torch.get_num_threads(), threading.current_thread().name

    found = list(cores.on_a_core_each(compute, range(8)))
    assert [item for item, _, _ in found] == list(range(8))
    assert {threads for _, threads, _ in found} == {1}
    assert len({name for *_, name in found}) == 2
    assert torch.get_num_threads() == 2


def test_an_error_comes_out_after_what_was_begun_has_ended(two_threads: None) -> None:
    running, begun = [0], []

    def compute(item: int) -> int:
        running[0] += 1
        begun.append(item)
        time.sleep(0.01)
        try:
            if item == 2:
                raise MemoryError("no room")
            return item
        finally:
            running[0] -= 1

    results = cores.on_a_core_each(compute, range(100))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(MemoryError, match="no room"):
        next(results)
    assert running == [0]
    assert max(begun) < 8
    assert torch.get_num_threads() == 2


def test_who_stops_reading_leaves_nothing_running(two_threads: None) -> None:
    begun: list[int] = []

    def compute(item: int) -> int:
        begun.append(item)
        time.sleep(0.01)
        return item

    results = cores.on_a_core_each(compute, range(100))
    assert next(results) == 0
    results.close()
    n_begun = len(begun)
    assert n_begun < 8
    assert torch.get_num_threads() == 2
    assert list(cores.on_a_core_each(lambda item: item, range(3))) == [0, 1, 2]
    assert len(begun) == n_begun


@pytest.mark.parametrize(("n_threads", "n_parts", "n_shares"), [(1, 10**6, 1), (2, 10**6, 2), (3, 10**6, 3), (3, 9, 1)])
def test_every_row_is_in_one_share(n_threads: int, n_parts: int, n_shares: int, two_threads: None) -> None:
    torch.set_num_threads(n_threads)
    rows, shares = np.zeros(10), set[int]()

    def work(share: int, n_shares: int, rows: np.ndarray) -> None:
        shares.add(n_shares)
        rows[share::n_shares] += 1

    cores.shared(work, n_parts, rows)
    assert (rows == 1).all()
    assert shares == {n_shares}


def test_an_error_in_one_share_comes_out(two_threads: None) -> None:
    def work(share: int, n_shares: int) -> None:
        if share == n_shares - 1:
            raise ValueError("in the other share")

    with pytest.raises(ValueError, match="other share"):
        cores.shared(work, 10**6)


def test_layers_at_once_say_what_layers_one_by_one_say(embedded: LoadedModel, two_threads: None) -> None:
    at_once = analyze(embedded, prompts.WAR)
    torch.set_num_threads(1)
    one_by_one = analyze(embedded, prompts.WAR)
    assert at_once.proof.holds
    for name in ("edge_layer", "edge_query", "edge_key", "head_index"):
        np.testing.assert_array_equal(getattr(at_once.contributions, name), getattr(one_by_one.contributions, name))
    for name in ("edge_weight", "head_weight", "attention_residual", "ffn"):
        found, expected = getattr(at_once.contributions, name), getattr(one_by_one.contributions, name)
        np.testing.assert_allclose(found, expected, atol=2e-5)
