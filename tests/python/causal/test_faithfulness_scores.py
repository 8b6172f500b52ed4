"""The scores that docs/faithfulness.md compares, against what the package computes for the same parts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from faithfulness.measuring import largest_first
from faithfulness.record import NAMES
from faithfulness.relevance import relevance
from faithfulness.scores import Run, all_scores, direct

from families import IDS, build
from lm_transparency import Watch
from lm_transparency.causal.gradient import gradient
from lm_transparency.causal.metric import Metric
from lm_transparency.causal.predicted import effect_of
from lm_transparency.causal.shares import shares
from lm_transparency.causal.sites import EMBEDDING
from lm_transparency.causal.units import edge
from lm_transparency.model.anatomy import dissect
from lm_transparency.routes.contributions import layer_contributions
from lm_transparency.trace.recording import record

METRIC = Metric(8, 7, 11)


def run_of(family: str) -> Run:
    model = build(family, {})
    trace = record(model, dissect(model), IDS, Watch())
    return Run(cast("Any", SimpleNamespace(model=SimpleNamespace(model=model), trace=trace)), METRIC)


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "qwen3_next"])
def test_scores_are_those_of_the_package(family: str) -> None:
    run = run_of(family)
    found = all_scores(run, 0)
    assert tuple(found) == NAMES
    assert all(np.isfinite(table).all() for one in found.values() for table in one.tables.values())
    slopes = gradient(run.model, run.anatomy, IDS, METRIC, Watch())
    for kind in ("edge", "head", "ffn"):
        for unit in run.units(kind)[::7]:
            wanted = effect_of(slopes, run.parts.of(unit, "default"))
            assert found["gradient"].of(unit) == pytest.approx(wanted, abs=1e-5)
    layer = run.units("edge")[0].layer
    rows = layer_contributions(run.trace, layer)
    assert found["contribution"].tables["edge"][layer] == pytest.approx(rows.attention[:9, :9].sum(axis=2))


def test_flow_without_a_threshold_loses_nothing() -> None:
    run = run_of("llama")
    tables = all_scores(run, 0)["flow"].tables
    top = run.trace.n_layers - 1
    rows = layer_contributions(run.trace, top)
    # the last state of the last position holds all of the flow
    assert tables["ffn"][top, 8] == pytest.approx(rows.ffn[8])
    assert tables["edge"][top, 8] == pytest.approx(rows.attention[8, :9].sum(axis=-1), abs=1e-6)
    assert tables["head"].sum() == pytest.approx(tables["edge"].sum(), rel=1e-5)


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "cohere"])
def test_direct_attributions_of_the_last_state_sum_to_m(family: str) -> None:
    run = run_of(family)
    direction = next(iter(direct(run).values()))
    m = float(METRIC.of(run.trace.logits[8]))
    assert float(direction[-1] @ run.trace.layers[-1].post[8].float()) == pytest.approx(m, abs=1e-4)
    assert not direction[:-1].any()


def test_shares_of_tokens_are_those_of_their_embeddings() -> None:
    run = run_of("llama")
    at = relevance(run.model, run.anatomy, IDS[:9], METRIC)
    wanted = shares(run.model, run.anatomy, IDS, METRIC, Watch()).tokens
    found = (at[EMBEDDING] * run.trace.layers[0].pre[:9]).sum(dim=-1)
    assert found.tolist() == pytest.approx(wanted.tolist(), abs=1e-5)


def test_units_that_score_the_same_are_in_no_order_of_layers() -> None:
    units = [edge(layer, query, 0) for layer in range(20) for query in range(5)]
    strong = set(units[7::30])
    found = largest_first(units, lambda unit: float(unit in strong), 0)
    assert set(found[: len(strong)]) == strong and set(found) == set(units)
    rest = [unit.layer for unit in found[len(strong) :]]
    assert 7 < np.mean(rest[:30]) < 12
    assert found == largest_first(units, lambda unit: float(unit in strong), 0)
    assert found != largest_first(units, lambda unit: float(unit in strong), 1)
