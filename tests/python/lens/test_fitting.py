"""The fitted Jacobian lens against the whole Jacobian, by autograd."""

from __future__ import annotations

from functools import reduce
from statistics import fmean
from typing import Any

import pytest
import torch
from torch import Tensor

from families import build
from lm_transparency import Watch
from lm_transparency.causal.sites import Site, changed
from lm_transparency.errors import Cancelled, TransparencyError
from lm_transparency.lens.fitting import JacobianSum, add_sequence
from lm_transparency.model.anatomy import dissect

SKIP = 2
FAMILIES: dict[str, dict[str, Any]] = {
    **{name: {} for name in ("llama", "gpt2", "gemma3_text", "mixtral", "qwen3_next")},
    "gpt_neox": {"use_parallel_residual": True},
}


def sequences(n: int, length: int = 6) -> Tensor:
    return torch.randint(3, 40, (n, length), generator=torch.Generator().manual_seed(n))


def fitted(model: Any, ids: Tensor, first: int = 0, **options: Any) -> JacobianSum:
    anatomy = dissect(model)
    total = JacobianSum(anatomy.d_model, len(anatomy.blocks))
    for number, one in enumerate(ids, first):
        total = add_sequence(total, model, anatomy, one, number, Watch(), skip=SKIP, **options)
    return total


def far(one: JacobianSum, other: JacobianSum, row: int) -> float:
    """‖difference of the maps‖, relative to the second's."""
    a, b = (fit.maps().rows[row].weight for fit in (one, other))
    return float((a - b).norm() / b.norm())


def whole(model: Any, ids: Tensor, layer: int) -> Tensor:
    """The mean over source positions of Σ over target positions of ∂h_final/∂h, of one sequence."""
    anatomy = dissect(model)
    last = Site(len(anatomy.blocks) - 1, "post")

    def final(delta: Tensor) -> Tensor:
        outputs: list[Tensor] = []

        def probe(site: Site, states: Tensor, _factor: float) -> Tensor | None:
            if site == last:
                outputs.append(states)
            return states + delta if site == Site(layer, "post") else None

        with changed(anatomy, probe):
            model(input_ids=ids[None], use_cache=False)
        return outputs[0][0].sum(dim=0)

    found = torch.autograd.functional.jacobian(final, torch.zeros(len(ids), anatomy.d_model))
    return found[:, SKIP:].mean(dim=1)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_fit_is_the_mean_of_whole_jacobians(family: str) -> None:
    model = build(family, FAMILIES[family])
    anatomy, ids = dissect(model), sequences(3)
    # 5 does not divide d_model
    found = fitted(model, ids, batch=5)
    lens = found.maps()
    assert found.n_sequences == 3
    for layer in range(-1, len(anatomy.blocks) - 1):
        every = torch.stack([whole(model, one, layer) for one in ids])
        right, weight = every.mean(dim=0), lens.rows[layer + 1].weight
        assert float((weight - right).abs().max()) <= 1e-4 * float(right.abs().max()), layer
        # the standard error of a mean over three
        spread = (every - right).square().sum() / 2 / 3
        assert found.standard_error(layer + 1) == pytest.approx(float(spread.sqrt() / right.norm()), rel=1e-3)
    # the last layer's output is read as it is
    assert len(anatomy.blocks) not in lens.rows


def test_the_error_falls_with_the_square_root_of_the_passes_and_is_told() -> None:
    model = build("llama", {})
    every, row, size = sequences(96), 1, 8
    parts = [fitted(model, every[i : i + 2], i, batch=32) for i in range(0, 96, 2)]
    right, errors = reduce(JacobianSum.merged, parts), dict[int, float]()
    for n in (2, size):
        fits = [reduce(JacobianSum.merged, parts[i : i + n // 2]) for i in range(0, 48, n // 2)]
        # what is right has this fit's sequences in it: their own share of its error is taken away
        errors[n] = fmean(far(fit, right, row) for fit in fits) / (1 - n / 96) ** 0.5
        assert fmean(fit.standard_error(row) for fit in fits) == pytest.approx(errors[n], rel=0.2), n
    assert errors[2] / errors[size] == pytest.approx(2, rel=0.1)


def test_bfloat16_products_are_within_their_rounding() -> None:
    model = build("llama", {})
    exact, half = fitted(model, sequences(2)), fitted(model, sequences(2), half=True)
    assert all(0 < far(half, exact, row) < 0.1 for row in exact.sums)


def test_fits_merge_to_one_and_stay_as_they_are() -> None:
    model = build("llama", {})
    ids = sequences(4)
    one, first, second = fitted(model, ids), fitted(model, ids[:1]), fitted(model, ids[1:], 1)
    both = first.merged(second)
    assert both.n_sequences == one.n_sequences == 4 and first.n_sequences == 1
    for row, total in one.sums.items():
        torch.testing.assert_close(both.sums[row], total, rtol=1e-4, atol=1e-5)
        assert both.squares[row] == pytest.approx(one.squares[row], rel=1e-4)
    other = dissect(build("llama", {"hidden_size": 24}))
    with pytest.raises(TransparencyError, match="different models"):
        first.merged(JacobianSum(other.d_model, len(other.blocks), (1,)))
    with pytest.raises(TransparencyError, match="Sequence 1 is in both fits"):
        one.merged(second)


def test_what_cannot_be_fitted_is_said() -> None:
    model = build("llama", {})
    anatomy = dissect(model)
    total = JacobianSum(anatomy.d_model, len(anatomy.blocks))
    with pytest.raises(TransparencyError, match="has 6 tokens, of which the first 6 are left out"):
        add_sequence(total, model, anatomy, sequences(1)[0], 0, Watch(), skip=6)
    with pytest.raises(TransparencyError, match="Nothing is fitted"):
        total.maps()


def test_a_cancelled_fit_leaves_the_model_as_it_was() -> None:
    model = build("llama", {})
    anatomy = dissect(model)
    watch = Watch(lambda _stage, done, _total: watch.cancel() if done == 1 else None)
    hooks = sum(len(module._forward_hooks) for module in model.modules())
    with pytest.raises(Cancelled):
        add_sequence(
            JacobianSum(anatomy.d_model, len(anatomy.blocks)), model, anatomy, sequences(1)[0], 0, watch, skip=SKIP
        )
    assert sum(len(module._forward_hooks) for module in model.modules()) == hooks
    assert all(parameter.requires_grad for parameter in model.parameters())
