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
from lm_transparency.lens.fitting import JacobianSum, add_sequences
from lm_transparency.model.anatomy import dissect

SKIP = 2
FAMILIES: dict[str, dict[str, Any]] = {
    **{name: {} for name in ("llama", "gpt2", "gemma3_text", "mixtral", "qwen3_next")},
    "gpt_neox": {"use_parallel_residual": True},
}


def sequences(n: int, length: int = 6) -> Tensor:
    return torch.randint(3, 40, (n, length), generator=torch.Generator().manual_seed(n))


def fitted(model: Any, ids: Tensor, first: int, **options: Any) -> JacobianSum:
    """One round."""
    anatomy = dissect(model)
    total = JacobianSum(anatomy.d_model, len(anatomy.blocks))
    return add_sequences(total, model, anatomy, ids, range(first, first + len(ids)), Watch(), skip=SKIP, **options)


def of_rounds(model: Any, ids: Tensor, size: int, first: int = 0, **options: Any) -> JacobianSum:
    rounds = [fitted(model, ids[i : i + size], first + i, **options) for i in range(0, len(ids), size)]
    return reduce(JacobianSum.merged, rounds)


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
    found = of_rounds(model, ids, 1, passes=anatomy.d_model)
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


def test_one_round_of_a_sequence_that_repeats_is_its_whole_jacobian() -> None:
    model = build("llama", {})
    one = sequences(1)
    right = fitted(model, one, 0, passes=dissect(model).d_model)
    # 5 does not divide d_model: some directions go to two sequences
    for n in (4, 5):
        found = fitted(model, one.expand(n, -1), 3)
        assert all(far(found, right, row) < 1e-4 for row in right.sums), n


def test_the_error_falls_with_the_square_root_of_the_passes_and_is_told() -> None:
    model = build("llama", {})
    every = sequences(192)
    right = of_rounds(model, every, 64, passes=dissect(model).d_model)
    row, errors = 1, dict[int, list[float]]()
    for n in (2, 8):
        fits = [of_rounds(model, every[i : i + 8 * n], 8, i) for i in range(0, 192, 8 * n)]
        errors[n] = [far(fit, right, row) for fit in fits]
        # what it says of itself; those that the error is measured from have the same sequences in part
        said = fmean(fit.standard_error(row) for fit in fits)
        assert said == pytest.approx(fmean(errors[n]), rel=0.35 if n == 2 else 0.3), n
    assert fmean(errors[2]) / fmean(errors[8]) == pytest.approx(2, rel=0.25)
    # fewer passes than directions: no bias, but more error
    few = of_rounds(model, every, 8, passes=1)
    assert far(few, right, row) == pytest.approx(few.standard_error(row), rel=0.3)


def test_bfloat16_products_are_within_their_rounding() -> None:
    model = build("llama", {})
    ids = sequences(8)
    assert all(
        far(fitted(model, ids, 0, half=True), fitted(model, ids, 0), row) < 0.05 for row in fitted(model, ids, 0).sums
    )


def test_fits_merge_to_one_and_stay_as_they_are() -> None:
    model = build("llama", {})
    ids, exact = sequences(4), {"passes": dissect(model).d_model}
    one, first = of_rounds(model, ids, 1, **exact), fitted(model, ids[:1], 0, **exact)
    second = of_rounds(model, ids[1:], 1, 1, **exact)
    both = first.merged(second)
    assert both.n_sequences == one.n_sequences == 4 and first.n_sequences == 1
    assert both.rounds == one.rounds == 4
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
    with pytest.raises(TransparencyError, match="have 6 tokens, of which the first 6 are left out"):
        add_sequences(total, model, anatomy, sequences(1), [0], Watch(), skip=6)
    with pytest.raises(TransparencyError, match="Nothing is fitted"):
        total.maps()


def test_a_cancelled_fit_leaves_the_model_as_it_was() -> None:
    model = build("llama", {})
    anatomy = dissect(model)
    watch = Watch(lambda _stage, done, _total: watch.cancel() if done == 3 else None)
    hooks = sum(len(module._forward_hooks) for module in model.modules())
    with pytest.raises(Cancelled):
        add_sequences(
            JacobianSum(anatomy.d_model, len(anatomy.blocks)), model, anatomy, sequences(1), [0], watch, skip=SKIP
        )
    assert sum(len(module._forward_hooks) for module in model.modules()) == hooks
    assert all(parameter.requires_grad for parameter in model.parameters())
