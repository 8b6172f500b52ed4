"""Run files with effects: read again to the file's digits, and checked like the rest of a foreign file."""

from __future__ import annotations

import json
from dataclasses import astuple, replace
from typing import Any

import pytest

from lm_transparency import Analysis, LoadedModel, TransparencyError, analyze
from lm_transparency.cli.replay import compare
from lm_transparency.exports.run import Asked, as_run, read_run
from lm_transparency.inspection.effects import inspect_effects
from lm_transparency.inspection.known_effects import known_effects
from lm_transparency.protocol.effects import EffectsResult


@pytest.fixture(scope="module")
def run(tiny_gpt2: LoadedModel) -> Analysis:
    return analyze(tiny_gpt2, "Mary and John went")


@pytest.fixture(scope="module")
def found(run: Analysis) -> EffectsResult:
    units = ["I0_1>A1_2", "M1_1", "X0_1", "X0_3", "M0_1+M1_2"]
    return replace(inspect_effects(run, contrast=True, units=units), notices=("One notice.",), complete=False)


@pytest.fixture(scope="module")
def text(run: Analysis, found: EffectsResult) -> str:
    return as_run(run, run.routes(), Asked(), effects=found)


def test_a_run_file_keeps_effects_to_its_digits(text: str, run: Analysis, found: EffectsResult) -> None:
    kept = read_run(text, "a").effects
    assert kept
    assert (kept.position, kept.complete, kept.notices) == (len(run.tokens) - 1, False, ("One notice.",))
    assert kept.metric.value == pytest.approx(found.metric.value, abs=1e-5)
    assert replace(kept.metric, value=0) == replace(found.metric, value=0)
    for one, other in zip(kept.units, found.units, strict=True):
        assert astuple(one)[:4] == astuple(other)[:4]
        assert astuple(one)[4:] == tuple(None if n is None else round(n, 5) for n in astuple(other)[4:])
    assert kept.timing.n_measured == sum(unit.measured is not None for unit in found.units)


def test_each_unit_has_a_line_and_nothing_of_the_machine(text: str, found: EffectsResult) -> None:
    assert sum(line.startswith('   {"unit": ') for line in text.splitlines()) == len(found.units)
    effects = json.loads(text)["effects"]
    assert effects.keys() == {"metric", "units", "faithfulness", "notices", "complete"}


def test_a_file_without_effects_is_as_it_was_and_compares_with_one_that_has_them(text: str, run: Analysis) -> None:
    plain = as_run(run, run.routes(), Asked())
    assert "effects" not in plain
    without, with_effects = read_run(plain, "a"), read_run(text, "b")
    assert without.effects is None
    assert compare(without.document, with_effects.document).within(0)
    shared = {key: value for key, value in with_effects.document.items() if key not in ("effects", "created")}
    assert shared == {key: value for key, value in without.document.items() if key != "created"}


def _changed(document: dict[str, Any], place: tuple[str | int, ...], value: Any) -> str:
    holder: Any = document
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    return json.dumps(document)


#: (where in a run file, what stands there instead, what the message says)
BROKEN: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("effects",), [], "'effects' is list, not object"),
    (("effects",), {}, "'effects.metric' is missing"),
    (("effects", "metric", "kind"), "odds", "'effects.metric.kind' is 'odds'"),
    (("effects", "metric", "value"), 10**400, "'effects.metric.value' is too large"),
    (("effects", "units"), {"a": 1}, "'effects.units' is dict, not list"),
    (("effects", "units", 1, "unit"), "Q1", "'Q1' is not a unit"),
    (("effects", "units", 1, "measured"), "1", "'effects.units[1].measured' is str, not float"),
    (("effects", "complete"), "no", "'effects.complete' is str, not bool"),
]


@pytest.mark.parametrize(("place", "value", "says"), BROKEN, ids=[says for _, _, says in BROKEN])
def test_broken_effects_are_named_by_their_place(
    text: str, place: tuple[str | int, ...], value: Any, says: str
) -> None:
    with pytest.raises(TransparencyError) as caught:
        read_run(_changed(json.loads(text), place, value), "kept.run.json")
    assert f'kept.run.json is not a run file: "effects" cannot be read: {says}' in caught.value.message
    assert caught.value.remedy


def test_half_of_a_surrogate_pair_does_not_make_a_file_unreadable(run: Analysis, found: EffectsResult) -> None:
    given = replace(found, notices=("\ud800",), units=(replace(found.units[0], how="zero \udc00"),))
    known = known_effects(run, given, run.target)
    kept = read_run(as_run(run, run.routes(), Asked(), effects=known), "a").effects
    assert kept and (kept.notices, kept.units[0].how) == (("?",), "zero ?")
