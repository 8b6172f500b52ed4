"""B14: the longest prompt, above all where rotary positions grow with the prompt (dynamic NTK)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hostile_models import change_config

from lm_transparency import LoadedModel, Session, TransparencyError, analyze, load_model
from lm_transparency.model.context import context_length, length_changes_positions
from lm_transparency.model.tokenizers import load_tokenizer
from lm_transparency.trace.packed import can_pack

LONG = "When Mary and John went to the store, John gave a drink to Mary. " * 24


@pytest.fixture
def dynamic(copy: Path) -> Path:
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    change_config(copy, rope_parameters=rope, max_position_embeddings=64)
    return copy


@pytest.mark.parametrize(
    ("config", "length"),
    [
        ({"max_position_embeddings": 8}, 8),
        ({"n_positions": 8}, 8),
        ({"max_position_embeddings": -1}, 0),
        ({"max_position_embeddings": 10**400}, 0),
        ({"max_position_embeddings": "8"}, 0),
        ({}, 0),
        ({"max_position_embeddings": 8, "rope_scaling": {"type": "dynamic", "factor": 2}}, 0),
        ({"max_position_embeddings": 8, "rope_parameters": {"full_attention": {"rope_type": "dynamic"}}}, 0),
        ({"max_position_embeddings": 8, "rope_scaling": {"type": "linear"}}, 8),
        ({"max_position_embeddings": 8, "rope_scaling": ["dynamic"]}, 8),
        ({"max_position_embeddings": 8, "rope_scaling": {"rope_type": ["dynamic"]}}, 8),
    ],
)
def test_the_length_is_the_table_s_unless_it_grows(config: dict[str, Any], length: int) -> None:
    assert context_length(config) == length


@pytest.mark.parametrize(
    ("kind", "changes"), [("dynamic", True), ("longrope", True), ("linear", False), ("yarn", False)]
)
def test_prompts_are_packed_only_where_their_length_changes_no_position(copy: Path, kind: str, changes: bool) -> None:
    for config in ({"rope_scaling": {"type": kind}}, {"rope_parameters": {"full_attention": {"rope_type": kind}}}):
        assert length_changes_positions(config) == changes
    rope: dict[str, Any] = {"rope_type": kind, "factor": 2.0, "rope_theta": 10000.0}
    if kind == "longrope":
        rope |= {"short_factor": [1.0] * 4, "long_factor": [2.0] * 4, "original_max_position_embeddings": 64}
    change_config(copy, rope_parameters=rope)
    model = load_model(str(copy))
    assert can_pack(model.model, model.anatomy) != changes


def test_a_dynamic_model_reads_past_its_table_as_transformers_does(dynamic: Path) -> None:
    model = load_model(str(dynamic))
    assert model.anatomy.n_context == load_tokenizer(dynamic)[1] == 0
    run = analyze(model, LONG)
    assert len(run.tokens) > 200 and run.proof.holds
    untouched = load_model(str(dynamic))
    with torch.no_grad():
        wanted = untouched.model(run.trace.token_ids[None]).logits[0]
    assert torch.allclose(run.trace.logits, wanted, atol=1e-4)


def test_what_was_read_before_changes_nothing(dynamic: Path) -> None:
    """transformers keeps the positions of the longest prompt for the shorter ones after it."""
    fresh = analyze(load_model(str(dynamic)), LONG[:400])
    model = load_model(str(dynamic))
    analyze(model, LONG)
    assert torch.equal(analyze(model, LONG[:400]).trace.logits, fresh.trace.logits)
    # nor do results reused from a shorter prompt with the same beginning
    session = Session()
    session.analyze(model, LONG[:400])
    _, longer = session.analyze(model, LONG[:700])
    assert torch.allclose(longer.trace.logits, analyze(model, LONG[:700]).trace.logits, atol=1e-4)
    assert not can_pack(model.model, model.anatomy)


def test_others_are_refused_past_their_table(tiny_llama: LoadedModel) -> None:
    with pytest.raises(TransparencyError, match="reads at most 256"):
        analyze(tiny_llama, LONG * 2)
