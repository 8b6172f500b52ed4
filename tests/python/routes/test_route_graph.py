"""The graph of one target: properties that hold for any contributions."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contribution_tables import random_table, to_contributions
from lm_transparency import Analysis, RouteGraph, TransparencyError, auto_threshold, route_graph
from lm_transparency.protocol.nodes import Node, parse_node
from lm_transparency.routes.graph import AUTO_EDGES, AUTO_RANGE
from naive_graph import naive_auto, naive_routes


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """Random contributions of all shapes. Some rows are empty, some hold values equal to thresholds."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    table = random_table(
        generator,
        draw(st.integers(1, 5)),
        draw(st.integers(1, 7)),
        draw(st.integers(1, 4)),
        parallel=draw(st.booleans()),
        concentration=draw(st.sampled_from([0.02, 0.1, 0.5, 3.0])),
        bias=draw(st.sampled_from([0.0, 1.0, 20.0])),
    )
    for name in ("attention_residual", "attention_bias", "ffn", "ffn_residual"):
        for row in table[name]:
            for t in range(len(row)):
                if draw(st.integers(0, 9)) == 0:
                    row[t] = draw(st.sampled_from([0.0, 0.04, 0.1]))
    return table


thresholds = st.one_of(st.sampled_from([0.005, 0.04, 0.1, 0.5]), st.floats(0.005, 0.9))


def edges_into(graph: RouteGraph) -> dict[Node, list[Any]]:
    rows: dict[Node, list[Any]] = defaultdict(list)
    for edge in graph.edges:
        rows[edge.target].append(edge)
    return rows


@given(tables(), thresholds, st.booleans(), st.data())
def test_the_graph_is_the_naive_one(table: dict[str, Any], tau: float, renormalize: bool, data: st.DataObject) -> None:
    target = data.draw(st.integers(0, table["n_tokens"] - 1))
    graph = route_graph(to_contributions(table), target, tau, renormalize=renormalize)
    naive = naive_routes(table, target, tau, renormalize)
    ours = sorted((str(e.source), str(e.target), e.kind, e.weight, e.flow) for e in graph.edges)
    theirs = [(e["source"], e["target"], e["kind"], e["weight"], e["flow"]) for e in naive["edges"]]
    assert [edge[:3] for edge in ours] == [edge[:3] for edge in theirs]
    assert [x for edge in ours for x in edge[3:]] == pytest.approx([x for e in theirs for x in e[3:]], abs=1e-12)
    assert graph.token_mass == pytest.approx(naive["token_mass"], abs=1e-12)
    assert (graph.bias_mass, graph.ended_mass) == pytest.approx((naive["bias_mass"], naive["ended_mass"]), abs=1e-12)


@given(tables(), thresholds, st.booleans(), st.data())
def test_mass_is_conserved(table: dict[str, Any], tau: float, renormalize: bool, data: st.DataObject) -> None:
    target = data.draw(st.integers(0, table["n_tokens"] - 1))
    graph = route_graph(to_contributions(table), target, tau, renormalize=renormalize)
    assert sum(graph.token_mass) + graph.bias_mass + graph.ended_mass == pytest.approx(1, abs=1e-9)
    assert all(mass == 0 for mass in graph.token_mass[target + 1 :])
    arrived: dict[Node, float] = defaultdict(float)
    arrived[Node("I", table["n_layers"] - 1, target)] = 1.0
    left: dict[Node, float] = defaultdict(float)
    for edge in graph.edges:
        assert math.isfinite(edge.weight)
        assert 0 < edge.weight <= 1 + 1e-9
        assert 0 < edge.flow <= 1 + 1e-9
        arrived[edge.source] += edge.flow
        left[edge.target] += edge.flow
    # what enters a node leaves it, unless it is an end
    for node, mass in left.items():
        assert mass == pytest.approx(arrived[node], abs=1e-12)


@given(tables(), thresholds, st.data())
def test_renormalised_rows_sum_to_1(table: dict[str, Any], tau: float, data: st.DataObject) -> None:
    target = data.draw(st.integers(0, table["n_tokens"] - 1))
    graph = route_graph(to_contributions(table), target, tau)
    for node, row in edges_into(graph).items():
        if node.kind != "M":
            assert sum(edge.weight for edge in row) == pytest.approx(1, abs=1e-9)
        for edge in row:
            if edge.kind == "attention":
                assert sum(weight for _, weight in edge.heads) == pytest.approx(edge.weight, abs=1e-12)
                assert list(edge.heads) == sorted(edge.heads, key=lambda entry: -entry[1])


@given(tables(), thresholds, thresholds, st.booleans(), st.data())
def test_a_higher_threshold_keeps_a_subset(
    table: dict[str, Any], one: float, other: float, renormalize: bool, data: st.DataObject
) -> None:
    target = data.draw(st.integers(0, table["n_tokens"] - 1))
    contributions = to_contributions(table)

    def kept(tau: float) -> set[tuple[Node, Node, str]]:
        graph = route_graph(contributions, target, tau, renormalize=renormalize)
        return {(edge.source, edge.target, edge.kind) for edge in graph.edges}

    assert kept(max(one, other)) <= kept(min(one, other))


@given(tables(), thresholds, st.booleans(), st.data())
def test_everything_kept_is_reached_from_the_target(
    table: dict[str, Any], tau: float, renormalize: bool, data: st.DataObject
) -> None:
    target = data.draw(st.integers(0, table["n_tokens"] - 1))
    graph = route_graph(to_contributions(table), target, tau, renormalize=renormalize)
    top = Node("I", table["n_layers"] - 1, target)
    fed = {edge.source for edge in graph.edges}
    assert all(edge.target == top or edge.target in fed for edge in graph.edges)
    assert len({(e.source, e.target, e.kind) for e in graph.edges}) == len(graph.edges)
    for edge in graph.edges:
        assert edge.source.position <= edge.target.position
        if edge.kind != "attention":
            assert edge.source.position == edge.target.position


@given(tables(), st.booleans(), st.sampled_from([0, 3, 10]), st.data())
def test_the_automatic_threshold_is_the_smallest_that_fits(
    table: dict[str, Any], renormalize: bool, most: int, data: st.DataObject
) -> None:
    target = data.draw(st.integers(0, table["n_tokens"] - 1))
    contributions = to_contributions(table)

    def count(tau: float) -> int:
        return route_graph(contributions, target, tau, renormalize=renormalize).n_token_edges

    tau = auto_threshold(contributions, target, renormalize=renormalize, most_edges=most)
    assert AUTO_RANGE[0] <= tau <= AUTO_RANGE[1]
    assert tau == naive_auto(table, target, renormalize, most)
    assert count(tau) <= most or tau == AUTO_RANGE[1]
    if tau > AUTO_RANGE[0]:
        assert count(max(AUTO_RANGE[0], tau - 1e-4)) > most


def test_the_ioi_sentence_keeps_39_edges_between_tokens_at_0_04(ioi: Analysis) -> None:
    assert route_graph(ioi.contributions, 14, 0.04).n_token_edges == 39


def test_the_ioi_sentence_keeps_178_edges_between_tokens_at_0_02(ioi: Analysis) -> None:
    assert route_graph(ioi.contributions, 14, 0.02).n_token_edges == 178


def test_the_automatic_threshold_of_the_ioi_sentence_leaves_at_most_60_edges(ioi: Analysis) -> None:
    tau = auto_threshold(ioi.contributions, 14)
    assert 0.02 < tau < 0.04
    assert AUTO_EDGES - 5 <= route_graph(ioi.contributions, 14, tau).n_token_edges <= AUTO_EDGES


@pytest.mark.parametrize("position", [-16, 15, 1000])
def test_a_position_out_of_range_is_refused(ioi: Analysis, position: int) -> None:
    with pytest.raises(TransparencyError, match="has 15 tokens") as caught:
        route_graph(ioi.contributions, position)
    assert caught.value.kind == "invalidPosition"


@pytest.mark.parametrize("threshold", [0.0, 0.0049, 1.0, -1.0, math.nan, math.inf])
def test_a_threshold_below_the_floor_or_no_share_is_refused(ioi: Analysis, threshold: float) -> None:
    with pytest.raises(TransparencyError, match="threshold") as caught:
        route_graph(ioi.contributions, 14, threshold)
    assert caught.value.kind == "invalidParams"


@pytest.mark.parametrize(
    "node", [Node("X", 0, 3), Node("A", 29, 0), Node("M", 7, 12), Node("I", 0, 0), Node("B", 1, 2)]
)
def test_a_node_is_read_back_from_its_name(node: Node) -> None:
    assert parse_node(str(node)) == node


@pytest.mark.parametrize("name", ["", "X", "Z0_1", "I3", "I_3", "I-1_2", "I3_x", "I3_4_5", " I3_4", "I3_4 "])
def test_what_is_no_node_is_refused(name: str) -> None:
    with pytest.raises(TransparencyError) as caught:
        parse_node(name)
    assert caught.value.kind == "invalidParams"
