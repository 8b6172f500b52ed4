"""A graph to look at has the threshold that the panel chooses for it; all records share one threshold."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lm_transparency import Analysis, LoadedModel, analyze, analyze_many, auto_threshold
from lm_transparency.cli import main
from lm_transparency.exports import page
from lm_transparency.notebook.output import _line  # pyright: ignore[reportPrivateUsage]

TEXT = "the cat sat on the mat and the dog sat on the cat"
needs_page = pytest.mark.skipif(not page._TEMPLATE.is_file(), reason="built by npm")  # pyright: ignore[reportPrivateUsage]


@pytest.fixture(scope="module")
def run(tiny_llama: LoadedModel) -> Analysis:
    return analyze(tiny_llama, TEXT)


@pytest.fixture
def chosen(run: Analysis) -> float:
    """The threshold that the panel shows as Auto (`tests/vectors/` keeps the two equal)."""
    found = auto_threshold(run.contributions, run.target)
    assert found != pytest.approx(0.04)
    return found


@pytest.mark.parametrize("form", ["text", "json", "csv", "svg", "run", pytest.param("html", marks=needs_page)])
def test_each_format_of_one_prompt_has_the_panels_threshold_and_names_it(
    form: str, chosen: float, tiny_llama_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", "--text", TEXT, "--model", str(tiny_llama_folder), "--format", form]) == 0
    text = capsys.readouterr().out
    if form == "text":
        assert f"threshold {chosen:.3f}" in text
    elif form in ("json", "run"):
        assert json.loads(text)["threshold"] == pytest.approx(chosen, abs=1e-9)
    elif form == "csv":
        assert {float(row["threshold"]) for row in csv.DictReader(io.StringIO(text, newline=""))} == {chosen}
    elif form == "svg":
        assert f"threshold {chosen:.4g}" in "".join(ElementTree.fromstring(text).itertext())
    else:
        content = re.search(r'id="lm-transparency-page"[^>]*>(.*?)</script>', text, re.DOTALL)
        assert content is not None and json.loads(content[1])["view"]["threshold"] == "auto"


def test_a_threshold_that_is_given_or_set_in_the_file_counts(
    tiny_llama_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def threshold_of(*arguments: str) -> float:
        assert main(["analyze", *arguments, "--model", str(tiny_llama_folder), "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)["threshold"]

    file = tmp_path / "set.prompt"
    file.write_text(f"---\nthreshold: 0.07\n---\n{TEXT}\n")
    assert threshold_of(str(file)) == 0.07
    assert threshold_of(str(file), "--threshold", "0.03") == 0.03
    assert threshold_of("--text", TEXT, "--threshold", "0.03") == 0.03


def test_records_have_one_threshold_for_all_and_name_it(
    tiny_llama: LoadedModel, tiny_llama_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {record["threshold"] for record in analyze_many(tiny_llama, [TEXT, "the mat"])} == {0.04}
    file = tmp_path / "two.prompt"
    file.write_text(f"{TEXT}\n---\nthe mat\n")
    assert main(["analyze", str(file), "--model", str(tiny_llama_folder), "--quiet"]) == 0
    assert [json.loads(line)["threshold"] for line in capsys.readouterr().out.splitlines()] == [0.04, 0.04]


def test_the_line_of_a_notebooks_output_names_it(run: Analysis, chosen: float) -> None:
    assert _line(run, run.routes(threshold=None)).endswith(f"threshold {chosen:.3f}")
