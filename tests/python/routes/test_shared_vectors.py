"""tests/vectors: their content is right, and our graph reproduces it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contribution_tables import to_contributions, to_table
from lm_transparency import Analysis, auto_threshold, route_graph
from make_vectors import FOLDER, hand_made, to_text
from naive_graph import count_token_edges, expected

FILES = sorted(FOLDER.glob("*.json"))
KEYS = ("source", "target", "kind")


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))


def names(edges: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [tuple(edge[key] for key in KEYS) for edge in edges]


def assert_same(got: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert got["threshold"] == wanted["threshold"]
    assert names(got["edges"]) == names(wanted["edges"])
    for column in ("weight", "flow"):
        values = [edge[column] for edge in wanted["edges"]]
        assert [edge[column] for edge in got["edges"]] == pytest.approx(values, abs=1e-7)
    for mass in ("token_mass", "bias_mass", "ended_mass"):
        assert got[mass] == pytest.approx(wanted[mass], abs=1e-7)


def test_there_are_vectors() -> None:
    assert {path.stem for path in FILES} == {*hand_made(), "ioi"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_naive_implementation_gives_the_expected_values(path: Path) -> None:
    vector = read(path)
    for case in vector["cases"]:
        assert_same(expected(vector["contributions"], case), case["expected"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_our_graph_gives_the_expected_values(path: Path) -> None:
    vector = read(path)
    contributions = to_contributions(vector["contributions"])
    for case in vector["cases"]:
        target, threshold, renormalize = case["target"], case["threshold"], case["renormalize"]
        if threshold == "auto":
            threshold = auto_threshold(contributions, target, renormalize=renormalize)
        graph = route_graph(contributions, target, threshold, renormalize=renormalize)
        edges = [
            {"source": str(e.source), "target": str(e.target), "kind": e.kind, "weight": e.weight, "flow": e.flow}
            for e in graph.edges
        ]
        got = {
            "threshold": graph.threshold,
            "edges": sorted(edges, key=lambda edge: tuple(edge[key] for key in KEYS)),
            "token_mass": list(graph.token_mass),
            "bias_mass": graph.bias_mass,
            "ended_mass": graph.ended_mass,
        }
        assert_same(got, case["expected"])


@pytest.mark.parametrize("name", hand_made())
def test_a_vector_that_needs_no_model_is_what_the_script_writes(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text("utf-8") == to_text(hand_made()[name])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_contributions_survive_being_written_and_read(path: Path) -> None:
    table = read(path)["contributions"]
    assert to_table(to_contributions(table)) == table


def test_the_ioi_vector_is_what_the_embedded_model_does(ioi: Analysis) -> None:
    written = to_contributions(read(FOLDER / "ioi.json")["contributions"])
    ours = ioi.contributions
    for name in ("attention_residual", "attention_bias", "ffn", "ffn_residual"):
        assert getattr(ours, name) == pytest.approx(getattr(written, name), abs=1e-5)

    # an entry within rounding of the floor may be in one and not in the other
    def edges(c: Any) -> dict[tuple[int, ...], float]:
        keys = zip(c.edge_layer.tolist(), c.edge_query.tolist(), c.edge_key.tolist(), strict=True)
        return dict(zip(keys, c.edge_weight.tolist(), strict=True))

    here, there = edges(ours), edges(written)
    for key in here.keys() | there.keys():
        assert here.get(key, ours.floor) == pytest.approx(there.get(key, ours.floor), abs=1e-5)


def test_the_ioi_vector_holds_the_known_numbers_of_edges() -> None:
    cases = {(c["threshold"], c["target"]): c["expected"] for c in read(FOLDER / "ioi.json")["cases"]}
    assert count_token_edges(cases[0.04, 14]) == 39
    assert count_token_edges(cases[0.02, 14]) == 178
    assert count_token_edges(cases["auto", 14]) == 60


def test_no_vector_is_large() -> None:
    assert max(path.stat().st_size for path in FILES) < 300_000
