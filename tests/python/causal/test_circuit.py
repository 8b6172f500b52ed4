"""What some edges carry, against runs of transformers' own eager attention with the others at their mean."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from families import IDS, build
from lm_transparency import Watch
from lm_transparency.causal.circuit import carried
from lm_transparency.causal.metric import Metric
from lm_transparency.model.anatomy import dissect
from lm_transparency.trace.recording import record

EDGES = [(0, 3, 1), (0, 8, 8), (1, 8, 3), (1, 8, 0), (1, 5, 5)]
LAST = 8


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3_text", "gpt_neox", "falcon", "bloom", "qwen3_next"])
def test_no_edge_carries_nothing_and_all_carry_everything(family: str) -> None:
    model = build(family, {"use_parallel_residual": True} if family == "gpt_neox" else {})
    trace = record(model, dissect(model), IDS, Watch())
    metric = Metric(LAST, int(trace.logits[LAST].argmax()), int(trace.logits[LAST].argmin()))
    layers = [i for i, block in enumerate(trace.anatomy.blocks) if block.has_attention]
    every = [(layer, query, key) for layer in layers for query in range(LAST + 1) for key in range(query + 1)]
    assert carried(model, trace, metric, every, Watch()).kept == pytest.approx(1, abs=1e-3)
    assert carried(model, trace, metric, every, Watch()).removed == pytest.approx(0, abs=1e-3)
    none = carried(model, trace, metric, [], Watch())
    assert (none.kept, none.removed) == pytest.approx((0, 1), abs=1e-3)
    if len(layers) > 1:
        some = [edge for edge in every if edge[1] == LAST]
        assert 0 != carried(model, trace, metric, some, Watch()).kept != 1


def test_edges_at_their_mean_read_the_mean_of_the_values() -> None:
    model = build("llama", {})
    trace = record(model, dissect(model), IDS, Watch())
    metric = Metric(LAST, 7, 11)
    kept = torch.zeros(2, LAST + 1, LAST + 1, dtype=torch.bool)
    for layer, query, key in EDGES:
        kept[layer, query, key] = True
    m = {name: plain(model, trace, metric, mask) for name, mask in (("none", kept & False), ("some", kept))}
    m |= {"rest": plain(model, trace, metric, ~kept), "all": plain(model, trace, metric, kept | True)}
    found = carried(model, trace, metric, EDGES, Watch())
    assert found.kept == pytest.approx((m["some"] - m["none"]) / (m["all"] - m["none"]), rel=1e-3)
    assert found.removed == pytest.approx((m["rest"] - m["none"]) / (m["all"] - m["none"]), rel=1e-3)


def plain(model: Any, trace: Any, metric: Metric, kept: Tensor) -> float:
    """m of a run with eager attention, written out for a Llama."""
    states = model.model.embed_tokens(IDS[None, : LAST + 1])
    places = torch.arange(LAST + 1)[None]
    cos, sin = model.model.rotary_emb(states, places)
    causal = torch.ones(LAST + 1, LAST + 1, dtype=torch.bool).tril()
    with torch.no_grad():
        for layer, block in enumerate(model.model.layers):
            given, attention = block.input_layernorm(states), block.self_attn
            q, k, v = (
                f(given).view(1, LAST + 1, -1, attention.head_dim).transpose(1, 2)
                for f in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            q, k = (x * cos[:, None] + turned(x) * sin[:, None] for x in (q, k))
            k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
            scores = (q @ k.mT * attention.scaling).masked_fill(~causal, float("-inf"))
            weights = scores.softmax(dim=-1)
            clean = trace.layers[layer].attention.values()[None]
            mean = clean[:, :, 1:].mean(dim=2, keepdim=True).expand(-1, -1, LAST + 1, -1).clone()
            mean[:, :, 0] = clean[:, :, 0]
            read = (weights * kept[layer]) @ v + (weights * ~kept[layer]) @ mean
            states = states + attention.o_proj(read.transpose(1, 2).reshape(1, LAST + 1, -1))
            states = states + block.mlp(block.post_attention_layernorm(states))
        return float(metric.of(model.lm_head(model.model.norm(states))[0, -1]))


def turned(x: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return torch.cat([-x[..., half:], x[..., :half]], dim=-1)
