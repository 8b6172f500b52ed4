"""The Triton kernel against the definition, on the GPU if there is one, otherwise in Triton's interpreter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_cases import Case, cases, oracle, tensors, tolerance
from lm_transparency.routes import kernels

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

pytest.importorskip("triton", reason="Triton has no build for this platform")
from lm_transparency.routes.kernels import gpu  # noqa: E402


def on_gpu(case: Case, clip: float, first_query: int = 0) -> np.ndarray:
    whole, weights, outputs = (x.to(DEVICE) for x in tensors(case))
    whole, weights = whole[first_query:], weights[:, first_query:]
    largest = outputs.abs().amax(dim=-1)
    slopes = kernels.slopes_of(whole, outputs)
    return gpu.attention_proximities(whole, weights, outputs, largest, slopes, clip, first_query).cpu().numpy()


@settings(max_examples=25)
@given(case=cases(), clip=st.sampled_from((0.0, 1e-5)))
def test_the_triton_kernel_gives_the_proximities_of_the_definition(case: Case, clip: float) -> None:
    near = on_gpu(case, clip)
    assert near.dtype == np.float32
    assert (abs(near - oracle(case, clip)) <= tolerance(case)).all()


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_every_step_from_a_coordinate_that_is_zero_leads_away(zero: float) -> None:
    case = Case(
        np.array([[zero, 2.0]], np.float32),
        np.ones((2, 1, 1), np.float32),
        np.array([[[0.5, 1.0]], [[-0.5, 1.0]]], np.float32),
    )
    assert on_gpu(case, 0.0).tolist() == [[[0.5, 0.5]]]


def test_more_keys_than_a_block_and_queries_from_the_middle() -> None:
    generator = np.random.default_rng(5)
    n_tokens, d = 150, 40
    scores = np.tril(generator.gamma(0.2, size=(2, n_tokens, n_tokens)) + 1e-9)
    case = Case(
        generator.normal(size=(n_tokens, d)).astype(np.float32),
        (scores / scores.sum(-1, keepdims=True)).astype(np.float32),
        generator.normal(size=(2, n_tokens, d)).astype(np.float32),
    )
    first = 140
    near = on_gpu(case, 0.0, first)
    assert abs(near - oracle(case, 0.0)[first:]).max() <= 1e-5
    kept = kernels.keep(torch.from_numpy(near), np.ones(n_tokens - first), 0.01)
    assert np.allclose(kept.total, near.sum(axis=(1, 2)) + 1)
