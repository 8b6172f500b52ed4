"""`lm-transparency inspect`: the answers of the Python functions, as text and JSON."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import numpy as np
import pytest
from run_command import run_text

import lm_transparency
from lm_transparency.cli import main
from lm_transparency.cli.questions.question import as_json
from lm_transparency.model.loading import LoadedModel

# loading by the command line itself: test_cli_loading
pytestmark = pytest.mark.usefixtures("loaded_once")

IOI = "When Mary and John went to the store, John gave a drink to"
NODE = re.compile(r"(X0|[AMIB]\d+)_\d+")


@pytest.mark.parametrize(
    ("what", "function"),
    [
        (["node", "I22_1"], lambda run: lm_transparency.inspect_node(run, "I22_1", top_k=15)),
        (["edge", "I22_1>A23_13"], lambda run: lm_transparency.inspect_edge(run, 23, 13, 1)),
        (["head", "23.0"], lambda run: lm_transparency.inspect_head(run, 23, 0, 13)),
        (["head", "L2.H8", "--query", "4", "--key", "2"], lambda run: lm_transparency.inspect_head(run, 2, 8, 4, 2)),
        (["ffn", "M29_13"], lambda run: lm_transparency.inspect_ffn(run, 29, 13, top_k=15)),
        (["neuron", "M29_13#385"], lambda run: lm_transparency.inspect_neuron(run, 29, 385, 13)),
    ],
)
def test_inspect_prints_what_the_python_function_answers(
    what: list[str], function: Any, embedded: LoadedModel, ioi_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = json.loads(run_text(["inspect", *what, ioi_file, "--format", "json"], capsys))
    assert printed.pop("format") == 1
    view = dataclasses.asdict(function(lm_transparency.analyze(embedded, IOI)))
    # the lens of earlier versions has no name there
    assert view.pop("lens", "logit") == "logit"
    assert printed.keys() == view.keys()

    def same(a: Any, b: Any) -> None:
        if isinstance(b, dict):
            assert a.keys() == b.keys()
            for key in b:
                same(a[key], b[key])
        elif isinstance(b, list | tuple | np.ndarray):
            assert len(a) == len(b)
            for x, y in zip(a, b, strict=True):
                same(x, y)
        elif b is None:
            # format 1 writes a number or an empty text
            assert a in (0, "")
        else:
            assert a == (pytest.approx(b, rel=1e-4, abs=1e-5) if isinstance(b, float) else b)

    same(printed, view)


def test_inspect_as_text_names_tokens_and_figures(ioi_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    edge = run_text(["inspect", "edge", "I22_1>A23_13", ioi_file], capsys)
    assert "·Mary → ·to" in edge
    assert len(re.findall(r"head \d", edge)) == 9
    assert "rank 1 of 14" in edge
    node = run_text(["inspect", "node", "I29_13", ioi_file, "--top-k", "3"], capsys)
    assert re.search(r"·Mary +92\.\d+ %", node)


def test_a_key_that_a_window_hides_has_no_score_in_json(tiny_mistral: LoadedModel) -> None:
    run = lm_transparency.analyze(tiny_mistral, IOI)
    view = lm_transparency.inspect_head(run, 0, 0, len(run.tokens) - 1, 0)
    assert view.key.score == float("-inf")
    assert json.loads(as_json(view))["key"]["score"] is None


@pytest.mark.parametrize(
    "what",
    [
        ["node", "Z1_2"],
        ["node", "I99_0"],
        ["edge", "I22_1>A24_13"],
        ["edge", "I22_13>A23_1"],
        ["head", "23"],
        ["head", "23.9"],
        ["head", "23.0", "--query", "14"],
        ["ffn", "I3_3"],
        ["neuron", "M29_13"],
        ["neuron", "M29_13#99999"],
        ["node", "I1_1", "--top-k", "0"],
    ],
)
def test_what_cannot_be_inspected_ends_in_one_line_and_exit_code_2(
    what: list[str], ioi_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", *what, ioi_file]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.strip().splitlines()[-1].startswith("lm-transparency: ")
    assert "Traceback" not in said.err
