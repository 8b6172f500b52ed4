"""Commands run in this process, and their output."""

from __future__ import annotations

import json

import pytest

from lm_transparency.cli import main


def run_json(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict:
    assert main(["analyze", "--format", "json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def run_text(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out
