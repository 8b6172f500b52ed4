"""The worked values published with the reference (docs/method.md#checks), on the definition itself."""

from __future__ import annotations

import numpy as np
import pytest

from contribution_tables import from_dense, to_contributions
from lm_transparency import route_graph
from lm_transparency.routes.contribution import contributions, proximity


def test_attention_and_residual_of_the_worked_example_with_the_l2_norm() -> None:
    parts = np.array([[1.0, 1.0], [-1.0, 0.0], [2.0, 1.0]])  # two heads, then pre
    shares = contributions(parts, np.array([2.0, 2.0]), norm=2)
    assert shares == pytest.approx([0.43613, 0, 0.56387], abs=1e-5)


def test_neurons_of_the_worked_example() -> None:
    parts = np.array([[1.0, 1.0], [2.0, 2.0], [1.0, 1.0]])  # two neurons, then the residual
    assert contributions(parts, np.array([4.0, 4.0]), norm=2) == pytest.approx([0.25, 0.5, 0.25])
    assert contributions(parts, np.array([4.0, 4.0]), norm=1) == pytest.approx([0.25, 0.5, 0.25])


def test_renormalising_of_the_worked_example() -> None:
    attention = np.zeros((1, 1, 1, 2))
    attention[0, 0, 0] = 0.05, 0.15
    residual = np.array([[0.8]])
    table = from_dense(attention, residual, np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1)))
    graph = route_graph(to_contributions(table), 0, 0.1)
    edges = {e.kind: e for e in graph.edges if e.target.kind == "A"}
    assert edges["attention"].heads == ((1, pytest.approx(0.157894, abs=1e-6)),)
    assert edges["attention"].weight == pytest.approx(0.157894, abs=1e-6)
    assert edges["residual"].weight == pytest.approx(0.842105, abs=1e-6)


def test_a_part_is_the_whole() -> None:
    whole = np.array([3.0, -4.0, 0.5])
    assert proximity(whole, whole) == pytest.approx(7.5)
    assert contributions(whole[None], whole) == pytest.approx([1.0])


def test_a_part_that_opposes_the_whole_contributes_nothing() -> None:
    whole = np.array([3.0, -4.0])
    assert contributions(np.array([2 * whole, -whole]), whole) == pytest.approx([0.0, 0.0])
    assert contributions(np.array([1.5 * whole, -0.5 * whole]), whole) == pytest.approx([1.0, 0.0])


def test_the_clip_of_the_reference_gives_opposing_parts_a_small_weight() -> None:
    whole = np.array([1.0, 1.0])
    shares = contributions(np.array([[2.0, 1.0], [-1.0, 0.0]]), whole, clip=1e-5)
    assert shares == pytest.approx([1 - 1e-5, 1e-5], abs=1e-9)


def test_no_part_carries_towards_a_whole_that_is_zero() -> None:
    assert contributions(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.zeros(2)).tolist() == [0, 0]
