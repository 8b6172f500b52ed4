"""Rules of effects that small random models show: sets of units, means, labels, and prompts of one token."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from classifiers import save_random
from families import IDS, build
from lm_transparency import Analysis, TransparencyError, analyze, load_model
from lm_transparency.causal.checking import checked
from lm_transparency.causal.effects import Asking, Budget, Effect
from lm_transparency.causal.metric import Metric
from lm_transparency.causal.units import parse_units
from lm_transparency.inspection.effects import inspect_effects
from lm_transparency.model.anatomy import dissect
from lm_transparency.model.naming import Meant
from lm_transparency.model.readout import Readout
from lm_transparency.trace.recording import record
from lm_transparency.watch import Watch


@pytest.fixture(scope="module")
def run(tiny_llama_folder: object) -> Analysis:
    return analyze(load_model(str(tiny_llama_folder), dtype="float32", device="cpu"), "one two three four")


def asking_of(family: str, ids: torch.Tensor = IDS, **changes: Any) -> Asking:
    model = build(family, changes)
    return asking_about(model, dissect(model), ids)


def asking_about(model: Any, anatomy: Any, ids: torch.Tensor) -> Asking:
    trace = record(model, anatomy, ids, Watch())
    return Asking(model, trace, Metric(len(ids) - 1, 5, 7), "default", Watch())


def measured(asking: Asking, *names: str) -> list[float | None]:
    trace = asking.trace
    units = [tuple(checked(trace, unit, trace.n_tokens - 1) for unit in parse_units(name)) for name in names]
    found = dict(asking.measure([Effect(one, "") for one in units]))
    return [found[i].measured for i in range(len(names))]


def test_a_state_takes_with_it_what_is_summed_to_it(run: Analysis) -> None:
    """Its parts add nothing, and what else is summed to it is removed before it."""
    names = ["I2_1", "I2_1+M2_1", "M2_1#3+I2_1", "I2_1+B2_1+2.0@1"]
    alone, *others = inspect_effects(run, units=names, how="zero").units
    for one in others:
        assert one.measured == pytest.approx(alone.measured, abs=1e-5)
        assert one.predicted == pytest.approx(alone.predicted, abs=1e-5)
    # parallel blocks sum a head to the state itself
    parallel = asking_of("gptj")
    state, both = measured(parallel, "I1_0", "I1_0+1.0@0")
    assert both == pytest.approx(state, abs=1e-5)
    last, with_head = measured(parallel, "I1_9", "I1_9+1.0")
    assert with_head == pytest.approx(last, abs=1e-5)


def test_a_set_is_predicted_as_it_is_measured(run: Analysis) -> None:
    bias, token, both = (u.predicted for u in inspect_effects(run, units=["B2_1", "X0_1", "B2_1+X0_1"]).units)
    assert bias and token and both == pytest.approx(bias + token, abs=1e-6)
    block, twice = (u.predicted for u in inspect_effects(run, units=["M2_1", "M2_1+M2_1#3"]).units)
    assert twice == block


@pytest.mark.parametrize("how", ["default", "zero", "mean"])
def test_the_list_predicts_what_a_named_unit_predicts(run: Analysis, how: Any) -> None:
    listed = inspect_effects(run, how=how, budget=Budget(top=400, measure=0)).units
    chosen = [unit for unit in listed if unit.unit in ("I2_1", "B2_1", "M2_1", "2.1@1", "X0_1", "I1_0>A2_1")]
    assert len(chosen) == 6
    named = inspect_effects(run, how=how, units=[unit.unit for unit in chosen]).units
    wanted = [unit.predicted for unit in named]
    assert [unit.predicted for unit in chosen] == pytest.approx(wanted, abs=1e-5)


def test_an_expert_has_one_name() -> None:
    asking = asking_of("mixtral")
    once, twice = measured(asking, "M0_3@1", "M0_3@1+M0_3@01")
    assert once and twice == pytest.approx(once, abs=1e-6)


def test_a_prompt_of_one_token_says_nothing_about_where_runs_may_start() -> None:
    """The family caches something else than keys and values, which a run from the first position does not show."""
    model = build("axk1", {})
    anatomy = dissect(model)
    short, whole = asking_about(model, anatomy, IDS[:1]), asking_about(model, anatomy, IDS)
    measured(short, "M0_0")
    again = measured(whole, "M0_3", "M1_9")
    assert again == pytest.approx(measured(asking_of("axk1"), "M0_3", "M1_9"), abs=1e-5)


def test_labels_and_values_have_their_own_distributions(tmp_path: Path) -> None:
    clean, other = torch.tensor([1.0, -2.0, 200.0]), torch.tensor([-1.0, -2.0, 200.0])
    labels = Metric(0, 2, kind="logprob", readout=Readout("labels", ("a", "b", "c")))
    p, q = clean[0].double().sigmoid(), other[0].double().sigmoid()
    wanted = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    assert labels.divergence(clean, other) == pytest.approx(float(wanted))
    assert float(labels.of(-clean)) == -200
    ruled_out = torch.tensor([1.0, 2.0, -torch.inf])
    assert Metric(0, 0).divergence(ruled_out, ruled_out + torch.tensor([1.0, 0.0, 0.0])) == pytest.approx(
        0.1109, abs=1e-4
    )
    folder = save_random(tmp_path, "llama", num_labels=1, problem_type="regression")
    value = analyze(load_model(str(folder), dtype="float32", device="cpu"), "w1 w2 awful w3")
    found = inspect_effects(value, units=["M0_3"]).units[0]
    assert found.measured and found.kl is None
    with pytest.raises(TransparencyError, match="no runner-up"):
        inspect_effects(value, contrast=True)


def test_a_label_is_named_by_its_number_too(tmp_path: Path) -> None:
    folder = save_random(tmp_path, "llama", num_labels=3)
    run = analyze(load_model(str(folder), dtype="float32", device="cpu"), "w1 w2 w3")
    found = inspect_effects(run, target="#2", contrast="LABEL_0", units=["M0_2"])
    assert found == replace(inspect_effects(run, target="LABEL_2", contrast="#0", units=["M0_2"]), timing=found.timing)
    with pytest.raises(TransparencyError, match="no label '#3'"):
        inspect_effects(run, target="#3")


def test_a_choice_between_tokens_that_print_alike_is_told(run: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    meant = Meant(7, "2 entries print alike.")
    monkeypatch.setattr("lm_transparency.inspection.metrics.output_meant", lambda *_: meant)
    assert inspect_effects(run, target="x", units=["M0_1"]).notices == ("2 entries print alike.",)
    assert inspect_effects(run, target="#7", units=["M0_1"]).notices == ()


class _Kernel(torch.autograd.Function):
    """A kernel with a backward pass that says in its own words that there is none."""

    @staticmethod
    def forward(*args: Any) -> torch.Tensor:
        return args[1].clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise RuntimeError("only for serving")


@pytest.mark.parametrize("kernel", [_Kernel.apply, torch.Tensor.detach], ids=["raises", "loses the gradient"])
@pytest.mark.parametrize("place", ["mlp", "self_attn.q_proj"])
def test_without_a_gradient_units_are_measured_alone(run: Analysis, kernel: Any, place: str) -> None:
    module = run.model.model.get_submodule(f"model.layers.3.{place}")
    wanted = [unit.measured for unit in inspect_effects(run, units=["M2_1", "X0_1"]).units]
    handle = module.register_forward_hook(lambda _module, _args, output: kernel(output))
    try:
        found = inspect_effects(run, units=["M2_1", "X0_1"])
    finally:
        handle.remove()
    assert [unit.measured for unit in found.units] == pytest.approx(wanted, abs=1e-5)
    assert {unit.predicted for unit in found.units} == {None} and found.proof.share_error is None
    assert len(found.notices) == 1 and "no derivative here. Effects can still be measured" in found.notices[0]


def test_a_reference_of_another_model_is_refused(run: Analysis, tiny_gpt2_folder: object) -> None:
    other = analyze(load_model(str(tiny_gpt2_folder), dtype="float32", device="cpu"), "one two")
    with pytest.raises(TransparencyError, match="another model"):
        inspect_effects(run, how="mean", references=[other])
