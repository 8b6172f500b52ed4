"""The attribution-graph JSON holds the rules of its schema, and its links add up to the flow."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import Any

import pytest
from jsonschema import Draft7Validator

from lm_transparency import Analysis, LoadedModel, analyze
from lm_transparency.causal.effects import Budget
from lm_transparency.exports import graph_text
from lm_transparency.inspection.effects import inspect_effects

TEXT, NUMBER = {"type": "string"}, {"type": "number"}
#: What readers of the format require, draft 7.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["metadata", "qParams", "nodes", "links"],
    "properties": {
        "metadata": {
            "type": "object",
            "required": ["slug", "scan", "prompt_tokens", "prompt"],
            "properties": {
                "slug": TEXT,
                "scan": TEXT,
                "prompt": TEXT,
                "prompt_tokens": {"type": "array", "items": TEXT},
                "node_threshold": {"type": "number", "minimum": 0, "maximum": 1},
                "info": {"type": "object", "properties": {"description": TEXT, "generator": {"type": "object"}}},
                "generation_settings": {"type": "object"},
            },
        },
        "qParams": {
            "type": "object",
            "properties": {
                "pinnedIds": {"type": "array", "items": TEXT},
                "supernodes": {"type": "array", "items": {"type": "array", "items": TEXT, "minItems": 2}},
                "linkType": TEXT,
                "clickedId": TEXT,
                "sg_pos": TEXT,
            },
        },
        "nodes": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["node_id", "feature", "layer", "ctx_idx", "feature_type", "jsNodeId", "clerp"],
                "properties": {
                    "node_id": TEXT,
                    "feature": {"type": ["integer", "null"]},
                    "layer": {"type": ["string", "integer"]},
                    "ctx_idx": {"type": "integer"},
                    "feature_type": TEXT,
                    "jsNodeId": TEXT,
                    "clerp": TEXT,
                    "influence": {"type": ["number", "null"]},
                    "activation": {"type": ["number", "null"]},
                },
            },
        },
        "links": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["source", "target", "weight"],
                "properties": {"source": TEXT, "target": TEXT, "weight": NUMBER},
            },
        },
    },
}


def document(run: Analysis, threshold: float = 0.02, **options: Any) -> dict[str, Any]:
    return json.loads(graph_text(run, run.routes(None, threshold), "attribution", **options))


@pytest.mark.parametrize("prompt", ["ioi", "x", 'a<b "c"\n日本 😀\x1b\u202e'])
def test_the_document_holds_the_schema_and_names_only_what_is_there(
    prompt: str, tiny_gpt2: LoadedModel, request: pytest.FixtureRequest
) -> None:
    run = request.getfixturevalue("ioi") if prompt == "ioi" else analyze(tiny_gpt2, prompt)
    found = document(run)
    Draft7Validator.check_schema(SCHEMA)
    assert [error.message for error in Draft7Validator(SCHEMA).iter_errors(found)] == []
    ids = [node["node_id"] for node in found["nodes"]]
    assert len(ids) == len(set(ids))
    for link in found["links"]:
        assert {link["source"], link["target"]} <= set(ids)
    asked = found["qParams"]
    assert set(asked["pinnedIds"]) | {asked["clickedId"]} <= set(ids)
    for label, *members in asked["supernodes"]:
        assert label
        assert set(members) <= set(asked["pinnedIds"])
    assert re.fullmatch(r"[a-z0-9-]+", found["metadata"]["slug"])
    assert "".join(found["metadata"]["prompt_tokens"]) or run.tokens
    assert found["metadata"]["prompt_tokens"] == [token.text for token in run.tokens]
    for node in found["nodes"]:
        assert 0 <= node["ctx_idx"] < len(run.tokens)


@pytest.mark.parametrize("renormalize", [True, False])
def test_links_add_up_to_the_flow(ioi: Analysis, renormalize: bool) -> None:
    graph = ioi.routes(None, 0.02, renormalize=renormalize)
    found = json.loads(graph_text(ioi, graph, "attribution"))
    nodes = {node["node_id"]: node for node in found["nodes"]}
    into: dict[str, float] = defaultdict(float)
    out_of: dict[str, float] = defaultdict(float)
    for link in found["links"]:
        into[link["target"]] += link["weight"]
        out_of[link["source"]] += link["weight"]
    (logit,) = (node for node in nodes.values() if node["feature_type"] == "logit")
    assert into[logit["node_id"]] == pytest.approx(1, abs=1e-6)
    # as much flows into a head or a block as out of it, and the embeddings have what is left
    for name, node in nodes.items():
        if node["feature_type"] in ("attention head", "feed-forward block"):
            assert into[name] == pytest.approx(out_of[name], abs=1e-6), name
        if node["feature_type"] == "embedding":
            assert out_of[name] == pytest.approx(graph.token_mass[node["ctx_idx"]], abs=1e-6)
    kept = [head for e in graph.edges if e.kind == "attention" for head in e.heads or [None]]
    assert sum(node["feature_type"] == "attention head" for node in nodes.values()) == len(kept)
    influences = [node["influence"] for node in nodes.values() if node["influence"] is not None]
    assert max(influences) == pytest.approx(1)
    assert found["metadata"]["generation_settings"]["weights"] == "flow"


def test_measured_effects_are_its_weights_where_they_are_known(tiny_gpt2: LoadedModel) -> None:
    run = analyze(tiny_gpt2, "Mary and John went to the store")
    effects = inspect_effects(run, contrast=True, budget=Budget(top=40, measure=4, edges=16, blocks=4, tokens=4))
    found = document(run, 0.03, effects=effects)
    assert found["metadata"]["generation_settings"]["weights"] == "effect"
    measured = {unit.unit: unit.measured for unit in effects.units if unit.measured is not None}
    blocks = [name for name in measured if re.fullmatch(r"M\d+_\d+", name)]
    assert blocks
    for name in blocks:
        layer, position = name[1:].split("_")
        links = [link["weight"] for link in found["links"] if link["source"] == f"{layer}_ffn_{position}"]
        if links:
            assert sum(links) == pytest.approx(measured[name])
    assert any(link["weight"] < 0 for link in found["links"])
