"""Effects on the embedded model, against those of an independent forward, and the rules of the list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lm_transparency import Analysis, LoadedModel, TransparencyError, Watch, analyze
from lm_transparency.causal.effects import Budget
from lm_transparency.causal.runs import changed_logits
from lm_transparency.errors import Cancelled
from lm_transparency.inspection.effects import inspect_effects

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "causal" / "effects.json").read_text("utf-8"))
FRANCE = "The capital of France is"


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["text"][:12])
def test_effects_are_those_of_an_independent_forward(embedded: LoadedModel, case: dict[str, Any]) -> None:
    """Removals to zero in a forward pass written for the purpose, from outside this project."""
    run = analyze(embedded, case["text"], special_tokens="none")
    names = [unit["unit"] for unit in case["units"]]
    both = {"target": case["target"], "contrast": case["contrast"], "how": "zero", "units": names}
    found = inspect_effects(run, **both)
    assert found.metric.value == pytest.approx(case["diff"], abs=1e-3)
    assert [unit.unit for unit in found.units] == names
    for unit, wanted in zip(found.units, case["units"], strict=True):
        assert unit.measured == pytest.approx(wanted["diff"], abs=1e-3), unit
        assert unit.predicted == pytest.approx(wanted["grad_diff"], abs=1e-3), unit
    alone = inspect_effects(run, **{**both, "contrast": None, "units": names[:3]})
    assert alone.metric.value == pytest.approx(case["logit"], abs=1e-3)
    for unit, wanted in zip(alone.units, case["units"], strict=False):
        assert unit.measured == pytest.approx(wanted["logit"], abs=1e-3), unit


@pytest.fixture(scope="module")
def france(embedded: LoadedModel) -> Analysis:
    return analyze(embedded, FRANCE, special_tokens="none")


def test_the_largest_edge_is_found_although_the_gradient_has_its_sign_wrong(france: Analysis) -> None:
    found = inspect_effects(france, contrast=True, budget=Budget(top=10, measure=10))
    assert (found.metric.target.text, found.metric.contrast and found.metric.contrast.text) == (" Paris", " the")
    edges = [unit for unit in found.units if unit.kind == "edge"]
    assert edges[0].unit == "I22_3>A23_4"
    assert edges[0].text == " France →  is"
    assert edges[0].measured and edges[0].predicted
    assert edges[0].measured > 2 and edges[0].predicted < 0
    for kind in ("edge", "head", "ffn", "neuron"):
        measured = [abs(unit.measured) for unit in found.units if unit.kind == kind and unit.measured is not None]
        assert len(measured) == 10
        assert measured == sorted(measured, reverse=True)
    tokens = {unit.unit: unit for unit in found.units if unit.kind == "token"}
    assert len(tokens) == 5
    # no later query looks at the last token
    assert [name for name, unit in tokens.items() if unit.measured is None] == ["X0_4"]
    assert {unit.how for unit in tokens.values()} == {"knock-out"}
    # the embedded model has no biases
    assert sum(unit.share or 0 for unit in tokens.values()) == pytest.approx(found.metric.value, rel=1e-4)
    assert found.proof.share_error is not None and found.proof.share_error < 1e-4
    assert {unit.how for unit in found.units if unit.kind == "head"} == {"zero", "mean"}
    assert all(unit.kl is None or unit.kl >= 0 for unit in found.units)
    assert found.timing.n_measured == sum(unit.measured is not None for unit in found.units)


def test_a_log_probability_at_an_earlier_position(france: Analysis) -> None:
    found = inspect_effects(france, position=-2, metric="logprob", target=" France", units=["M3_1", "X0_1"])
    assert found.position == 3
    wanted = float(france.trace.logits[3].log_softmax(dim=-1)[found.metric.target.id])
    assert found.metric.value == pytest.approx(wanted, abs=1e-4)
    with pytest.raises(TransparencyError, match="does not depend on it"):
        inspect_effects(france, position=-2, units=["M3_4"])
    with pytest.raises(TransparencyError, match="same token"):
        inspect_effects(france, target=" Paris", contrast=" Paris", units=["M3_4"])


def test_several_units_are_each_set_to_their_baseline_in_one_run(france: Analysis) -> None:
    """Plain hooks set both blocks and a head at once; what is set later is set whatever came before it."""
    trace, anatomy = france.trace, france.trace.anatomy
    model = france.model.model

    def mean_of(layer: int) -> Tensor:
        return trace.layers[layer].ffn[1:].mean(dim=0)

    def setting(value: Tensor, position: int) -> Any:
        def hook(_module: Any, _args: Any, output: Tensor) -> Tensor:
            output = output.clone()
            output[0, position] = value
            return output

        return hook

    def without_head(_module: Any, args: tuple[Tensor]) -> tuple[Tensor]:
        states = args[0].clone()
        states[0, 4, :64] = 0
        return (states,)

    handles = [
        anatomy.blocks[0].ffn.register_forward_hook(setting(mean_of(0), 1)),
        anatomy.blocks[3].ffn.register_forward_hook(setting(mean_of(3), 1)),
        anatomy.blocks[23].output_projection.register_forward_pre_hook(without_head),
    ]
    with torch.no_grad():
        try:
            logits = model(input_ids=trace.token_ids[None]).logits[0, -1]
        finally:
            for handle in handles:
                handle.remove()
    names = [f"I22_{key}>A23_4/0" for key in range(5)]
    found = inspect_effects(france, target=" Paris", units=["+".join(["M0_1", "M3_1", *names])])
    wanted = found.metric.value - float(logits[found.metric.target.id])
    assert found.units[0].measured == pytest.approx(wanted, rel=1e-3)
    assert found.units[0].how == "mean, zero"
    # a part of a unit that is removed adds nothing, and what shares a part is refused
    twice = inspect_effects(france, target=" Paris", units=["M0_1+M0_1+M0_1#5", "M0_1"]).units
    assert twice[0].measured == pytest.approx(twice[1].measured, abs=1e-5)
    with pytest.raises(TransparencyError, match="share a part"):
        inspect_effects(france, units=["I22_3>A23_4+23.0@4"])


def test_a_mean_over_other_prompts(france: Analysis, embedded: LoadedModel) -> None:
    other = analyze(embedded, "The largest city of Spain is", special_tokens="none")
    own, over = (
        inspect_effects(france, how="mean", references=references, units=["M29_4"]).units[0]
        for references in ((), (other,))
    )
    gained = float(other.trace.layers[29].ffn[1:].mean(dim=0).norm())
    assert gained > 0 and own.measured != over.measured
    assert own.how == over.how == "mean"
    same = inspect_effects(france, how="mean", references=(france,), units=["M29_4", "23.0@4", "M3_2#17"]).units
    plain = inspect_effects(france, how="mean", units=["M29_4", "23.0@4", "M3_2#17"]).units
    assert [unit.measured for unit in same] == pytest.approx([unit.measured for unit in plain], abs=1e-5)


def test_a_prompt_of_one_token_has_no_mean(embedded: LoadedModel) -> None:
    run = analyze(embedded, "The", special_tokens="none")
    found = inspect_effects(run, budget=Budget(top=3, measure=3))
    assert found.units
    assert {unit.how for unit in found.units if unit.measured is not None} == {"zero"}


def test_cancelling_ends_it_soon_and_leaves_the_model_as_it_was(france: Analysis) -> None:
    before = france.trace.logits[-1]
    for stage in ("gradient", "effects", "interventions"):
        with pytest.raises(Cancelled):
            inspect_effects(france, watch=cancelled_at(stage), budget=Budget(measure=40))
        with torch.no_grad():
            again = france.model.model(input_ids=france.trace.token_ids[None]).logits[0, -1]
        assert torch.equal(again, before) or (again - before).abs().max() < 1e-4
    assert all(parameter.requires_grad for parameter in france.model.model.parameters())
    assert not any("forward" in vars(block.module) for block in france.trace.anatomy.blocks)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in france.model.model.modules())


def test_what_was_measured_stays_where_it_is_asked_for(france: Analysis) -> None:
    names = [f"M{layer}_{position}" for layer in range(30) for position in (1, 4)]
    found = inspect_effects(france, units=names, watch=cancelled_at("interventions"), partial=True)
    measured = [unit for unit in found.units if unit.measured is not None]
    assert 0 < len(measured) < len(names) == len(found.units)
    assert not found.complete and found.notices[-1].startswith("Interrupted")
    assert all(unit.predicted is not None for unit in found.units)


def test_a_batch_that_does_not_fit_is_halved(france: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"M{layer}_4" for layer in range(10, 18)]
    wanted = [unit.measured for unit in inspect_effects(france, units=names).units]
    sizes: list[int] = []

    def small(model: Any, trace: Any, runs: Any, *rest: Any) -> Tensor:
        sizes.append(len(runs))
        if len(runs) > limit:
            raise torch.OutOfMemoryError("out of memory")
        return changed_logits(model, trace, runs, *rest)

    monkeypatch.setattr("lm_transparency.causal.interventions.changed_logits", small)
    limit = 3
    assert [unit.measured for unit in inspect_effects(france, units=names).units] == pytest.approx(wanted, abs=1e-4)
    assert max(sizes) == 8
    limit = 0
    nothing = inspect_effects(france, units=names)
    assert not nothing.complete and "Memory did not suffice" in nothing.notices[-1]


def cancelled_at(stage: str) -> Watch:
    """A watch that is cancelled once something of `stage` is done."""
    watch = Watch(lambda at, done, _total: watch.cancel() if at == stage and done else None)
    return watch


def test_a_long_prompt_keeps_the_inputs_of_layers_only(embedded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    run = analyze(embedded, "one two three four five six", special_tokens="none")
    names = ["M3_1", "I22_3>A23_5", "X0_2"]
    whole = [unit.predicted for unit in inspect_effects(run, units=names).units]
    monkeypatch.setattr("lm_transparency.causal.backward._LONG", 2)
    assert [unit.predicted for unit in inspect_effects(run, units=names).units] == pytest.approx(whole, abs=1e-4)
