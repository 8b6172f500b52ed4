"""The entropy of a head's attention: against the formula, and in the output of the command line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import lm_transparency as lt
from lm_transparency.cli import main
from lm_transparency.inspection.entropy import entropy

PROMPT = "When Mary and John went to the store"


def test_entropy_is_zero_for_one_key_and_largest_for_keys_alike() -> None:
    rows = torch.tensor([[1.0, 0, 0, 0], [0.25] * 4, [0.5, 0.25, 0.25, 0]])
    assert entropy(rows) == pytest.approx([0, 2, 1.5])


@pytest.mark.parametrize("layer", [0, 2])
def test_every_head_at_a_query(tiny_mistral: lt.LoadedModel, layer: int) -> None:
    run = lt.analyze(tiny_mistral, PROMPT)
    for query in (0, 3, len(run.tokens) - 1):
        found = lt.inspect_entropy(run, layer, query)
        rows = [lt.attention_map(run, layer, head).probability[query].astype(float) for head in range(4)]
        assert found.entropy == pytest.approx([-sum(p * math.log2(p) for p in row if p > 0) for row in rows], abs=1e-5)
        assert found.most == pytest.approx(np.log2(query + 1))
        assert (found.entropy <= found.most + 1e-5).all()
    with pytest.raises(lt.TransparencyError, match="no layer 3"):
        lt.inspect_entropy(run, 3, 0)


def test_the_command_line_prints_it(
    tiny_llama_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "one.prompt"
    file.write_text(PROMPT)
    asked = ["inspect", "entropy", "A1_3", str(file), "--model", str(tiny_llama_folder)]
    assert main([*asked, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["format", "layer", "query", "entropy", "most"]
    assert main(asked) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0].endswith("(query 3): at most 2.000 bits")
    assert f"head 5   {document['entropy'][5]:.3f} bits" in text
    assert main(["inspect", "entropy", "I1_3", str(file)]) == 2
    assert "is not an attention block" in capsys.readouterr().err
