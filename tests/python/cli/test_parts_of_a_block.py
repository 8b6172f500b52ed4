"""`inspect ffn` refuses the name of a part of a block before a model is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from lm_transparency.cli import main


@pytest.mark.parametrize("what", ["M1_1#999999", "M1_1@2", "M1_1@2#5"])
def test_ffn_refuses_a_neuron_or_an_expert(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.txt"
    file.write_text("hello")
    assert main(["inspect", "ffn", what, str(file), "--model", "no such model"]) == 2
    assert f"{what!r} names a part of a feed-forward block" in capsys.readouterr().err
