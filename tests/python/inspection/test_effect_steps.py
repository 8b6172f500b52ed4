"""Effects step by step: what one step has found, the next does not compute again."""

from __future__ import annotations

import pytest

from lm_transparency import LoadedModel, TransparencyError, analyze
from lm_transparency.inspection.effect_steps import knock_out, measure_effects, predict_effects
from lm_transparency.inspection.effects import inspect_effects
from lm_transparency.inspection.metrics import asking_about
from lm_transparency.protocol.inspection import DescribeParams
from lm_transparency.session.answers import answer
from lm_transparency.session.session import Session
from lm_transparency.watch import Watch


def test_shares_are_found_when_they_are_asked_for(tiny_llama: LoadedModel) -> None:
    run = analyze(tiny_llama, "one two three four")
    asking, _ = asking_about(run, None, "logit", None, None, "default", Watch())
    first = predict_effects(run, asking, 20, with_shares=False)
    assert first.shares is None and first.share_error is None and asking.shares_so_far is None
    (token,) = measure_effects(run, asking, ["X0_1"], 1.0).units
    assert token.share is None and token.measured is not None
    then = predict_effects(run, asking, 20)
    assert then.share_error is not None and then.share_error < 1e-4
    # the strongest share first
    tokens = [unit for unit in then.units if unit.kind == "token"]
    assert [abs(unit.share or 0) for unit in tokens] == sorted((abs(unit.share or 0) for unit in tokens), reverse=True)
    (again,) = measure_effects(run, asking, ["X0_1"], 1.0).units
    assert again.share == pytest.approx(float(then.shares[1])) and again.measured == token.measured
    assert first.edge_effect is then.edge_effect


def test_the_last_token_is_reached_though_nothing_can_be_measured(tiny_llama: LoadedModel) -> None:
    run = analyze(tiny_llama, "one two three four")
    asking, _ = asking_about(run, None, "logit", None, None, "default", Watch())
    last = len(run.tokens) - 1
    (token,) = measure_effects(run, asking, [f"X0_{last}"], 1.0).units
    assert (token.measured, token.how) == (None, "knock-out")
    out = knock_out(run, asking, f"X0_{last}", 3)
    assert out.effect.measured is None and all(one.before == one.after for one in out.outputs)


def test_figures_are_those_of_all_at_once(tiny_llama: LoadedModel) -> None:
    run = analyze(tiny_llama, "one two three four five")
    whole = inspect_effects(run, contrast=True)
    assert whole.metric.contrast is not None
    asking, _ = asking_about(run, None, "logit", None, f"#{whole.metric.contrast.id}", "default", Watch())
    names = [unit.unit for unit in whole.units if unit.measured is not None]
    by_name = {unit.unit: unit for unit in measure_effects(run, asking, names, 60.0).units}
    for unit in whole.units:
        if unit.measured is not None:
            assert by_name[unit.unit].measured == pytest.approx(unit.measured, abs=1e-4), unit
            out = knock_out(run, asking, unit.unit, 5)
            assert out.effect.measured == pytest.approx(unit.measured, abs=1e-4)
            target, contrast = (
                next(o for o in out.outputs if o.id == one.id) for one in (whole.metric.target, whole.metric.contrast)
            )
            change = (target.logit_before - contrast.logit_before) - (target.logit_after - contrast.logit_after)
            assert change == pytest.approx(unit.measured, abs=1e-4)


@pytest.mark.parametrize("units", [[], ["X0_0"] * 257])
def test_how_many_units_one_question_names_is_bounded(tiny_llama: LoadedModel, units: list[str]) -> None:
    run = analyze(tiny_llama, "one two")
    asking, _ = asking_about(run, None, "logit", None, None, "default", Watch())
    with pytest.raises(TransparencyError, match="Name 1 to 256"):
        measure_effects(run, asking, units, 1.0)


def test_a_description_lists_effects_where_they_are_asked_for(tiny_llama: LoadedModel) -> None:
    session = Session()
    run_id, run = session.analyze(tiny_llama, "one two three four")
    rival = int(run.trace.logits[run.target].topk(2).indices[1])
    plain = answer(DescribeParams(run_id, "text"), session, Watch()).text
    asked = DescribeParams(run_id, "text", measure=True, contrast=f"#{rival}")
    text = answer(asked, session, Watch()).text
    assert text.startswith(plain) and "Effects" not in plain
    found = inspect_effects(run, contrast=f"#{rival}")
    strongest = next(unit for unit in found.units if unit.kind == "edge")
    assert f"{strongest.measured:+.4f}" in text and strongest.unit in text
