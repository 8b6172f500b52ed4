"""The fast kernels against the definition, for any shape, sign, zero, tie and clip."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import synthetic
from kernel_cases import Case, cases, oracle, tensors, tolerance
from lm_transparency.routes import kernels
from lm_transparency.routes.contribution import contributions as definition
from lm_transparency.routes.contribution import proximity
from lm_transparency.routes.contributions import layer_contributions
from lm_transparency.routes.kernels import chunked

CLIPS = (0.0, 1e-5)


def on_cpu(case: Case, clip: float) -> np.ndarray:
    return kernels.attention_proximities(*tensors(case), clip).numpy()


def in_chunks(case: Case, clip: float) -> np.ndarray:
    return chunked.attention_proximities(*tensors(case), clip).numpy()


def in_blocks(case: Case, clip: float) -> np.ndarray:
    """Proximities from the CPU kernel, two queries at a time."""
    whole, weights, outputs = tensors(case)
    blocks = [
        kernels.attention_proximities(whole[at : at + 2], weights[:, at : at + 2], outputs, clip, first_query=at)
        for at in range(0, len(whole), 2)
    ]
    return torch.cat(blocks).numpy()


KERNELS: dict[str, Callable[[Case, float], np.ndarray]] = {"cpu": on_cpu, "chunked": in_chunks, "blocks": in_blocks}


@pytest.mark.parametrize("kernel", KERNELS)
@given(case=cases(), clip=st.sampled_from(CLIPS))
def test_a_kernel_gives_the_proximities_of_the_definition(kernel: str, case: Case, clip: float) -> None:
    near = KERNELS[kernel](case, clip)
    assert near.dtype == np.float32
    assert (abs(near - oracle(case, clip)) <= tolerance(case)).all()


@pytest.mark.parametrize("kernel", KERNELS)
@given(case=cases(), clip=st.sampled_from(CLIPS))
def test_there_are_no_parts_above_the_diagonal(kernel: str, case: Case, clip: float) -> None:
    n_tokens = len(case.whole)
    above = np.triu_indices(n_tokens, 1)
    assert not KERNELS[kernel](case, clip)[above].any()
    # whatever is written there
    changed = Case(case.whole, case.probabilities + np.triu(np.ones((n_tokens, n_tokens), np.float32), 1), case.outputs)
    assert np.array_equal(KERNELS[kernel](case, clip), KERNELS[kernel](changed, clip))


@given(case=cases(), clip=st.sampled_from(CLIPS), block=st.integers(1, 60))
def test_chunks_of_any_size_give_the_same_numbers(case: Case, clip: float, block: int) -> None:
    whole = in_chunks(case, clip)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunked, "_BLOCK_ELEMENTS", block)
        assert np.allclose(in_chunks(case, clip), whole, rtol=1e-6, atol=float(tolerance(case).max()))


@given(case=cases(), clip=st.sampled_from(CLIPS))
def test_parts_of_one_a_row_have_the_proximities_of_the_definition(case: Case, clip: float) -> None:
    for part in case.outputs:
        near = kernels.row_proximities(torch.from_numpy(case.whole), torch.from_numpy(part), clip)
        assert near.dtype == np.float64
        for t, whole in enumerate(case.whole.astype(np.float64)):
            size = np.abs(whole).sum() + np.abs(part[t]).sum()
            assert abs(near[t] - proximity(part[t].astype(np.float64), whole, clip=clip)) <= 4e-7 * size + 1e-12


def test_a_probability_of_0_makes_a_part_without_proximity() -> None:
    ones = np.ones((3, 4), np.float32)
    case = Case(ones, np.zeros((2, 3, 3), np.float32), np.ones((2, 3, 4), np.float32))
    for run in KERNELS.values():
        assert not run(case, 0.0).any()
        assert np.array_equal(run(case, 1e-5), np.float32(1e-5) * np.tril(np.ones((3, 3)))[..., None].repeat(2, -1))


def test_parts_of_a_thousand_tokens_are_right_on_every_thread() -> None:
    """More queries than threads, rows of very different lengths, and an odd number of them."""
    generator = np.random.default_rng(3)
    n_tokens, d = 251, 24
    scores = np.tril(generator.gamma(0.2, size=(2, n_tokens, n_tokens)) + 1e-9)
    case = Case(
        generator.normal(size=(n_tokens, d)).astype(np.float32),
        (scores / scores.sum(-1, keepdims=True)).astype(np.float32),
        generator.normal(size=(2, n_tokens, d)).astype(np.float32),
    )
    wanted = oracle(case, 0.0)
    for run in KERNELS.values():
        assert abs(run(case, 0.0) - wanted).max() <= 1e-5


@pytest.mark.parametrize("kernel", KERNELS)
@given(seed=st.integers(0, 2**32 - 1), n_tokens=st.integers(1, 50), n_heads=st.integers(1, 3), d=st.integers(1, 40))
def test_a_kernel_gives_them_at_any_length_and_width(
    kernel: str, seed: int, n_tokens: int, n_heads: int, d: int
) -> None:
    """Keys and coordinates that fill no vector register, parts much smaller and much larger than the whole, zeros."""
    generator = np.random.default_rng(seed)
    sizes = generator.choice([1e-3, 1.0, 1e3], size=(n_heads, n_tokens, 1))
    outputs = (generator.normal(size=(n_heads, n_tokens, d)) * sizes).astype(np.float32)
    whole = (generator.normal(size=(n_tokens, d)) * (generator.random((n_tokens, d)) < 0.9)).astype(np.float32)
    scores = np.tril(generator.gamma(0.2, size=(n_heads, n_tokens, n_tokens)) + 1e-9)
    weights = scores / scores.sum(-1, keepdims=True) * generator.choice([-1, 1], size=(n_heads, 1, 1))
    case = Case(whole, weights.astype(np.float32), outputs)
    assert (abs(KERNELS[kernel](case, 0.0) - oracle(case, 0.0)) <= tolerance(case)).all()


def test_inputs_that_are_views_give_the_same_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    whole = torch.randn(4, 12, generator=generator)[:, ::2]
    probabilities = torch.rand(4, 4, 3, generator=generator).permute(2, 0, 1).tril()
    outputs = torch.randn(4, 3, 6, generator=generator).transpose(0, 1)
    case = Case(*(x.contiguous().numpy() for x in (whole, probabilities, outputs)))
    near = kernels.attention_proximities(whole, probabilities, outputs).numpy()
    assert abs(near - oracle(case, 0.0)).max() <= 1e-5


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("parallel", [False, True], ids=["sequential", "parallel"])
@given(
    seed=st.integers(0, 2**31),
    n_tokens=st.integers(1, 6),
    heads=st.sampled_from([(1, 1), (4, 4), (4, 2), (6, 1)]),
    d_model=st.integers(1, 10),
    bias=st.booleans(),
)
def test_contributions_of_a_layer_are_those_of_the_definition(
    clip: float, parallel: bool, seed: int, n_tokens: int, heads: tuple[int, int], d_model: int, bias: bool
) -> None:
    """Each whole has one denominator: attention, residual and bias; feed-forward and its residual; or all parts."""
    made = synthetic.trace(
        seed,
        n_layers=1,
        n_tokens=n_tokens,
        n_heads=heads[0],
        n_kv_heads=heads[1],
        d_model=d_model,
        parallel=parallel,
        bias=bias,
    )
    ours, record = layer_contributions(made, 0, clip=clip), made.layers[0]
    # in few dimensions parts may cancel almost entirely, and rounding dominates the rest
    assert ours.error.largest < 1e-4
    attention = synthetic.parts(made, 0)
    vector = made.anatomy.blocks[0].output_projection.bias
    pre, mid, ffn, post = (x.double().numpy() for x in (record.pre, record.mid, record.ffn, record.post))
    for t in range(n_tokens):
        rows = [*attention[t, : t + 1].reshape(-1, d_model), pre[t]]
        # without a bias there is no such part, at any clip
        rows += [vector.detach().double().numpy()] if bias else []
        rows += [ffn[t]] if parallel else []
        wanted = definition(np.stack(rows), post[t] if parallel else mid[t], clip=clip)
        got = [*ours.attention[t, : t + 1].reshape(-1), ours.attention_residual[t]]
        got += [ours.attention_bias[t]] if bias else []
        got += [ours.ffn[t]] if parallel else []
        assert got == pytest.approx(wanted, abs=1e-5)
        assert not ours.attention[t, t + 1 :].any()
        assert bias or ours.attention_bias[t] == 0
        if parallel:
            assert ours.ffn_residual[t] == 0
        else:
            wanted = definition(np.stack([ffn[t], mid[t]]), post[t], clip=clip)
            assert [ours.ffn[t], ours.ffn_residual[t]] == pytest.approx(wanted, abs=1e-5)


@given(case=cases(), floor=st.sampled_from((0.0, 0.005, 0.2)), seed=st.integers(0, 2**31), first=st.integers(0, 3))
def test_what_is_kept_of_a_row_is_what_the_definition_keeps(case: Case, floor: float, seed: int, first: int) -> None:
    """The exact total of every row, and its edges and heads above the floor; the same from proximities."""
    whole, weights, outputs = tensors(case)
    first = min(first, len(whole) - 1)
    rest = np.random.default_rng(seed).random(len(whole) - first) * (seed % 3)
    near = oracle(case, 0.0)[first:]
    total = near.sum(axis=(1, 2)) + rest
    size = tolerance(case)[first:].sum(axis=(1, 2))
    share = np.divide(1.0, total, out=np.zeros_like(total), where=total > size)
    contribution = near * share[:, None, None]
    # a share is as exact as its row's total lets it be
    unsure = np.where(total > size, 4 * size * share, np.inf)
    direction = torch.linspace(-1, 1, whole.shape[1])
    slopes = kernels.slopes_of(whole[first:], outputs)
    given = (weights[:, first:], kernels.head_outputs(outputs, direction), slopes, rest, floor)
    kept, along = kernels.kept_rows(whole[first:], *given, first_query=first)
    sizes = outputs.abs().sum(dim=-1)
    assert ((along - outputs.double() @ direction.double()).abs() <= 1e-6 * sizes + 1e-12).all()
    again = kernels.keep(kernels.attention_proximities(whole, weights, outputs)[first:], rest, floor)
    for rows in (kept, again):
        assert (abs(rows.total - total) <= size).all()
        edges = np.zeros(near.shape[:2])
        edges[rows.query, rows.key] = rows.weight
        heads = np.zeros_like(near)
        heads[rows.query.repeat(rows.n_heads), rows.key.repeat(rows.n_heads), rows.head] = rows.share
        for got, wanted in ((edges, contribution.sum(axis=-1)), (heads, contribution)):
            by_row = unsure.reshape(-1, *[1] * (wanted.ndim - 1))
            known = (unsure < 0.01).reshape(by_row.shape) & (abs(wanted - floor) > by_row)
            assert (abs(got - np.where(wanted > floor, wanted, 0.0)) <= by_row + 1e-7)[known].all()
        order = rows.query * len(whole) + rows.key
        assert (np.diff(order) > 0).all()
