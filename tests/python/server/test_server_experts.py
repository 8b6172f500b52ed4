"""Questions about experts over the wire return the numbers of the Python API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from language_client import Client, Refused, decode

import lm_transparency as lt
from families import build
from tiny_models import train_tokenizer

PROMPT = "When Mary and John went to the store"


def test_experts_over_the_wire(tmp_path: Path) -> None:
    tokenizer = train_tokenizer()
    build("qwen2_moe", {"vocab_size": len(tokenizer) + 8, "mlp_only_layers": [0]}).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    run = lt.analyze(lt.load_model(str(tmp_path)), PROMPT)
    client = Client()
    try:
        client.initialize()
        result = client.ask("lmTransparency/analyze", {"prompt": PROMPT, "source": str(tmp_path)})
        assert decode(result)[0]["model"]["nExperts"] == [0, 4]

        def ask(name: str, **params: Any) -> Any:
            at = {"runId": result["runId"], "layer": 1, "position": 5}
            return client.ask(f"lmTransparency/{name}", {**at, **params})

        block, ours = ask("ffnExperts", topK=3), lt.inspect_experts(run, 1, 5, top_k=3)
        assert [e["expert"] for e in block["experts"]] == [e.expert for e in ours.experts]
        assert [e["gate"] for e in block["experts"]] == pytest.approx([e.gate for e in ours.experts])
        assert block["expertsTotal"] + block["residual"] + block["bias"] == pytest.approx(1, abs=1e-6)
        assert [r["expert"] for r in block["router"]] == [r.expert for r in ours.router]
        assert [r["probability"] for r in block["router"]] == pytest.approx([r.probability for r in ours.router])
        assert (block["nExperts"], block["scoring"], block["notice"]) == (4, "softmax", None)
        assert block["error"] <= block["tolerance"]

        for name in (block["experts"][0]["expert"], "shared"):
            expert, view = ask("expert", expert=name, neuronsK=4), lt.inspect_expert(run, 1, name, 5, neurons_k=4)
            assert expert["gates"] == pytest.approx(view.gates)
            assert [s["id"] for s in expert["update"]["suppressed"]] == [s.id for s in view.update.suppressed]
            assert [n["neuron"] for n in expert["neurons"]] == [n.neuron for n in view.neurons]
            neuron = ask("neuron", expert=name, neuron=expert["neurons"][0]["neuron"])
            assert neuron["expert"] == name
            assert neuron["share"]["contribution"] == pytest.approx(expert["neurons"][0]["contribution"])
        assert ask("neuron", layer=0, neuron=3)["expert"] is None

        for name, params, says in (
            ("expert", {"expert": "4"}, "Choose 0 to 3"),
            ("expert", {"expert": ""}, "no expert ''"),
            ("neuron", {"neuron": 0}, "has experts"),
            ("neuron", {"neuron": 99, "expert": "shared"}, "Choose 0 to 15"),
        ):
            with pytest.raises(Refused) as refused:
                ask(name, **params)
            assert says in refused.value.message + refused.value.remedy
            assert refused.value.kind == "invalidParams"
    finally:
        client.end()
