"""Effects measured in slices of time: in any order, interrupted, with sets, each figure is that of all at once."""

from __future__ import annotations

import random

import pytest

from lm_transparency import LoadedModel, analyze
from lm_transparency.causal import removal
from lm_transparency.inspection.effect_steps import measure_effects
from lm_transparency.inspection.effects import inspect_effects
from lm_transparency.inspection.metrics import asking_about
from lm_transparency.watch import Watch

PROMPT = "Mary and John went to the store, to the store"
#: No time at all: one batch is measured nevertheless.
AT_ONCE = 1e-9


@pytest.mark.parametrize("prompt", ["Mary", PROMPT])
def test_slices_without_time_find_everything(tiny: LoadedModel, prompt: str) -> None:
    run = analyze(tiny, prompt)
    last = len(run.tokens) - 1
    names = [f"X0_{last}", "X0_0", f"M1_{last}", f"M0_{last}#3", f"I0_0>A1_{last}", f"I0_0>A1_{last}/2", "2.1"]
    names += [f"2.1@{last}", f"B1_{last}", f"M0_0+3.1@{last}", f"X0_0+M2_{last}", f"I3_{last}", f"M0_{last}+M3_0"]
    position = last // 2 + 1 if last else 0
    names = [name.replace(f"_{last}", f"_{position}").replace(f"@{last}", f"@{position}") for name in names]
    whole = {unit.unit: unit for unit in inspect_effects(run, position=position, units=names).units}
    asking, _ = asking_about(run, position, "logit", None, None, "default", Watch())
    left = random.Random(4).sample(names, len(names))
    turns = 0
    while left:
        found = measure_effects(run, asking, left, AT_ONCE).units
        assert found, left
        for unit in found:
            assert (unit.how, unit.kind) == (whole[unit.unit].how, whole[unit.unit].kind)
            assert unit.measured == pytest.approx(whole[unit.unit].measured, abs=1e-4), unit.unit
        left = [name for name in left if name not in {unit.unit for unit in found}]
        turns += 1
    assert turns > 4


def test_the_runs_that_a_set_takes_count_as_time(tiny_llama: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    run = analyze(tiny_llama, PROMPT)
    asking, _ = asking_about(run, None, "logit", None, None, "default", Watch())
    recorded: list[int] = []
    record = removal.record
    monkeypatch.setattr(removal, "record", lambda *given, **more: recorded.append(1) or record(*given, **more))
    sets = [f"M0_{i}+M2_{i}+M4_{i}" for i in range(5)]
    assert [unit.unit for unit in measure_effects(run, asking, sets, AT_ONCE).units] == sets[:1]
    # before the second part and before the third
    assert len(recorded) == 2
    # what takes no runs of its own comes first
    assert [unit.unit for unit in measure_effects(run, asking, [*sets, "X0_1+X0_2"], AT_ONCE).units] == ["X0_1+X0_2"]
    assert len(recorded) == 2
