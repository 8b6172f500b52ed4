"""`lm-transparency effects`: the answer of the Python function as text and JSON, and refusals in a sentence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from run_command import run_text

from lm_transparency import analyze, inspect_effects
from lm_transparency.cli import main
from lm_transparency.exports.effect_lines import effect_lines
from lm_transparency.model.loading import LoadedModel
from lm_transparency.protocol.effects import FaithfulnessResult

FRANCE = ["effects", "--text", "The capital of France is"]
UNIT_KEYS = {"unit", "kind", "text", "how", "predicted", "measured", "kl", "share"}


def test_json_is_the_answer_of_the_python_function(embedded: LoadedModel, capsys: pytest.CaptureFixture[str]) -> None:
    names = "I22_3>A23_4,23.0@4,M0_1+M3_1,X0_-1"
    printed = json.loads(run_text([*FRANCE, "--contrast", "--units", names, "--format", "json"], capsys))
    assert printed.keys() == {"format", "metric", "units", "faithfulness", "proof", "timing"}
    assert printed["format"] == 1
    found = inspect_effects(analyze(embedded, FRANCE[-1]), contrast=True, units=names.split(","))
    assert printed["metric"]["target"] == {"id": found.metric.target.id, "text": " Paris"}
    assert printed["metric"]["contrast"]["text"] == " the"
    assert printed["metric"]["value"] == pytest.approx(found.metric.value, abs=1e-3)
    assert [unit.keys() for unit in printed["units"]] == [UNIT_KEYS] * 4
    for unit, wanted in zip(printed["units"], map(dataclasses.asdict, found.units), strict=True):
        assert {name: unit[name] for name in ("unit", "kind", "how")} == {n: wanted[n] for n in ("unit", "kind", "how")}
        assert unit["measured"] == pytest.approx(wanted["measured"], abs=1e-3)
    assert printed["units"][3]["unit"] == "X0_4" and printed["units"][3]["measured"] is None
    assert printed["timing"]["n_measured"] == 3


def test_text_lists_each_kind_and_says_how_far_predictions_agree(capsys: pytest.CaptureFixture[str]) -> None:
    text = run_text([*FRANCE, "--contrast", " the", "--top", "4", "--measure", "4"], capsys)
    assert "the logit of ·Paris less that of ·the, after ·is (position 4)" in text
    assert "I22_3>A23_4  ·France → ·is (zero)" in text
    for title in ("edges", "heads", "feed-forward blocks", "tokens", "residual states"):
        assert f"\n{title}\n" in text
    assert "sum to m: error" in text
    assert "have the measured sign" in text and "The drawn edges alone carry" in text


def test_a_part_that_rounds_to_nothing_has_no_sign(embedded: LoadedModel) -> None:
    run = analyze(embedded, FRANCE[-1])
    drawing = FaithfulnessResult(n=1, sign=None, rho=None, kept=-0.004, removed=-0.1)
    found = dataclasses.replace(inspect_effects(run, units=["M29_4"]), faithfulness=drawing)
    assert any("alone carry 0 % of m, all others -10 % " in line for line in effect_lines(run, found))


def test_a_mean_over_the_prompts_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = tmp_path / "others.prompts"
    others.write_text("The largest city of Spain is\nThe author of Hamlet is\n", "utf-8")
    how = ["--units", "M29_4", "--format", "json", "--how"]
    own, over = (json.loads(run_text([*FRANCE, *how, name], capsys)) for name in ("mean", f"mean:{others}"))
    assert own["units"][0]["measured"] != over["units"][0]["measured"]
    assert own["units"][0]["how"] == over["units"][0]["how"] == "mean"


@pytest.mark.parametrize(
    "wrong",
    [
        *(["--units", name] for name in ("", ",", "M0", "I21_1>A23_4")),
        *(["--measure", number] for number in ("x", "-1", "2.5")),
        *(["--how", how] for how in ("median", "mean:", "mean:/no/such/file")),
        *(["--top", "0"], ["--seconds", "0"], ["--seconds", "nan"], ["--metric", "x"]),
        *(
            ["--target", "two words that are many"],
            ["--contrast", "#999999"],
            ["--target", " Paris", "--contrast", "·Paris"],
        ),
        *(["--position", "5"], ["--units", "M0_7"], ["--units", "M30_0"]),
    ],
    ids=" ".join,
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*FRANCE, *wrong]) in (2, 3)
    captured = capsys.readouterr()
    assert captured.out == ""
    last = captured.err.rstrip("\n").rpartition("\n")[2]
    assert last.startswith("lm-transparency: ") and "Traceback" not in captured.err


def test_neither_or_both_of_file_and_text_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["effects"]) == main([*FRANCE, "file.prompt"]) == 2
    assert "Give either a FILE or --text" in capsys.readouterr().err


def test_a_file_is_a_prompt_with_its_front_matter(
    tmp_path: Path, tiny_llama_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "one.prompt"
    units = ["--units", "M0_1", "--format", "json"]
    front = f"---\nmodel: {tiny_llama_folder}\ntarget: ·Mary\ncontrast: ·John\n---\n"
    file.write_text(f"{front}When Mary and John", "utf-8")
    metric = json.loads(run_text(["effects", str(file), *units], capsys))["metric"]
    assert (metric["target"]["text"], metric["contrast"]["text"]) == (" Mary", " John")
    given = json.loads(run_text(["effects", str(file), "--target", " to", *units], capsys))["metric"]
    assert (given["target"]["text"], given["contrast"]["text"]) == (" to", " John")


def test_nothing_is_loaded_for_a_wrong_choice(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--how", "median"], ["--how", "mean:/no/such"], ["--measure", "x"], ["--units", "M0"]):
        assert main(["effects", "--text", "x", "--model", "/no/such/model", *wrong]) == 2
        assert "/no/such/model" not in capsys.readouterr().err
