"""Rows in the order they are reached: the graph of one target first, then layer by layer, until all are complete."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import prompts
import synthetic
from families import IDS, build
from known_rows import assert_known_rows_are_those_of
from lm_transparency import Analysis, Contributions, LoadedModel, Trace, analyze
from lm_transparency.model.anatomy import dissect
from lm_transparency.routes.contributions import contributions
from lm_transparency.routes.gathering import Gathering
from lm_transparency.routes.graph import auto_threshold, route_graph
from lm_transparency.trace.recording import record
from lm_transparency.watch import Watch


def assert_same_graph(found: Contributions, whole: Contributions, target: int, threshold: float, **how: Any) -> None:
    a, b = (route_graph(c, target, threshold, **how) for c in (found, whole))
    named = [{(str(e.source), str(e.target), e.kind): e for e in graph.edges} for graph in (a, b)]
    assert named[0].keys() == named[1].keys()
    for name, edge in named[0].items():
        other = named[1][name]
        assert (edge.weight, edge.flow) == pytest.approx((other.weight, other.flow), abs=1e-5)
        assert [head for head, _ in edge.heads] == [head for head, _ in other.heads]
    assert a.token_mass == pytest.approx(b.token_mass, abs=1e-5)


def assert_reaches(trace: Trace, whole: Contributions, target: int) -> None:
    gathering = Gathering(trace)
    low = gathering.reach(target)
    found, proof = gathering.result()
    assert proof.holds
    assert_known_rows_are_those_of(found, whole)
    chosen = auto_threshold(whole, target)
    assert low <= chosen
    assert auto_threshold(found, target) == chosen
    for threshold in {chosen, (chosen + 0.3) / 2, 0.3}:
        assert_same_graph(found, whole, target, threshold)


@pytest.fixture(scope="module")
def long(embedded: LoadedModel) -> Analysis:
    """150 tokens on the embedded model."""
    return analyze(embedded, prompts.LONG)


def test_the_graph_of_the_last_token_needs_a_few_of_the_rows(long: Analysis) -> None:
    assert_reaches(long.trace, long.contributions, long.target)
    gathering = Gathering(long.trace)
    gathering.reach(long.target)
    found, _ = gathering.result()
    assert 0 < found.known.sum() < 0.5 * found.known.size
    assert not found.is_complete


def test_any_other_target_and_any_threshold_are_reached_as_they_are_asked_for(long: Analysis) -> None:
    gathering = Gathering(long.trace)
    gathering.reach(long.target)
    for target, threshold, renormalize in ((40, 0.02, True), (long.target, 0.01, True), (90, 0.04, False)):
        gathering.reach(target, threshold=threshold, renormalize=renormalize)
        found, _ = gathering.result()
        assert_known_rows_are_those_of(found, long.contributions)
        assert_same_graph(found, long.contributions, target, threshold, renormalize=renormalize)


def test_gathered_to_the_end_it_is_bit_for_bit_what_is_computed_at_once(long: Analysis) -> None:
    gathering = Gathering(long.trace)
    gathering.reach(long.target)
    while gathering.to_go:
        gathering.complete(gathering.to_go[-1])
    assert gathering.is_complete
    found, proof = gathering.result()
    assert proof == long.proof
    for name, value in vars(long.contributions).items():
        assert np.array_equal(getattr(found, name), value), name


@pytest.mark.parametrize("target", [3, -1])
def test_tiny_models_of_every_kind_are_reached(any_model: LoadedModel, target: int) -> None:
    run = analyze(any_model, prompts.MULTILINGUAL)
    assert_reaches(run.trace, run.contributions, range(len(run.tokens))[target])


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("lfm2", {}),
        ("falcon_h1", {}),
        # a gate by the query, and one factor a head
        ("qwen3_next", {}),
        ("laguna", {"gating": "per-head"}),
        ("mixtral", {}),
        ("gpt_neox", {}),
        ("gpt_oss", {}),
    ],
)
def test_hybrids_gates_experts_parallel_blocks_and_sinks_are_reached(family: str, changes: dict[str, Any]) -> None:
    model = build(family, changes)
    trace = record(model, dissect(model), IDS, Watch())
    assert_reaches(trace, contributions(trace)[0], 9)


@given(
    seed=st.integers(0, 2**31),
    n_layers=st.integers(1, 4),
    n_tokens=st.integers(1, 12),
    parallel=st.booleans(),
    most_edges=st.integers(0, 8),
)
def test_any_shape_is_reached(seed: int, n_layers: int, n_tokens: int, parallel: bool, most_edges: int) -> None:
    trace = synthetic.trace(seed, n_layers=n_layers, n_tokens=n_tokens, parallel=parallel)
    whole, _ = contributions(trace)
    gathering = Gathering(trace)
    low = gathering.reach(n_tokens - 1, most_edges=most_edges)
    found, _ = gathering.result()
    assert_known_rows_are_those_of(found, whole)
    assert auto_threshold(found, n_tokens - 1, most_edges=most_edges) == auto_threshold(
        whole, n_tokens - 1, most_edges=most_edges
    )
    assert_same_graph(found, whole, n_tokens - 1, low + 1e-5)
