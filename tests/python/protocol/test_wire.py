"""Messages read from the wire: nested ones too, and each fault is named by its place."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from typing import Any

import pytest

from lm_transparency.errors import TransparencyError
from lm_transparency.protocol.effects import (
    EffectsResult,
    EffectsTiming,
    FaithfulnessResult,
    MetricValue,
    Output,
    ShareProof,
    UnitEffect,
)
from lm_transparency.protocol.inspection import DescribeParams, ExportParams
from lm_transparency.protocol.wire import read, to_wire

EFFECTS = EffectsResult(
    position=4,
    metric=MetricValue("logit", Output(7, " Paris"), Output(9, " the"), 3.25),
    units=(
        UnitEffect("I22_3>A23_4", "edge", " France →  is", "zero", -0.5, 2.5, 0.125, None),
        UnitEffect("X0_3", "token", " France", "knock-out", None, None, None, 1.5),
    ),
    faithfulness=FaithfulnessResult(2, 0.5, None, 0.61, 0.08),
    proof=ShareProof(1e-6),
    timing=EffectsTiming(0.5, 0.25, 2.0, 2),
    notices=("One notice.",),
    complete=False,
)
EXPORT = {"runId": "a", "format": "json", "target": 4, "threshold": 0.04}


def export(effects: Any) -> ExportParams:
    return read(ExportParams, {**EXPORT, "effects": effects})


def test_a_message_inside_a_message_is_read_as_it_was_written() -> None:
    sent = json.loads(json.dumps(to_wire(EFFECTS)))
    assert export(sent).effects == EFFECTS
    assert read(DescribeParams, {"runId": "a", "form": "run", "effects": sent}).effects == EFFECTS
    assert read(ExportParams, EXPORT).effects is None
    assert export(None).effects is None


def test_null_and_a_missing_key_are_both_left_out() -> None:
    sent = to_wire(EFFECTS)
    del sent["faithfulness"], sent["metric"]["contrast"], sent["units"][0]["predicted"], sent["notices"]
    found = export(sent).effects
    assert found
    assert (found.faithfulness, found.metric.contrast, found.units[0].predicted) == (None, None, None)
    assert (found.units[1].measured, found.notices) == (None, ())


def test_keys_of_a_file_are_the_names_of_the_fields() -> None:
    assert read(EffectsTiming, {"forward_s": 1, "backward_s": 2, "measured_s": 3, "n_measured": 4}, str) == (
        EffectsTiming(1.0, 2.0, 3.0, 4)
    )
    with pytest.raises(TransparencyError, match="'backward_s' is missing"):
        read(EffectsTiming, {"forward_s": 1, "backwardS": 2}, str)


DEEP: Any = []
for _ in range(20_000):
    DEEP = [DEEP]

#: (where in `EFFECTS`, what stands there instead, what the message says)
WRONG: list[tuple[tuple[str | int, ...], Any, str]] = [
    ((), 5, "'effects' is int, not object"),
    ((), [], "'effects' is list, not object"),
    ((), {}, "'effects.position' is missing"),
    (("position",), "4", "'effects.position' is str, not int"),
    (("position",), True, "'effects.position' is bool, not int"),
    (("metric",), None, "'effects.metric' is missing"),
    (("metric",), "logit", "'effects.metric' is str, not object"),
    (("metric", "kind"), "odds", "'effects.metric.kind' is 'odds'. It takes one of ('logit', 'logprob')"),
    (("metric", "kind"), ["logit"] * 10**6, "'effects.metric.kind' is ['logit', 'logit'"),
    (("metric", "kind"), DEEP, "'effects.metric.kind' is [[["),
    (("metric", "value"), math.nan, "'effects.metric.value' is nan"),
    (("metric", "value"), math.inf, "'effects.metric.value' is inf"),
    (("metric", "value"), 10**400, "'effects.metric.value' is too large"),
    (("metric", "target", "id"), 1.5, "'effects.metric.target.id' is float, not int"),
    (("metric", "contrast"), " the", "'effects.metric.contrast' is str, not object"),
    (("units",), {}, "'effects.units' is dict, not list"),
    (("units",), "X0_3", "'effects.units' is str, not list"),
    (("units", 1), None, "'effects.units[1]' is NoneType, not object"),
    (("units", 1, "unit"), None, "'effects.units[1].unit' is missing"),
    (("units", 1, "unit"), 3, "'effects.units[1].unit' is int, not str"),
    (("units", 1, "kind"), "atom", "'effects.units[1].kind' is 'atom'"),
    (("units", 0, "measured"), "2.5", "'effects.units[0].measured' is str, not float"),
    (("units", 0, "measured"), True, "'effects.units[0].measured' is bool, not float"),
    (("units", 0, "predicted"), -math.inf, "'effects.units[0].predicted' is -inf"),
    (("faithfulness", "n"), None, "'effects.faithfulness.n' is missing"),
    (("timing", "forwardS"), [], "'effects.timing.forwardS' is list, not float"),
    (("notices", 0), 5, "'effects.notices[0]' is int, not str"),
    (("complete",), 1, "'effects.complete' is int, not bool"),
]


@pytest.mark.parametrize(("place", "value", "says"), WRONG, ids=[says for _, _, says in WRONG])
def test_a_wrong_value_is_named_by_its_path(place: tuple[str | int, ...], value: Any, says: str) -> None:
    sent: Any = {"effects": deepcopy(to_wire(EFFECTS))}
    holder, key = sent, "effects"
    for step in place:
        holder, key = holder[key], step
    holder[key] = value
    with pytest.raises(TransparencyError) as caught:
        export(sent["effects"])
    assert says in str(caught.value)
    assert caught.value.kind == "invalidParams"


def test_every_number_is_finite() -> None:
    with pytest.raises(TransparencyError, match="'threshold' is nan"):
        read(ExportParams, {**EXPORT, "threshold": math.nan})
