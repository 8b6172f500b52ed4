"""The logit lens of models of unknown families: the last row is the model's own, the others match our lens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from families import IDS, build
from lm_transparency import Analysis, Lens, TransparencyError
from lm_transparency.cli import main
from lm_transparency.lens.plain import plain_lens


def test_it_reads_what_the_lens_of_a_model_taken_apart_reads(ioi: Analysis) -> None:
    rows = plain_lens(ioi.model.model, ioi.trace.token_ids)
    lens = Lens(ioi.model.anatomy)
    states = [ioi.trace.layers[0].pre[-1], *(layer.post[-1] for layer in ioi.trace.layers)]
    wanted = torch.stack([lens.logits(state) for state in states])
    assert rows.shape == wanted.shape
    assert float((rows - wanted).abs().max()) <= 1e-3


@pytest.mark.parametrize("family", ["falcon_mamba", "openai-gpt", "jetmoe", "rwkv", "diffllama"])
def test_models_that_cannot_be_decomposed_can_be_read(family: str) -> None:
    model = build(family, {})
    rows = plain_lens(model, IDS, 4)
    with torch.no_grad():
        wanted = model(input_ids=IDS[None], use_cache=False).logits[0, 4]
    assert len(rows) >= 3
    assert float((rows[-1] - wanted).abs().max()) <= 1e-4 * float(wanted.abs().max())
    assert float((rows[0] - rows[-1]).abs().max()) > 1e-3


def test_what_is_not_read_by_the_unembedding_is_refused() -> None:
    with pytest.raises(TransparencyError, match="cannot be read either: its logits are not"):
        plain_lens(build("bert", {}), IDS)


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (
            float("nan"),
            "modelUnusable",
            r"The weights of GPT2LMHeadModel hold numbers that are not finite: \S*ln_f\.bias",
        ),
        (3e38, "modelUnsupported", "The logit lens of GPT2LMHeadModel overflows in float32"),
    ],
)
def test_numbers_that_are_not_finite_are_explained(value: float, kind: str, words: str) -> None:
    model: Any = build("gpt2", {})
    with torch.no_grad():
        model.transformer.ln_f.bias[0] = value
        model.lm_head.weight[0, 0] = 10
    with pytest.raises(TransparencyError, match=words) as caught:
        plain_lens(model, IDS)
    assert caught.value.kind == kind and caught.value.remedy


def test_the_command_prints_every_layer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "p.txt"
    file.write_text("The capital of France is")
    assert main(["lens", str(file), "--format", "json", "--dtype", "float32", "--device", "cpu"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len(rows) == 31
    assert rows[-1][0]["token"] == " Paris"
    assert main(["lens", str(file), "--position", "99"]) == 2
    assert "Position 99 is out of range" in capsys.readouterr().err
