"""Predicted effects of all parts at once, against the gradient times each part alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from families import IDS, build
from lm_transparency import Watch
from lm_transparency.causal.gradient import gradient
from lm_transparency.causal.metric import Metric
from lm_transparency.causal.parts import Parts
from lm_transparency.causal.predicted import effect_of, predicted
from lm_transparency.causal.units import Unit, edge
from lm_transparency.model.anatomy import dissect
from lm_transparency.trace.recording import record

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {"attention_bias": True},
    **{name: {} for name in ("gpt2", "gemma3_text", "qwen3_next", "bitnet", "mixtral", "jamba")},
    "gpt_neox": {"use_parallel_residual": True},
}


@pytest.mark.parametrize(("last", "queries"), [(8, 10), (9, 10), (9, 4)])
@pytest.mark.parametrize("family", FAMILIES)
def test_each_effect_is_the_gradient_times_the_part(
    family: str, last: int, queries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_once(_n_heads: int, _n_tokens: int) -> int:
        return queries

    # a long prompt is computed in steps of some queries
    monkeypatch.setattr("lm_transparency.causal.predicted.queries_at_once", at_once)
    model = build(family, FAMILIES[family])
    trace = record(model, dissect(model), IDS, Watch())
    found = gradient(model, trace.anatomy, IDS, Metric(last, 7, 11), Watch())
    all_of, parts = predicted(Parts(trace), found, "default", Watch()), Parts(trace)

    def alone(unit: Unit) -> float:
        return effect_of(found, parts.of(unit))

    n, edges = last + 1, dict(all_of.edges.units())
    some = list(edges.items())
    assert [abs(effect) for _, effect in some] == sorted((abs(effect) for _, effect in some), reverse=True)
    for unit, effect in (*some[:8], *some[-8:]):
        assert effect == pytest.approx(alone(unit), rel=1e-3, abs=1e-6)
    # every edge is there: none of those left out is stronger than the weakest
    for layer, block in enumerate(trace.anatomy.blocks):
        if block.has_attention:
            for query in range(n):
                for key in range(query + 1):
                    one = edge(layer, query, key)
                    assert one in edges or abs(alone(one)) <= abs(some[-1][1]) + 1e-6
            heads = [[alone(Unit("head", layer, t, head=h)) for h in range(trace.n_heads)] for t in range(n)]
            assert all_of.heads[layer] == pytest.approx(np.array(heads), rel=1e-3, abs=1e-5)
        if block.has_ffn:
            ffn = [alone(Unit("ffn", layer, t)) for t in range(n)]
            assert all_of.ffn[layer] == pytest.approx(np.array(ffn), rel=1e-3, abs=1e-5)
        states = [alone(Unit("residual", layer, t)) for t in range(n)]
        assert all_of.residual[layer] == pytest.approx(np.array(states), rel=1e-3, abs=1e-5)
        if all_of.bias[layer].any():
            biases = [alone(Unit("bias", layer, t)) for t in range(n)]
            assert all_of.bias[layer] == pytest.approx(np.array(biases), rel=1e-3, abs=1e-5)
    tokens = [alone(Unit("token", -1, t)) for t in range(n)]
    assert all_of.tokens == pytest.approx(np.array(tokens), rel=1e-3, abs=1e-5)
    assert all_of.bias.any() == (family in ("llama", "gpt2", "gpt_neox"))
