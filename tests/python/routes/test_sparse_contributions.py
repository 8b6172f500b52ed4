"""The contributions kept for a whole prompt: every entry above the floor, exact totals, in order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import prompts
import synthetic
from lm_transparency import Analysis, Contributions, LoadedModel, Trace, analyze
from lm_transparency.routes.contributions import FLOOR, contributions, layer_contributions


def assert_sparse_of_dense(kept: Contributions, trace: Trace) -> None:
    floor = np.float32(kept.floor)
    edges = list(zip(kept.edge_layer.tolist(), kept.edge_query.tolist(), kept.edge_key.tolist(), strict=True))
    assert edges == sorted(set(edges))
    assert len(kept.head_offset) == len(edges) + 1
    assert kept.head_offset[0] == 0
    assert kept.head_offset[-1] == len(kept.head_index) == len(kept.head_weight)
    assert (np.diff(kept.head_offset.astype(np.int64)) >= 0).all()
    at = dict(zip(edges, range(len(edges)), strict=True))
    for layer in range(trace.n_layers):
        dense = layer_contributions(trace, layer)
        for name in ("attention_residual", "attention_bias", "ffn", "ffn_residual"):
            assert getattr(kept, name)[layer] == pytest.approx(getattr(dense, name), abs=1e-7)
        total = dense.attention.sum(axis=-1, dtype=np.float64)
        for query, key in np.ndindex(total.shape):
            weight, edge = total[query, key], at.pop((layer, query, key), None)
            if edge is None:
                assert weight <= floor + 1e-6
                continue
            # over all heads, those below the floor too
            assert kept.edge_weight[edge] == pytest.approx(weight, abs=1e-6)
            assert key <= query
            assert kept.edge_weight[edge] > floor
            heads = slice(int(kept.head_offset[edge]), int(kept.head_offset[edge + 1]))
            expected = np.flatnonzero(dense.attention[query, key] > floor)
            assert kept.head_index[heads].tolist() == expected.tolist()
            assert kept.head_weight[heads] == pytest.approx(dense.attention[query, key][expected], abs=1e-6)
    assert not at


@pytest.mark.parametrize("floor", [0.0, FLOOR, 0.05])
def test_a_prompts_contributions_are_every_entry_above_the_floor(tiny: LoadedModel, floor: float) -> None:
    run = analyze(tiny, prompts.MULTILINGUAL, floor=floor)
    assert run.contributions.floor == floor
    assert_sparse_of_dense(run.contributions, run.trace)


def test_the_embedded_models_contributions_are_every_entry_above_the_floor(ioi: Analysis) -> None:
    assert ioi.contributions.floor == FLOOR == 0.005
    assert_sparse_of_dense(ioi.contributions, ioi.trace)


@given(
    seed=st.integers(0, 2**31),
    n_layers=st.integers(1, 4),
    n_tokens=st.integers(1, 6),
    parallel=st.booleans(),
    floor=st.sampled_from([0.0, 0.005, 0.2, 0.9]),
)
def test_any_shape_is_kept_right(seed: int, n_layers: int, n_tokens: int, parallel: bool, floor: float) -> None:
    trace = synthetic.trace(seed, n_layers=n_layers, n_tokens=n_tokens, parallel=parallel)
    kept, proof = contributions(trace, floor=floor)
    assert proof.holds
    assert (kept.n_layers, kept.n_tokens, kept.n_heads, kept.parallel) == (n_layers, n_tokens, 4, parallel)
    assert_sparse_of_dense(kept, trace)


def test_columns_have_the_types_that_the_protocol_sends(ioi: Analysis) -> None:
    types = {
        "edge_layer": "uint16",
        "edge_query": "uint32",
        "edge_key": "uint32",
        "edge_weight": "float32",
        "head_offset": "uint32",
        "head_index": "uint16",
        "head_weight": "float32",
        "attention_residual": "float32",
        "attention_bias": "float32",
        "ffn": "float32",
        "ffn_residual": "float32",
    }
    assert {name: str(getattr(ioi.contributions, name).dtype) for name in types} == types


def test_a_prompt_whose_contributions_are_all_below_the_floor_keeps_no_edge(tiny: LoadedModel) -> None:
    kept = analyze(tiny, prompts.WAR, floor=0.999).contributions
    assert len(kept.edge_layer) == len(kept.head_index) == 0
    assert kept.head_offset.tolist() == [0]
    assert kept.ffn.shape == (tiny.anatomy.n_layers, kept.n_tokens)
