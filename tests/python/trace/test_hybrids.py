"""Layers without attention probabilities, and gates between heads and W_O: parts that sum, and clear messages."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

import lm_transparency as lt
from families import IDS, build
from lm_transparency import TransparencyError, Watch
from lm_transparency.exports import export_text
from lm_transparency.exports.arrays import as_arrays
from lm_transparency.exports.report import as_text
from lm_transparency.model.anatomy import dissect
from lm_transparency.routes import parts as parts_module
from lm_transparency.routes.contribution import contributions as definition
from lm_transparency.routes.contributions import contributions, layer_contributions
from lm_transparency.routes.graph import route_graph
from lm_transparency.routes.heads import head_part
from lm_transparency.trace.recording import record
from lm_transparency.trace.trace import Trace
from tiny_models import train_tokenizer

PROMPT = "When Mary and John went to the store"


def traced(family: str, changes: dict[str, Any]) -> Trace:
    model = build(family, changes)
    return record(model, dissect(model), IDS, Watch())


@pytest.fixture(scope="module")
def hybrid(tmp_path_factory: pytest.TempPathFactory) -> lt.Analysis:
    """A short convolution in layer 0, attention in layer 1, from disk."""
    folder, tokenizer = tmp_path_factory.mktemp("hybrid"), train_tokenizer()
    build("lfm2", {"vocab_size": len(tokenizer) + 8}).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return lt.analyze(lt.load_model(str(folder)), PROMPT)


@pytest.mark.parametrize(
    ("family", "layer"), [("lfm2", 0), ("jamba", 0), ("qwen3_next", 0), ("falcon_h1", 1), ("nemotron_h", 0)]
)
def test_a_mixer_is_one_part_of_its_position(family: str, layer: int) -> None:
    trace = traced(family, {})
    made, kept = layer_contributions(trace, layer), trace.layers[layer]
    assert made.error.largest <= 1e-5
    assert kept.mixer is not None
    for t in range(trace.n_tokens):
        rows = [kept.pre[t], kept.mixer[t]]
        if trace.anatomy.blocks[layer].has_attention:
            rows += [head_part(trace, layer, h, t, s) for h in range(trace.n_heads) for s in range(t + 1)]
        wanted = definition(torch.stack(rows).double().numpy(), kept.mid[t].double().numpy())
        assert made.attention_residual[t] == pytest.approx(wanted[0], abs=1e-5)
        assert made.mixer[t] == pytest.approx(wanted[1], abs=1e-5)
        assert made.attention[t].sum() == pytest.approx(wanted[2:].sum(), abs=1e-4)
    assert made.mixer.max() > 0.01


@pytest.mark.parametrize(
    ("family", "changes", "by_query"),
    [
        ("qwen3_next", {"layer_types": ["full_attention"] * 2}, True),
        ("laguna", {"gating": "per-element"}, True),
        # one factor a head, or one a position: nothing depends on the query but a scale
        ("laguna", {"gating": "per-head"}, False),
        ("bitnet", {}, False),
    ],
)
def test_a_gated_head_is_taken_apart_by_the_definition(family: str, changes: dict[str, Any], by_query: bool) -> None:
    trace = traced(family, changes)
    gate, kept = trace.layers[1].gate, trace.layers[1]
    assert gate is not None
    assert gate.by_query == by_query
    made = layer_contributions(trace, 1)
    assert made.error.largest <= 1e-5
    for t in (0, 4, 9):
        rows = torch.stack([head_part(trace, 1, h, t, s) for s in range(t + 1) for h in range(trace.n_heads)])
        assert float((rows.sum(0) - (kept.mid[t] - kept.pre[t])).norm() / kept.mid[t].norm()) <= 1e-5
        everything = torch.cat([rows, kept.pre[t : t + 1]]).double().numpy()
        wanted = definition(everything, kept.mid[t].double().numpy())
        assert made.attention[t, : t + 1].reshape(-1) == pytest.approx(wanted[:-1], abs=1e-5)


def test_what_mixes_channels_between_heads_and_w_o_is_refused() -> None:
    model = build("bitnet", {})
    for layer in model.model.layers:
        layer.self_attn.attn_sub_norm = torch.nn.LayerNorm(32)
    with pytest.raises(TransparencyError, match="neither a gate nor an RMSNorm") as caught:
        record(model, dissect(model), IDS, Watch())
    assert caught.value.kind == "modelUnsupported"


def test_a_wrong_multiplier_of_a_mixer_fails_the_proof() -> None:
    model = build("falcon_h1", {})
    anatomy = dissect(model)
    for block in anatomy.blocks:
        assert block.mixer is not None
        object.__setattr__(block.mixer, "multiplier", 0.5 * block.mixer.multiplier)
    assert not contributions(record(model, anatomy, IDS, Watch()))[1].holds


def test_head_outputs_that_are_wrong_where_the_kernel_reads_them_fail_the_proof(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trace = traced("llama", {})
    assert contributions(trace)[1].holds
    right = parts_module.outputs_error

    def wrong(weights: Any, outputs: Any, *rest: Any) -> float:
        outputs[1, 3] *= 1.05
        return right(weights, outputs, *rest)

    monkeypatch.setattr(parts_module, "outputs_error", wrong)
    assert not contributions(trace)[1].holds


def test_a_hybrid_says_what_it_does_not_take_apart(hybrid: lt.Analysis) -> None:
    assert hybrid.proof.holds
    (notice,) = hybrid.notices
    assert "Layer 0 (Lfm2ShortConv)" in notice
    assert "one part per position" in notice
    last = len(hybrid.tokens) - 1
    for form in ("json", "csv", "svg"):
        assert "one part per position" in export_text(hybrid, form, target=last, threshold=0.04)
    edges = json.loads(export_text(hybrid, "json", target=last, threshold=0.04))["edges"]
    assert all(("note" in edge) == (edge["kind"] == "mixer") for edge in edges)
    assert not hybrid.contributions.mixer[1].any()
    arrays = as_arrays(hybrid)
    assert not arrays["attention"][0].any()
    assert arrays["mixer"][0] == pytest.approx(hybrid.contributions.mixer[0], abs=1e-6)
    text = as_text(hybrid, route_graph(hybrid.contributions, last, 0.04), 3, to_terminal=False)
    assert "one part per position" in " ".join(text.split())


def test_a_layer_without_heads_says_so_and_all_else_works(hybrid: lt.Analysis) -> None:
    asked: list[Any] = [
        lambda: lt.inspect_edge(hybrid, 0, 3, 1),
        lambda: lt.inspect_head(hybrid, 0, 1, 3),
        lambda: lt.attention_map(hybrid, 0),
        lambda: lt.attention_map(hybrid, 0, 2),
    ]
    for ask in asked:
        with pytest.raises(TransparencyError, match="Layer 0 has no attention heads") as caught:
            ask()
        assert "Layers with heads: 1." in str(caught.value.remedy)
    assert lt.inspect_node(hybrid, "A0_3").top
    grid = lt.inspect_lens(hybrid)
    assert np.array_equal(grid.top[-1].numpy(), hybrid.trace.logits.argmax(dim=-1).numpy())
    assert lt.inspect_head(hybrid, 1, 1, 3).key.probability >= 0
