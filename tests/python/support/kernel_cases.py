"""Inputs of the attention kernels, and what the definition makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import strategies as st

from lm_transparency.routes.contribution import proximity


@dataclass(frozen=True)
class Case:
    whole: np.ndarray  # [T, d]
    probabilities: np.ndarray  # [H, T, T]
    outputs: np.ndarray  # [H, T, d]


def tensors(case: Case) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(x) for x in (case.whole, case.probabilities, case.outputs))


def oracle(case: Case, clip: float) -> np.ndarray:
    """The definition, part by part, in float64."""
    n_heads, n_tokens, _ = case.probabilities.shape
    near = np.zeros((n_tokens, n_tokens, n_heads))
    for t in range(n_tokens):
        for h in range(n_heads):
            parts = case.probabilities[h, t, : t + 1, None].astype(np.float64) * case.outputs[h, : t + 1]
            near[t, : t + 1, h] = proximity(parts, case.whole[t].astype(np.float64), clip=clip)
    return near


def tolerance(case: Case) -> np.ndarray:
    """The rounding of a float32 sum over d elements, each as large as whole and part together."""
    size = np.abs(case.whole).sum(axis=-1)[:, None, None] + np.abs(case.outputs).sum(axis=-1).T[None]
    return 4e-7 * size + 1e-12


SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-20, -1e-20, 3e4, -3e4]
numbers = st.one_of(st.sampled_from(SPECIAL), st.floats(-10, 10, width=32))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    n_tokens, n_heads, d = draw(st.integers(1, 6)), draw(st.integers(1, 4)), draw(st.integers(1, 9))

    def array(*shape: int) -> np.ndarray:
        size = int(np.prod(shape))
        return np.array(draw(st.lists(numbers, min_size=size, max_size=size)), np.float32).reshape(shape)

    whole, outputs = array(n_tokens, d), array(n_heads, n_tokens, d)
    weights = draw(st.sampled_from(["softmax", "some zero", "one", "sink"]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    scores = np.tril(generator.gamma(0.3, size=(n_heads, n_tokens, n_tokens)) + 1e-9)
    if weights == "some zero":
        scores *= generator.random(scores.shape) < 0.5
    if weights == "one":
        scores = np.tril(np.ones_like(scores))
    total = scores.sum(axis=-1, keepdims=True) if weights != "one" else 1.0
    # an attention sink takes a share that is not a part
    probabilities = scores / np.where(total > 0, total, 1) * (0.3 if weights == "sink" else 1.0)
    tie = draw(st.sampled_from(["none", "a part is the whole", "a part is minus the whole", "whole is zero"]))
    if tie == "whole is zero":
        whole = np.zeros_like(whole)
    elif tie != "none":
        outputs[0, 0] = whole[-1] if tie == "a part is the whole" else -whole[-1]
    return Case(whole, probabilities.astype(np.float32), outputs)
