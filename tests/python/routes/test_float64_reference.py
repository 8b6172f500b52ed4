"""Contributions against the definition written out in float64, on a run without our recording (reference.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import prompts
from lm_transparency import LoadedModel, Watch
from lm_transparency.routes.contributions import layer_contributions
from lm_transparency.trace.recording import record
from reference import plain_model, shares, watch_any

COLUMNS = ("attention", "attention_residual", "attention_bias", "ffn", "ffn_residual")
LONG = "The quick brown fox jumps over the lazy dog; " * 2


@pytest.fixture(scope="module")
def embedded_eager(embedded_folder: Path) -> Any:
    return plain_model(embedded_folder)


def deviations(model: LoadedModel, plain: Any, ids: list[int]) -> dict[str, float]:
    """The largest absolute difference of each column, over all layers, and of the logits."""
    trace = record(model.model, model.anatomy, torch.tensor(ids), Watch())
    run = watch_any(plain, ids)
    worst = dict.fromkeys(COLUMNS, 0.0)
    for layer in range(run.n_layers):
        ours, theirs = layer_contributions(trace, layer), shares(run, layer)
        for name in COLUMNS:
            difference = np.abs(getattr(ours, name) - getattr(theirs, name)).max()
            # max() would let a NaN pass
            worst[name] = float(np.maximum(worst[name], difference))
    return worst | {"logits": float(np.abs(trace.logits.double().numpy() - run.logits).max())}


def within(worst: dict[str, float], tolerance: float = 1e-5) -> bool:
    return all(worst[name] <= tolerance for name in COLUMNS)


@pytest.mark.parametrize("name", ["ioi", "war", "code"])
def test_the_embedded_model_contributes_as_the_definition_says(
    embedded: LoadedModel, embedded_eager: Any, name: str
) -> None:
    ids = [embedded.tokenizer.bos_token_id, *embedded.tokenizer(prompts.BY_NAME[name]).input_ids]
    worst = deviations(embedded, embedded_eager, ids)
    assert within(worst), worst
    assert worst["logits"] <= 1e-4


def test_the_embedded_model_contributes_as_the_same_model_does_in_float64(
    embedded: LoadedModel, embedded_folder: Path
) -> None:
    ids = [embedded.tokenizer.bos_token_id, *embedded.tokenizer(prompts.SUM).input_ids]
    worst = deviations(embedded, plain_model(embedded_folder, torch.float64), ids)
    assert within(worst), worst


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("prompt", [prompts.IOI, prompts.MULTILINGUAL, "x"], ids=["ioi", "multilingual", "one token"])
def test_models_with_biases_contribute_as_the_definition_says(
    tiny: LoadedModel, prompt: str, dtype: torch.dtype
) -> None:
    ids = tiny.tokenizer(prompt).input_ids[:60]
    worst = deviations(tiny, plain_model(tiny.source, dtype), ids)
    assert within(worst), worst
    assert worst["logits"] <= 1e-4


def test_the_bias_of_the_attention_block_is_a_part_that_counts(tiny: LoadedModel) -> None:
    trace = record(tiny.model, tiny.anatomy, torch.tensor(tiny.tokenizer(prompts.IOI).input_ids), Watch())
    assert max(float(layer_contributions(trace, i).attention_bias.max()) for i in range(trace.n_layers)) > 0.01
