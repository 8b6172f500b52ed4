"""The sequences that a lens is fitted on: each is the same in every batch, and what is drawn follows the model."""

from __future__ import annotations

from pathlib import Path

import torch

from lm_transparency import load_model
from lm_transparency.lens.sequences import sampled


def test_a_sequence_is_the_same_in_every_batch(tiny_llama_folder: Path) -> None:
    model = load_model(str(tiny_llama_folder), dtype="float32", device="cpu")
    before = torch.get_rng_state()
    together = sampled(model.model, model.tokenizer, [0, 1, 2, 7], 12)
    assert together.shape == (4, 12)
    for row, number in enumerate([0, 1, 2, 7]):
        torch.testing.assert_close(sampled(model.model, model.tokenizer, [number], 12)[0], together[row])
    # the starts of 0 and 16 are the same, what follows is not
    assert not torch.equal(sampled(model.model, model.tokenizer, [16], 12)[0], together[0])
    assert not torch.equal(sampled(model.model, model.tokenizer, [0], 12, seed=1)[0], together[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_tokens_are_drawn_from_the_likeliest_nineteen_twentieths(tiny_llama_folder: Path) -> None:
    model = load_model(str(tiny_llama_folder), dtype="float32", device="cpu")
    ids = sampled(model.model, model.tokenizer, range(64), 24)
    with torch.no_grad():
        logits = model.model(ids).logits[:, -2]
    # an end is never drawn
    logits[:, model.tokenizer.eos_token_id] = -torch.inf
    shares = logits.softmax(dim=-1)
    drawn = shares.gather(1, ids[:, -1:])
    assert float((shares * (shares > drawn)).sum(dim=-1).max()) < 0.95
    # not the likeliest alone
    assert int((shares > drawn).any(dim=-1).sum()) > 20
