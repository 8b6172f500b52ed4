"""The tuned lens that is fitted: the least-squares map, exact from sums, and nearer to the prediction than no map."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from families import build
from lm_transparency import LoadedModel, Watch
from lm_transparency.errors import TransparencyError
from lm_transparency.lens.maps import LOGIT, LensMaps
from lm_transparency.lens.projection import Lens
from lm_transparency.lens.sequences import sampled
from lm_transparency.lens.tuning import TunedSum, add_states
from lm_transparency.model.anatomy import dissect
from lm_transparency.trace.recording import record

SKIP = 2


def states_of(model: LoadedModel, ids: Tensor) -> list[Tensor]:
    trace = record(model.model, model.anatomy, ids, Watch())
    return [trace.layers[0].pre[SKIP:], *(layer.post[SKIP:] for layer in trace.layers)]


def fitted(model: LoadedModel, ids: Tensor, first: int = 0) -> TunedSum:
    nothing = TunedSum(model.anatomy.d_model, len(model.anatomy.blocks))
    numbers = range(first, first + len(ids))
    return add_states(nothing, model.model, model.anatomy, ids, numbers, Watch(), skip=SKIP)


def test_each_layer_is_nearer_to_the_prediction_than_by_the_logit_lens(tiny_llama: LoadedModel) -> None:
    every = sampled(tiny_llama.model, tiny_llama.tokenizer, range(40), 20)
    tuned, lens = fitted(tiny_llama, every[:32]).maps(), Lens(tiny_llama.anatomy)
    held_out = [states_of(tiny_llama, ids) for ids in every[32:]]

    def kl(maps: LensMaps, row: int) -> float:
        said = lens.logits(torch.cat([states[-1] for states in held_out])).log_softmax(dim=-1)
        read = lens.logits(maps.read(torch.cat([states[row] for states in held_out]), row)).log_softmax(dim=-1)
        return float((said.exp() * (said - read)).sum(dim=-1).mean())

    assert sorted(tuned.rows) == list(range(len(tiny_llama.anatomy.blocks)))
    for row in tuned.rows:
        assert kl(tuned, row) < kl(LOGIT, row), row


def test_the_map_is_the_ridge_of_all_states(tiny_llama: LoadedModel) -> None:
    ids = sampled(tiny_llama.model, tiny_llama.tokenizer, range(12), 20)
    parts = fitted(tiny_llama, ids[:8]).merged(fitted(tiny_llama, ids[8:], 8))
    states = [torch.cat(column).double() for column in zip(*(states_of(tiny_llama, one) for one in ids), strict=True)]
    assert parts.states == len(states[0]) == 12 * 18
    for row, affine in parts.maps().rows.items():
        h, r = states[row], states[-1] - states[row]
        h0, d = h - h.mean(dim=0), h.shape[1]
        ridge = 0.1 * d * h0.square().mean() * torch.eye(d)
        right = torch.linalg.solve(h0.T @ h0 + ridge, h0.T @ r).T
        torch.testing.assert_close(affine.weight, (right + torch.eye(d)).float(), rtol=1e-3, atol=1e-4)
        # the mean state is read as the mean last state
        assert affine.bias is not None
        mean = affine.weight @ h.mean(dim=0).float() + affine.bias
        torch.testing.assert_close(mean, states[-1].mean(dim=0).float(), rtol=1e-3, atol=1e-4)
    with pytest.raises(TransparencyError, match="Sequence 0 is in both"):
        parts.merged(fitted(tiny_llama, ids[:1]))


@pytest.mark.parametrize("family", ["gpt2", "gemma3_text", "mixtral"])
def test_other_families_have_a_map_for_every_layer_but_the_last(family: str) -> None:
    model = build(family, {})
    anatomy = dissect(model)
    ids = torch.randint(3, 40, (4, 12), generator=torch.Generator().manual_seed(0))
    nothing = TunedSum(anatomy.d_model, len(anatomy.blocks))
    maps = add_states(nothing, model, anatomy, ids, range(4), Watch(), skip=SKIP).maps()
    assert sorted(maps.rows) == list(range(len(anatomy.blocks)))
    assert all(bool(affine.weight.isfinite().all()) for affine in maps.rows.values())
