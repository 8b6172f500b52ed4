"""Known kinds of head: scores against eager attention on the untouched model, and heads that must be found."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch

import synthetic
from lm_transparency import LoadedModel, load_model
from lm_transparency.inspection.heads import measure_head_tags
from lm_transparency.protocol.heads import HeadTagsResult
from lm_transparency.routes.tags import TAGS, head_tags, probe
from reference import Array, head_tag, watch_any
from subjects import plain
from tiny_models import save_gpt2, save_llama, train_tokenizer

PREVIOUS, FIRST, DUPLICATE, INDUCTION, SELF = range(5)


@functools.cache
def measured(model: LoadedModel) -> HeadTagsResult:
    return measure_head_tags(model)


@functools.cache
def independent(model: LoadedModel) -> Array:
    """Scores [layer, head, tag] from eager attention in the untouched model, query by query."""
    ids = ids_of(model)
    attention = watch_any(plain(model.source), ids.tolist()).attention
    n_random = len(ids) // 2
    return np.array([[[head_tag(head, tag, n_random) for tag in TAGS] for head in layer] for layer in attention])


def ids_of(model: LoadedModel) -> Any:
    tokenizer = model.tokenizer
    special = set(tokenizer.all_special_ids)
    return probe(model.anatomy.n_vocab, special, tokenizer.bos_token_id, model.anatomy.n_context)


@pytest.mark.parametrize("name", ["embedded", "tiny_gpt2", "tiny_llama", "tiny_mistral"])
def test_scores_are_what_eager_attention_gives(request: pytest.FixtureRequest, name: str) -> None:
    model = request.getfixturevalue(name)
    tags, wanted = measured(model), independent(model)
    assert tags.n_tokens == 65
    assert tags.scores.shape == (model.anatomy.n_layers, model.anatomy.n_heads, 5)
    assert tags.scores == pytest.approx(wanted, abs=1e-4)


def test_the_embedded_model_has_induction_previous_token_and_sink_heads(embedded: LoadedModel) -> None:
    """See docs/method.md#checks; asserted on the independent scores."""
    scores = independent(embedded)
    induction = scores[:, :, INDUCTION]
    assert (induction > 0.5).sum() >= 3
    # they need something earlier to build on
    assert induction[:3].max() < 0.2
    assert scores[:10, :, PREVIOUS].max() > 0.6
    assert (scores[:, :, FIRST] > 0.8).sum() >= 5
    assert scores[:, :, DUPLICATE].max() > 0.5
    assert induction.reshape(-1).argmax() == measured(embedded).scores[:, :, INDUCTION].reshape(-1).argmax()


def test_the_same_model_gets_the_same_scores(tiny_llama: LoadedModel) -> None:
    first, second = measure_head_tags(tiny_llama), measure_head_tags(tiny_llama)
    assert (first.scores == second.scores).all()
    assert ids_of(tiny_llama).tolist() == ids_of(tiny_llama).tolist()


@pytest.mark.parametrize("first", [1, None])
@pytest.mark.parametrize("n_context", [0, 5, 8, 64, 65, 66, 2048])
def test_the_probe_is_random_tokens_twice_and_fits(first: int | None, n_context: int) -> None:
    ids = probe(500, {0, 1, 2}, first, n_context).tolist()
    text = ids if first is None else ids[1:]
    half = len(text) // 2
    assert text[:half] == text[half:]
    assert half == 32 or len(ids) <= n_context
    assert half == min(32, (n_context - 1) // 2 if n_context else 32)
    assert not {0, 1, 2} & set(text)
    assert len(set(text)) == half
    assert first is None or ids[0] == first


def test_a_small_vocabulary_repeats_tokens() -> None:
    ids = probe(6, {0, 1}, 0, 0).tolist()
    assert len(ids) == 65
    assert set(ids[1:]) <= {2, 3, 4, 5}
    assert ids[1:33] == ids[33:]


def test_a_model_without_a_beginning_token_is_measured_on_the_random_ones_alone(tmp_path: Any) -> None:
    tokenizer = train_tokenizer()
    bos = tokenizer.bos_token_id
    tokenizer.bos_token = None
    folder = save_llama(tmp_path / "no-bos", tokenizer, bos_token_id=bos, num_hidden_layers=2)
    model = load_model(str(folder), dtype="float32", device="cpu")
    assert model.tokenizer.bos_token_id is None
    tags = measure_head_tags(model)
    assert tags.n_tokens == 64
    attention = watch_any(plain(model.source), ids_of(model).tolist()).attention
    wanted = [[[head_tag(head, tag, 32) for tag in TAGS] for head in layer] for layer in attention]
    assert tags.scores == pytest.approx(np.array(wanted), abs=1e-4)


@pytest.mark.parametrize("n_positions", [5, 9, 16])
def test_a_short_context_is_enough(tmp_path: Any, tiny_tokenizer: Any, n_positions: int) -> None:
    folder = save_gpt2(tmp_path / "short", tiny_tokenizer, n_positions=n_positions, n_layer=2)
    tags = measure_head_tags(load_model(str(folder), dtype="float32", device="cpu"))
    assert tags.n_tokens <= n_positions
    assert np.isfinite(tags.scores).all()
    assert ((tags.scores >= 0) & (tags.scores <= 1 + 1e-6)).all()


def test_a_head_that_only_does_one_thing_scores_1_there() -> None:
    """Synthetic queries and keys that select one key per query."""
    n_random, n_tokens = 4, 9
    looks = {
        "previous": [max(0, t - 1) for t in range(n_tokens)],
        "first": [0] * n_tokens,
        "duplicate": [t - n_random if t > n_random else 0 for t in range(n_tokens)],
        "induction": [t - n_random + 1 if t > n_random else 0 for t in range(n_tokens)],
        "self": list(range(n_tokens)),
    }
    made = synthetic.trace(0, n_layers=1, n_tokens=n_tokens, n_heads=5, n_kv_heads=5, d_head=n_tokens)
    record = made.layers[0].attention
    record.key.copy_(torch.eye(n_tokens).expand(5, -1, -1))
    for head, tag in enumerate(TAGS):
        record.query[head] = 100 * torch.eye(n_tokens)[looks[tag]]
    scores = head_tags(made, n_random)[0]
    assert np.diag(scores) == pytest.approx(np.ones(5), abs=1e-5)
    # each looks at one key: what two tags share is a matter of counting (query 1: its previous is the first)
    for head, looked in enumerate(looks.values()):
        attention = np.eye(n_tokens)[looked]
        assert scores[head] == pytest.approx([head_tag(attention, tag, n_random) for tag in TAGS], abs=1e-5)
