"""The cost of an analysis: work and memory from the model's shape, and speed from earlier runs.

Pure: numbers in, numbers and sentences out. `calibration` keeps the measurements of this machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from ..errors import TransparencyError


class Shape(NamedTuple):
    """The sizes of a model that its work depends on. `d_value`: of one head; `n_outputs`: tokens or labels; bytes of
    weights.
    """

    n_params: int
    weight_bytes: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_model: int
    d_value: int
    d_ffn: int
    n_outputs: int
    n_context: int
    itemsize: int


class Work(NamedTuple):
    """One stage over one prompt: layers to walk through, floating-point operations, bytes read and written."""

    layers: float
    operations: float
    n_bytes: float


class Rates(NamedTuple):
    """Seconds for a layer's bookkeeping, for an operation, for a byte."""

    layer: float
    operation: float
    byte: float

    def seconds(self, work: Work) -> float:
        return sum(rate * amount for rate, amount in zip(self, work, strict=True))


@dataclass(frozen=True)
class Sample:
    """One analysis as it was measured."""

    model: str
    n_tokens: int
    forward: Work
    contributions: Work
    forward_s: float
    contributions_s: float


@dataclass(frozen=True)
class Estimate:
    """The cost of analysing a prompt besides the model itself.

    `seconds` are known (`calibrated`) from runs on this machine, or else assumed slow. `longest`: tokens that fit into
    `free_bytes`, with a margin.
    """

    n_tokens: int
    seconds: float
    n_bytes: int
    free_bytes: int
    longest: int
    calibrated: bool

    @property
    def fits(self) -> bool:
        return self.n_tokens <= self.longest


class Costly(TransparencyError):
    """An analysis to ask about before it begins. Sizes in bytes."""

    def __init__(self, estimate: Estimate) -> None:
        fits = f" Up to about {rounded(estimate.longest)} tokens fit." if not estimate.fits else ""
        super().__init__("costly", in_words(estimate) + fits, "Shorten the prompt, or analyze it all the same.")
        self.needed_bytes = estimate.n_bytes
        self.free_bytes = estimate.free_bytes


#: Without measurements, rather too slow than too fast. By the kind of device.
ASSUMED = {
    "cpu": Rates(2e-3, 1 / 2e10, 1 / 1e9),
    "mps": Rates(3e-3, 1 / 5e11, 1 / 2e10),
    "cuda": Rates(3e-3, 1 / 4e12, 1 / 1e11),
}

#: The weight of an assumption relative to one measured prompt length, and that of another model's runs.
_ASSUMPTION, _OTHER_MODEL = 1e-3, 0.1

#: Blocks of attention weights (`routes.kernels.cores`) in memory at the peak.
_BLOCKS = 6

#: The share of free memory relied on: it is fragmented, and others use it too.
_USABLE = 0.8

#: Other memory of an analysis, whatever its length, in bytes.
_ALWAYS = 16_000_000


def forward_work(shape: Shape, n_tokens: int) -> Work:
    """The recorded forward pass. A mixture of experts counts as if all its experts were active."""
    s = shape
    operations = 2 * s.n_params * n_tokens + 4 * s.n_layers * s.n_heads * s.d_value * n_tokens**2
    states = s.n_layers * n_tokens * (8 * s.d_model + 3 * s.d_ffn) + n_tokens * s.n_outputs
    return Work(s.n_layers, operations, s.weight_bytes + states * s.itemsize)


def contributions_work(shape: Shape, n_tokens: int) -> Work:
    """Three products through W_O and four over pairs of positions; what is read of a pair counts as bytes."""
    s = shape
    through_w_o = 6 * n_tokens * s.d_model * s.n_heads * s.d_value
    over_pairs = 8 * n_tokens**2 * s.n_heads * s.d_value
    pairs = n_tokens * (n_tokens + 1) / 2 * s.n_heads
    # short prompts read much of a part's d_model coordinates, long ones hardly any
    read = 4 * pairs * (8 + s.d_model * 64 / (64 + n_tokens))
    outputs = 4 * n_tokens * s.d_model * (2 * s.n_heads + 12)
    return Work(s.n_layers, s.n_layers * (through_w_o + over_pairs), s.n_layers * (read + outputs))


def trace_bytes(shape: Shape, n_tokens: int) -> int:
    """Bytes of a trace: three states per layer, queries, keys and values, and the logits."""
    s = shape
    layer = 3 * s.d_model + (s.n_heads + 2 * s.n_kv_heads) * s.d_value
    return (s.n_layers * layer + s.n_outputs) * n_tokens * s.itemsize


def peak_bytes(shape: Shape, n_tokens: int) -> int:
    """The peak memory of an analysis besides the model: the trace, and the largest of its three stages.

    The contributions hold one layer for every thread of torch.
    """
    from ..routes.kernels.cores import layers_at_once, queries_at_once

    s, n = shape, n_tokens
    forward = n * (4 * s.d_ffn + 4 * s.d_model) * s.itemsize
    layer = 4 * n * s.n_heads * (_BLOCKS * queries_at_once(s.n_heads, n) + s.d_model + 3 * s.d_value)
    contributions = layer * layers_at_once(n * s.n_heads * s.d_model)
    # memory of the softmax over the vocabulary, a block of positions at a time
    predictions = 3 * 4 * min(n, 128) * s.n_outputs
    return trace_bytes(shape, n) + max(forward, contributions, predictions) + _ALWAYS


def longest(shape: Shape, free: int) -> int:
    """The most tokens whose analysis fits into `free` bytes, with a margin, and into the model's context."""
    low, high = 0, shape.n_context if shape.n_context > 0 else 1 << 20
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if peak_bytes(shape, middle) <= _USABLE * free else (low, middle - 1)
    return low


def fit(assumed: Rates, measured: Iterable[tuple[Work, float, float]]) -> Rates:
    """Rates ≥ 0 that explain `measured` (work, seconds, weight) with the least squared relative error.

    `assumed` decides what the measurements leave open: one alone cannot separate operations from bytes.
    """
    rows = [
        ([rate * amount / seconds for rate, amount in zip(assumed, work, strict=True)], weight)
        for work, seconds, weight in measured
        if seconds > 0
    ]
    # as multiples of the assumed rates, one at a time: three numbers need no solver
    found = [1.0] * len(assumed)
    for _ in range(500):
        for j in range(len(found)):
            above, below = _ASSUMPTION, _ASSUMPTION
            for row, weight in rows:
                left = 1 - sum(x * a for i, (x, a) in enumerate(zip(found, row, strict=True)) if i != j)
                above, below = above + weight * row[j] * left, below + weight * row[j] ** 2
            found[j] = max(0.0, above / below)
    return Rates(*(x * rate for x, rate in zip(found, assumed, strict=True)))


def rates(assumed: Rates, samples: Sequence[Sample], model: str) -> tuple[Rates, Rates]:
    """Rates of the forward pass and of the contributions, from runs of `model` and otherwise from others."""
    groups: dict[tuple[str, int], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.model, bucket(sample.n_tokens)), []).append(sample)
    forward: list[tuple[Work, float, float]] = []
    contributions: list[tuple[Work, float, float]] = []
    for (name, _), group in groups.items():
        weight = 1.0 if name == model else _OTHER_MODEL
        # the median of runs of one length: another process may have used the machine meanwhile
        at = sorted(group, key=lambda s: s.n_tokens)[len(group) // 2]
        scale = median(s.forward_s / s.n_tokens for s in group), median(s.contributions_s / s.n_tokens for s in group)
        forward.append((at.forward, scale[0] * at.n_tokens, weight))
        contributions.append((at.contributions, scale[1] * at.n_tokens, weight))
    return fit(assumed, forward), fit(assumed, contributions)


def bucket(n_tokens: int) -> int:
    """Prompts of about one length, half a power of two apart."""
    return round(2 * math.log2(max(1, n_tokens)))


def in_words(estimate: Estimate) -> str:
    """`512 tokens take about 4 s and 1.1 GB; 6.4 GB are free.`"""
    time = duration(estimate.seconds)
    if not time.startswith("under"):
        time = f"{'about' if estimate.calibrated else 'at most about'} {time}"
    take = f"{time} and {size(estimate.n_bytes)}"
    return f"{estimate.n_tokens} tokens take {take}; {size(estimate.free_bytes)} are free."


def does_not_fit(shape: Shape, n_tokens: int, free: int) -> tuple[str, str]:
    """The sentence and remedy for `n_tokens` that did not, or will not, fit into `free` bytes."""
    needed = peak_bytes(shape, n_tokens)
    # memory ran out nevertheless: others used some meanwhile, or the rest is fragmented
    most = longest(shape, free)
    most = most if most < n_tokens else n_tokens // 2
    about = f"{n_tokens} tokens need about {size(needed)}; {size(free)} were free."
    if most < 1:
        return about, "Not even one token fits: free memory, or load the model in a smaller dtype."
    return about, f"Up to about {rounded(most)} tokens fit. The model is still loaded."


def size(n_bytes: float) -> str:
    """`1.1 GB`, `380 MB`."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 0.95e9 else f"{max(1, round(n_bytes / 1e6))} MB"


def duration(seconds: float) -> str:
    """`under a second`, `4 s`, `3 minutes`, `2 hours`."""
    if seconds < 1:
        return "under a second" if seconds < 0.95 else "1 s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.0f} hours"


def rounded(n_tokens: int) -> int:
    """Two digits of it, rounded down: more would be a promise."""
    step = 10 ** max(0, len(str(n_tokens)) - 2)
    return n_tokens // step * step
