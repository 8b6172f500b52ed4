"""Contributions that are known in part, compared with all of them."""

from __future__ import annotations

import pytest

from lm_transparency import Contributions

_ROWS = ("attention_residual", "attention_bias", "mixer", "ffn", "ffn_residual")


def assert_known_rows_are_those_of(found: Contributions, whole: Contributions, within: float = 1e-6) -> None:
    for name in _ROWS:
        mine, other = getattr(found, name), getattr(whole, name)
        assert mine[found.known] == pytest.approx(other[found.known], abs=within)
        assert not mine[~found.known].any()
    for name in ("attention_total", "ffn_total"):
        mine, other = getattr(found, name), getattr(whole, name)
        assert mine[found.known] == pytest.approx(other[found.known], rel=1e-5)
    edges, others = edges_of(found), edges_of(whole)
    listed = {edge: weight for edge, weight in others.items() if found.known[edge[:2]]}
    # values exactly at the floor may fall on either side
    for edge in edges.keys() ^ listed.keys():
        assert {**edges, **listed}[edge] == pytest.approx(found.floor, abs=within)
    both = sorted(edges.keys() & listed.keys())
    assert [edges[edge] for edge in both] == pytest.approx([listed[edge] for edge in both], abs=within)


def edges_of(c: Contributions) -> dict[tuple[int, int, int], float]:
    columns = (c.edge_layer, c.edge_query, c.edge_key, c.edge_weight)
    return {(x, q, k): w for x, q, k, w in zip(*(column.tolist() for column in columns), strict=True)}
