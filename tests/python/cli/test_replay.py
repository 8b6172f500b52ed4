"""Run files: their content, the faults that they may have, and running them again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_transparency.cli import main
from lm_transparency.cli.replay import compare
from lm_transparency.errors import TransparencyError
from lm_transparency.exports.run import lay_out, portable, read_run

PROMPT = "The store is old.\nJohn went"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prompts")


@pytest.fixture(scope="module")
def kept(folder: Path, tiny_llama_folder: Path) -> Path:
    """A run file of the tiny Llama, next to its prompt."""
    (folder / "store.prompt").write_text(PROMPT + "\n", "utf-8")
    (folder / ".lm-transparency").mkdir()
    file = folder / ".lm-transparency" / "store.run.json"
    assert main(["analyze", str(folder / "store.prompt"), *write(file, tiny_llama_folder)]) == 0
    return file


def write(file: Path, model: Path) -> list[str]:
    return ["--model", str(model), "--threshold", "auto", "--format", "run", "-o", str(file)]


def changed(kept: Path, tmp_path: Path, **fields: Any) -> Path:
    file = tmp_path / "changed.run.json"
    file.write_text(lay_out({**json.loads(kept.read_text("utf-8")), **fields}), "utf-8")
    return file


def test_a_run_agrees_with_itself_and_names_no_place_of_this_machine(
    kept: Path, tiny_llama_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = kept.read_text("utf-8")
    assert str(kept.parent.parent) not in text
    assert str(tiny_llama_folder.parent) not in text
    document = json.loads(text)
    assert document["from"] == {"file": "../store.prompt"}
    assert document["prompt"] == PROMPT.split("\n")
    assert document["asked"]["model"] == document["model"]["name"] == tiny_llama_folder.name
    assert main(["analyze", "--replay", str(kept), "--model", str(tiny_llama_folder)]) == 0
    said = capsys.readouterr().out
    assert "store.run.json: agrees" in said
    assert f"{len(document['edges'])} kept now, 0 gone, 0 new" in said


def test_two_runs_of_one_prompt_differ_in_the_time_alone(kept: Path, tmp_path: Path, tiny_llama_folder: Path) -> None:
    file = tmp_path / "again.run.json"
    assert main(["analyze", "--text", PROMPT, *write(file, tiny_llama_folder)]) == 0
    pairs = zip(kept.read_text("utf-8").splitlines(), file.read_text("utf-8").splitlines(), strict=True)
    assert {old.split(":")[0] for old, new in pairs if old != new} <= {' "created"', ' "from"'}
    # a token, a prediction, an edge: a line each, so that a difference is one
    document = json.loads(file.read_text("utf-8"))
    assert sum(map(len, (document[k] for k in ("tokens", "predictions", "edges", "prompt")))) + 25 > len(
        file.read_text("utf-8").splitlines()
    )


def test_what_is_not_the_same_is_named_and_the_exit_code_says_so(
    kept: Path, tmp_path: Path, tiny_llama_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(kept.read_text("utf-8"))
    predictions, edges, tokens = document["predictions"], document["edges"], document["tokens"]
    predictions[0]["probability"] += 0.25
    edges[0]["flow"] -= 0.125
    gone = edges[-1]
    edges[-1] = {**gone, "source": "X0_99", "flow": 0.5}
    file = changed(kept, tmp_path, predictions=predictions, edges=edges)
    model = ["--model", str(tiny_llama_folder)]
    assert main(["analyze", "--replay", str(file), *model]) == 1
    said = capsys.readouterr().out
    assert f"largest difference 0.25000 ({predictions[0]['text']!r})" in said
    assert f"1 gone, 1 new; largest difference in flow 0.50000 (X0_99 → {gone['target']}, {gone['kind']})" in said
    assert main(["analyze", "--replay", str(file), *model, "--tolerance", "0.6"]) == 0
    tokens[2]["id"] += 1
    assert main(["analyze", "--replay", str(changed(kept, tmp_path, tokens=tokens)), *model]) == 1
    assert "other ones from position 2 on" in capsys.readouterr().out


def test_a_model_of_another_machine_is_asked_for(kept: Path, no_hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "--replay", str(kept)]) == 3
    assert "--model PATH" in capsys.readouterr().err


def test_options_that_the_file_decides_on_are_refused(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in (["--text", "x"], ["--threshold", "0.1"], ["--format", "json"], ["other.prompt"]):
        assert main(["analyze", "--replay", str(kept), *more]) == 2
        assert "--replay takes no" in capsys.readouterr().err


BROKEN = [
    ("{", "it is not JSON: "),
    ("[]", 'it has no "lm_transparency_run"'),
    ('{"lm_transparency_run": 2}', "its format is 2, and 1"),
    ({"prompt": "one"}, '"prompt" is not a list of lines'),
    ({"prompt": ["a", 3]}, '"prompt" is not a list of lines'),
    ({"asked": None}, '"asked" is not an object'),
    ({"asked": {"model": "m", "dtype": "int3"}}, '"asked.dtype" is none of auto, '),
    ({"threshold": "x"}, '"threshold" is not a number'),
    ({"threshold": 7}, '"threshold" is 7, not 0 to 1'),
    ({"renormalize": 1}, '"renormalize" is not true or false'),
    ({"target": {"position": True}}, '"target.position" is not a number'),
    ({"edges": [{"source": "I0_0", "target": "A1_1", "kind": "ffn", "weight": 1}]}, '"edges[0].flow" is not a number'),
    ({"tokens": [1]}, '"tokens[0]" is not an object'),
    ({"tokens": [{"id": int("9" * 400)}]}, '"tokens[0].id" is 9999'),
    ({"target": {"position": 1.5}}, '"target.position" is not a whole number'),
    ({"predictions": [{"id": 1, "logit": 2, "probability": "high"}]}, '"predictions[0].probability" is not a number'),
    ("[" * 100_000, "it is nested too deeply"),
    ('{"lm_transparency_run": ' + "1" * 5000 + "}", "it has a number that is too long"),
    ('{"lm_transparency_run": 1, "threshold": NaN}', "it has the number NaN, which is not finite"),
    (r'{"lm_transparency_run": 1, "prompt": ["\ud83d"]}', "it has half of a character"),
]


@pytest.mark.parametrize(("wrong", "why"), BROKEN)
def test_a_broken_file_says_what_is_wrong(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: Any, why: str
) -> None:
    file = tmp_path / "changed.run.json"
    if isinstance(wrong, str):
        file.write_text(wrong, "utf-8")
    else:
        changed(kept, tmp_path, **wrong)
    assert main(["analyze", "--replay", str(file)]) == 2
    assert f"changed.run.json is not a run file: {why}" in capsys.readouterr().err


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


READ = ["prompt", "asked", "target", "threshold", "renormalize", "tokens", "predictions", "edges", "effects"]


@given(field=st.sampled_from(READ), value=VALUES)
def test_any_value_anywhere_is_read_or_refused_with_a_reason(kept: Path, field: str, value: Any) -> None:
    document = json.loads(kept.read_text("utf-8"))
    document |= {"edges": document["edges"][:2]}
    said = ""
    try:
        read_run(json.dumps({**document, field: value}), "f")
    except TransparencyError as error:
        said = error.message
    assert not said or f'"{field}' in said


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(TransparencyError, match="is not a run file"):
        read_run(text, "f")


def test_an_output_that_is_listed_in_one_run_only_was_below_the_list_of_the_other() -> None:
    def listed(**probabilities: float) -> dict[str, Any]:
        rows = [
            {"id": i, "text": text, "probability": p, "logit": 0} for i, (text, p) in enumerate(probabilities.items())
        ]
        return {"tokens": [], "edges": [], "predictions": rows}

    assert compare(listed(a=0.5, b=0.1), listed(a=0.5, c=0.1)).figure == 0
    assert compare(listed(a=0.5, b=0.1), listed(a=0.5, c=0.3)).figure == pytest.approx(0.2)


def test_a_model_is_named_without_folders(tiny_llama_folder: Path) -> None:
    assert portable("") == "smollm2-135m-instruct"
    assert portable("openai-community/gpt2@main") == "openai-community/gpt2@main"
    assert portable(str(tiny_llama_folder)) == portable("/elsewhere/tiny-llama") == "tiny-llama"


def test_a_run_of_the_embedded_model_that_the_extensions_tests_read_still_agrees(
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = Path(__file__).parents[2] / "vectors" / "runs" / "ioi.run.json"
    assert main(["analyze", "--replay", str(file), "--tolerance", "0.001"]) == 0
    assert "0 gone, 0 new" in capsys.readouterr().out


def test_effects_of_a_run_are_measured_again(
    tmp_path: Path, tiny_llama_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt, file, model = tmp_path / "a.prompt", tmp_path / "a.run.json", ["--model", str(tiny_llama_folder)]
    prompt.write_text(PROMPT + "\n", "utf-8")
    assert main(["analyze", str(prompt), "--effects", *write(file, tiny_llama_folder)]) == 0
    assert main(["analyze", "--replay", str(file), *model]) == 0
    assert "measured again, largest difference 0.000" in capsys.readouterr().out
    effects = json.loads(file.read_text("utf-8"))["effects"]
    unit = next(unit for unit in effects["units"] if unit["measured"] is not None)
    unit["measured"] += 3.0
    assert main(["analyze", "--replay", str(changed(file, tmp_path, effects=effects)), *model]) == 1
    assert f"({unit['unit']})" in capsys.readouterr().out


def test_a_model_that_lacks_units_of_the_file_is_compared_in_the_rest(
    tmp_path: Path, tiny_llama_folder: Path, tiny_gpt2_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt, file = tmp_path / "a.prompt", tmp_path / "a.run.json"
    prompt.write_text(PROMPT + "\n", "utf-8")
    assert main(["analyze", str(prompt), "--effects", *write(file, tiny_llama_folder)]) == 0
    effects = json.loads(file.read_text("utf-8"))["effects"]
    unit = next(unit for unit in effects["units"] if unit["measured"] is not None)
    capsys.readouterr()
    for name, reason in (("I98_1>A99_2", "There is no layer 99."), ("X0_4096", "Position 4096 is out of range")):
        unit["unit"] = name
        foreign = changed(file, tmp_path, effects=effects)
        assert main(["analyze", "--replay", str(foreign), "--model", str(tiny_llama_folder)]) == 1
        shown = capsys.readouterr().out
        assert f"effects      not measured again: {reason}" in shown and "predictions  largest difference" in shown
    assert main(["analyze", "--replay", str(foreign), "--model", str(tiny_gpt2_folder)]) == 1
    assert "predictions  largest difference" in capsys.readouterr().out
