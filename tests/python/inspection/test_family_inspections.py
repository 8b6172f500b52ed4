"""Questions about families beyond Llama and GPT-2, loaded from disk as a user loads them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lm_transparency as lt
from families import build
from tiny_models import train_tokenizer

PROMPT = "When Mary and John went to the store"

#: (family, what its feed-forward blocks are made of)
FAMILIES = [
    ("gptj", "neurons"),
    ("gemma2", "neurons"),
    ("gpt_neox", "neurons"),
    ("falcon", "neurons"),
    ("bloom", "neurons"),
    ("opt", "neurons"),
    ("mixtral", "experts"),
    ("gpt_oss", "experts"),
    ("axk1", "neither"),
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer()


@pytest.fixture(params=FAMILIES, ids=[family for family, _ in FAMILIES])
def looked_into(request: pytest.FixtureRequest, tokenizer: Any, tmp_path: Path) -> tuple[lt.Analysis, str]:
    family, made_of = request.param
    build(family, {"vocab_size": len(tokenizer) + 8}).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return lt.analyze(lt.load_model(str(tmp_path)), PROMPT), made_of


def test_what_a_click_shows_sums_to_what_the_graph_has(looked_into: tuple[lt.Analysis, str]) -> None:
    run, made_of = looked_into
    kept, last = run.contributions, len(run.tokens) - 1
    assert run.proof.holds
    dense = [lt.inspect_edge(run, 1, last, key).weight for key in range(last + 1)]
    rest = float(kept.attention_residual[1, last] + kept.attention_bias[1, last])
    if run.trace.anatomy.parallel:
        rest += float(kept.ffn[1, last])
    assert sum(dense) + rest == pytest.approx(1, abs=1e-4)
    for head in range(run.trace.n_heads):
        maps = lt.attention_map(run, 1, head)
        view = lt.inspect_head(run, 1, head, last, 0)
        assert view.key.contribution == pytest.approx(float(maps.contribution[last, 0]), abs=1e-5)
        assert view.key.probability == pytest.approx(float(maps.probability[last, 0]), abs=1e-5)
    if made_of == "neurons":
        block = lt.inspect_ffn(run, 1, last)
        assert block.neurons_total + block.residual + block.bias == pytest.approx(1, abs=1e-4)
    elif made_of == "experts":
        view = lt.inspect_experts(run, 1, last)
        assert view.experts_total + view.residual + view.bias == pytest.approx(1, abs=1e-4)
        assert view.block_contribution == pytest.approx(float(kept.ffn[1, last]))
    else:
        with pytest.raises(lt.TransparencyError, match="cannot be told apart yet") as caught:
            lt.inspect_ffn(run, 1, last)
        assert caught.value.kind == "modelUnsupported"


def test_the_lens_ends_in_the_models_logits(looked_into: tuple[lt.Analysis, str]) -> None:
    run, _ = looked_into
    grid = lt.inspect_lens(run)
    assert np.array_equal(grid.top[-1].numpy(), run.trace.logits.argmax(dim=-1).cpu().numpy())
    probability = run.trace.logits.float().softmax(dim=-1).max(dim=-1).values
    assert grid.top_probability[-1].numpy() == pytest.approx(probability.numpy(), abs=1e-4)


def test_a_lens_that_does_not_end_in_the_logits_is_said(tokenizer: Any, tmp_path: Path) -> None:
    build("cohere", {"vocab_size": len(tokenizer) + 8, "logit_scale": 0.25}).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = lt.load_model(str(tmp_path))
    assert lt.analyze(model, PROMPT).notices == ()
    wrong = dataclasses.replace(model, anatomy=dataclasses.replace(model.anatomy, logit_scale=1.0))
    (notice,) = lt.analyze(wrong, PROMPT).notices
    assert "logit lens" in notice
    assert "cannot be trusted" in notice
