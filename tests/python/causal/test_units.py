"""Names of units: what each means, what is refused, and which units are parts of others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lm_transparency import Analysis, TransparencyError, analyze, load_model
from lm_transparency.causal.checking import checked
from lm_transparency.causal.units import Unit, covers, edge, overlap, parse_units

UNITS = {
    "X0_3": Unit("token", -1, 3),
    "I22_1>A23_13": edge(23, 13, 1),
    "X0_1>A0_13": edge(0, 13, 1),
    "I22_1>A23_13/0": edge(23, 13, 1, 0),
    "23.0@13": Unit("head", 23, 13, head=0),
    "23.0": Unit("head_all", 23, None, head=0),
    "M22_3": Unit("ffn", 22, 3),
    "M22_3#831": Unit("neuron", 22, 3, neuron=831),
    "M22_3@5": Unit("expert", 22, 3, expert="5"),
    "M22_3@shared": Unit("expert", 22, 3, expert="shared"),
    "M22_3@shared2": Unit("expert", 22, 3, expert="shared2"),
    "M22_3@5#17": Unit("neuron", 22, 3, neuron=17, expert="5"),
    "B22_3": Unit("bias", 22, 3),
    "I22_3": Unit("residual", 22, 3),
    "M22_-1": Unit("ffn", 22, -1),
}


@pytest.mark.parametrize("name", UNITS)
def test_a_name_is_read_and_written(name: str) -> None:
    assert parse_units(name) == (UNITS[name],)
    assert str(UNITS[name]) == name


def test_several_units_stand_between_plus_signs() -> None:
    assert parse_units("M0_1 + 23.0@13+X0_3") == (Unit("ffn", 0, 1), UNITS["23.0@13"], UNITS["X0_3"])


def test_how_many_units_are_removed_together_is_bounded() -> None:
    assert len(parse_units("+".join(["X0_1"] * 256))) == 256
    with pytest.raises(TransparencyError, match=r"257 units are to be removed together\. Name up to 256"):
        parse_units("+".join(["X0_1"] * 257))


@pytest.mark.parametrize(
    "name",
    [
        *("", "+", "M", "M0", "m0_1", "A23_13", "X1_3", "I21_1>A23_13", "X0_1>A1_13", "I22_1>A23", "I22_1>A23_13/"),
        *(
            "23.0@",
            "23",
            "23.0@13@2",
            "M22_3@",
            "M22_3@x",
            "M22_3#",
            "M22_3#-1",
            "M²_3",
            "M22_٣",
            "M1_2 M1_3",
        ),
        *("M1_9999999999", "-1.0", "B1_", "I22_1 > A23_13", "M0_1++M0_2"),
    ],
)
def test_any_other_name_is_refused_with_examples(name: str) -> None:
    with pytest.raises(TransparencyError) as refused:
        parse_units(name)
    assert refused.value.kind == "invalidParams"
    assert "I22_1>A23_13" in refused.value.remedy


@pytest.fixture(scope="module")
def run(tiny_llama_folder: object) -> Analysis:
    return analyze(load_model(str(tiny_llama_folder), dtype="float32", device="cpu"), "one two three four")


def test_a_unit_that_the_run_does_not_have_is_refused(run: Analysis) -> None:
    last = len(run.tokens) - 1
    assert checked(run.trace, Unit("ffn", 0, -1), last) == Unit("ffn", 0, last)
    for name in ("M6_0", "0.6@0", "0.0@99", "M0_0#80", "M0_0@0", "M0_0@shared", "I5_0>A6_1", "X0_1>A0_0", "X0_99"):
        (unit,) = parse_units(name)
        with pytest.raises(TransparencyError) as refused:
            checked(run.trace, unit, last)
        assert refused.value.remedy
    with pytest.raises(TransparencyError, match="does not depend on it"):
        checked(run.trace, Unit("ffn", 0, last), last - 1)


def test_parts_of_units() -> None:
    whole_of = {
        "I22_1>A23_13/0": {"I22_1>A23_13", "23.0@13", "23.0"},
        "23.0@13": {"23.0"},
        "M22_3": {"I22_3"},
        "M22_3#831": {"I22_3", "M22_3"},
        "M22_3@5": {"I22_3", "M22_3"},
        "M22_3@shared": {"I22_3", "M22_3"},
        "M22_3@shared2": {"I22_3", "M22_3"},
        "M22_3@5#17": {"I22_3", "M22_3", "M22_3@5"},
        "B22_3": {"I22_3"},
    }
    for part, unit in UNITS.items():
        found = {name for name, other in UNITS.items() if name != part and covers(other, unit)}
        assert found == whole_of.get(part, set()), part
    assert overlap(UNITS["I22_1>A23_13"], UNITS["23.0@13"]) and overlap(UNITS["23.0"], UNITS["I22_1>A23_13"])
    assert not overlap(UNITS["I22_1>A23_13"], replace(UNITS["23.0@13"], position=12))
    assert not overlap(UNITS["M22_3"], UNITS["23.0"])
