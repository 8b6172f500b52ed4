"""Effects where a token's rotary position depends on the length of its prompt (dynamic NTK, longrope)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from lm_transparency import LoadedModel, analyze, load_model
from lm_transparency.inspection.effects import inspect_effects

SHORT = "When Mary and John went"
LONG = "When Mary and John went to the store, John gave a drink to Mary. " * 12
ROPES: dict[str, dict[str, Any]] = {
    "dynamic": {},
    "longrope": {"short_factor": [1.0] * 4, "long_factor": [3.0] * 4, "original_max_position_embeddings": 64},
}
#: Within the table of a short prompt.
AT, PLACE = 50, 30


@pytest.fixture(scope="module", params=ROPES)
def model(
    request: pytest.FixtureRequest, tiny_llama_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> LoadedModel:
    folder = shutil.copytree(tiny_llama_folder, tmp_path_factory.mktemp("rope") / request.param)
    rope = {"rope_type": request.param, "factor": 2.0, "rope_theta": 10000.0, **ROPES[request.param]}
    length = {"max_position_embeddings": 64} if request.param == "dynamic" else {"max_position_embeddings": 512}
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "rope_parameters": rope, **length}), "utf-8")
    return load_model(str(folder))


@torch.no_grad()
def _without_block(model: LoadedModel, ids: torch.Tensor, layer: int) -> torch.Tensor:
    """The logits of transformers' own forward on the whole prompt, with one feed-forward output set to zero."""

    def zero(_module: Any, _args: Any, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        output[:, PLACE] = 0
        return output

    handle = model.anatomy.blocks[layer].ffn.register_forward_hook(zero)
    try:
        return model.model(ids[None]).logits[0, AT]
    finally:
        handle.remove()


def test_a_changed_run_has_the_positions_of_the_whole_prompt(model: LoadedModel) -> None:
    # a check that holds for a short prompt says nothing about a long one
    inspect_effects(analyze(model, SHORT), units=["M0_1"])
    run = analyze(model, LONG)
    assert len(run.tokens) > AT + 20
    found = inspect_effects(run, position=AT, units=[f"M1_{PLACE}"], how="zero")
    target = found.metric.target.id
    clean = run.trace.logits[AT, target]
    wanted = float(clean - _without_block(model, run.trace.token_ids, 1)[target])
    assert found.metric.value == pytest.approx(float(clean), abs=1e-4)
    assert found.units[0].measured == pytest.approx(wanted, abs=1e-4) and abs(wanted) > 1e-4
    # the same clean value in the gradient's run, the shares' and the circuit's
    everything = inspect_effects(run, position=AT)
    assert everything.proof.share_error is not None and everything.proof.share_error < 1e-4
    assert everything.faithfulness is not None and everything.faithfulness.kept is not None


def test_the_gradient_is_that_of_the_whole_prompt(model: LoadedModel) -> None:
    """A small change of a state, in transformers' own forward on the whole prompt."""
    run = analyze(model, LONG)
    found = inspect_effects(run, position=AT, units=[f"M1_{PLACE}"], how="zero")
    target = found.metric.target.id
    step = 1e-2

    def nudge(_module: Any, _args: Any, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        output[:, PLACE] *= 1 - step
        return output

    handle = model.anatomy.blocks[1].ffn.register_forward_hook(nudge)
    try:
        with torch.no_grad():
            nudged = model.model(run.trace.token_ids[None]).logits[0, AT, target]
    finally:
        handle.remove()
    slope = float(run.trace.logits[AT, target] - nudged) / step
    assert found.units[0].predicted == pytest.approx(slope, rel=0.1, abs=1e-3)
