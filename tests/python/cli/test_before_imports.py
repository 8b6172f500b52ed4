"""What a command says while and before it imports the heavy packages."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lm_transparency.cli import main
from lm_transparency.cli.options import prepare
from lm_transparency.watch import Watch


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["analyze", "--text", "x", "--model", "./nosuch"], "There is no model at './nosuch'"),
        (["analyze", "--text", "x", "--model", "no/such"], "downloads are off"),
        (["analyze", "--text", ""], "The prompt is empty"),
        (["analyze", "--text", "x", "--threshold", "2"], "It takes 0.005 to 1"),
        (["analyze", "--lines", "FILE", "--model", "./nosuch"], "There is no model at"),
        (["analyze", "--replay", "nosuch.run.json"], "cannot be read"),
        (["inspect", "node", "Q3", "FILE"], "Q3"),
        (["inspect", "ffn", "M1", "FILE"], "is not a feed-forward block"),
        (["inspect", "node", "X0_1", "FILE", "--model", "./nosuch"], "There is no model at"),
        (["effects", "FILE", "--units", "Q3"], "Q3"),
        (["effects", "FILE", "--top", "0"], "It takes 1 or more"),
        (["lens", "FILE", "--model", "./nosuch"], "There is no model at"),
        (["doctor", "./nosuch"], "There is no model at"),
        (["doctor", "--against", "./nosuch"], "There is no model at"),
        (["bench", "--model", "./nosuch"], "There is no model at"),
    ],
)
def test_a_wrong_word_is_refused_before_anything_is_imported(
    given: list[str], said: str, ioi_file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def import_heavy(*_args: object) -> None:
        raise AssertionError("imported")

    monkeypatch.setattr("lm_transparency.server.compute.dependencies.import_heavy", import_heavy)
    assert main([ioi_file if word == "FILE" else word for word in given]) in (2, 3)
    assert said in capsys.readouterr().err


def test_a_terminal_shows_what_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(
        "lm_transparency.cli.options.terminal_watch", lambda: Watch(lambda stage, _done, _total: shown.append(stage))
    )
    prepare(argparse.Namespace(model="", download=False))
    assert shown == [
        *(f"importing {name} …" for name in ("PyTorch", "Transformers", "Numba")),
        "importing LM Transparency …",
    ]
    shown.clear()
    prepare(argparse.Namespace(model="", download=False), quiet=True)
    assert shown == []


def test_importing_the_command_line_imports_no_torch() -> None:
    light = ("cli", "model.sources", "model.tokens", "model.chat", "causal.units", "batch.prompts")
    code = (
        f"import sys, {', '.join(f'lm_transparency.{name}' for name in light)}; "
        "assert 'torch' not in sys.modules; assert 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "analyze --treshold 0.1 --text x",
            "--treshold. Did you mean --threshold? See lm-transparency analyze --help.",
        ),
        ("analyze --treshold=0.1 --text x", "Did you mean --threshold? See lm-transparency analyze --help."),
        ("inspect node I3_1 x --modle y", "Did you mean --model? See lm-transparency inspect node --help."),
        ("inspect nod I3_1 x", "Did you mean node? See lm-transparency inspect --help."),
        ("analyse x", "Did you mean analyze? See lm-transparency --help."),
        ("analyze --format jsn x", "Did you mean json? See lm-transparency analyze --help."),
        ("analyze --xyzzy x", "Unrecognized arguments: --xyzzy. See lm-transparency analyze --help."),
        ("--verson analyze x", "Did you mean --version? See lm-transparency --help."),
        ("qqq", ". See lm-transparency --help."),
    ],
)
def test_a_misspelt_word_is_answered_with_the_right_one(
    given: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(given.split()) == 2
    assert capsys.readouterr().err.endswith(f"{said}\n")


def test_a_dash_is_stdout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As in most commands, and no file of that name."""
    monkeypatch.chdir(tmp_path)
    assert main(["models", "--format", "json", "-o", "-"]) == 0
    assert json.loads(capsys.readouterr().out)
    assert not list(tmp_path.iterdir())
