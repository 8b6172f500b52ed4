"""`lm-transparency analyze --effects`: each file has what the Python function finds, on the front matter's tokens."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from run_command import run_text

from lm_transparency import LoadedModel, analyze, inspect_effects
from lm_transparency.cli import main
from lm_transparency.exports.run import read_run
from lm_transparency.notebook import output

PROMPT = "Mary and John went"


@pytest.fixture(scope="module")
def prompt(tmp_path_factory: pytest.TempPathFactory, tiny_gpt2_folder: Path) -> Path:
    """Front matter names the model, a target and a contrast by number."""
    file = tmp_path_factory.mktemp("prompts") / "a.prompt"
    file.write_text(f"---\nmodel: {tiny_gpt2_folder}\ntarget: '#7'\ncontrast: '#9'\n---\n{PROMPT}", "utf-8")
    return file


def test_every_format_has_the_effects_on_the_tokens_of_the_front_matter(
    prompt: Path, tiny_gpt2: LoadedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    found = inspect_effects(analyze(tiny_gpt2, PROMPT), target="#7", contrast="#9")
    measured = {unit.unit: unit.measured for unit in found.units}

    def printed(form: str) -> str:
        return run_text(["analyze", str(prompt), "--effects", "--format", form], capsys)

    effects = json.loads(printed("json"))["effects"]
    assert (effects["metric"]["target"]["id"], effects["metric"]["contrast"]["id"]) == (7, 9)
    assert effects["metric"]["value"] == pytest.approx(found.metric.value, abs=1e-5)
    assert len(effects["units"]) == len(measured)
    for unit in effects["units"]:
        assert unit["measured"] == pytest.approx(measured[unit["unit"]], abs=1e-5)

    rows = list(csv.DictReader(io.StringIO(printed("csv"))))
    assert any(row["effect_measured"] for row in rows)
    assert {row["effect_target"] for row in rows} == {found.metric.target.text}
    svg = printed("svg")
    assert "supports" in svg and "data-effect" in svg
    kept = read_run(printed("run"), "a").effects
    assert kept and len(kept.units) == len(measured)


@pytest.mark.skipif(not Path(output.__file__).with_name("notebook-bridge.js").is_file(), reason="no page is built")
def test_so_does_the_page(prompt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = run_text(["analyze", str(prompt), "--effects", "--format", "html"], capsys)
    content = json.loads(re.search(r'id="lm-transparency-page">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert content["effects"]["metric"]["target"]["id"] == 7
    assert content["effects"]["position"] == content["view"]["target"]
    assert content["view"]["ink"] == "effect"


def test_text_has_a_command_of_its_own(prompt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(prompt), "--effects"]) == 2
    assert "`lm-transparency effects` lists them" in capsys.readouterr().err
    assert main(["analyze", "--replay", "a.run.json", "--effects"]) == 2
    assert "--replay takes no --effects" in capsys.readouterr().err


def test_many_prompts_have_them_in_their_records(prompt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = run_text(["analyze", str(prompt), "--effects", "--format", "jsonl", "--quiet"], capsys)
    assert json.loads(line)["effects"]["unit"]
