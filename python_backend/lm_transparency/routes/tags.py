"""Head tags, measured: the attention of each head on random tokens given twice (docs/method.md#head-tags).

Previous-token, duplicate-token and induction heads after Olsson et al. (2022), "In-context Learning and Induction
Heads"; sinks after Xiao et al. (2023), "Efficient Streaming Language Models with Attention Sinks".
"""

from __future__ import annotations

from typing import get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..protocol.heads import HeadTag
from ..trace.trace import Trace

TAGS: tuple[HeadTag, ...] = get_args(HeadTag)

#: Random tokens of the probe, which holds them twice.
PROBE_TOKENS = 32


def probe(n_vocab: int, avoid: set[int], first: int | None, n_context: int) -> Int[Tensor, "position"]:
    """The same probe for a model every time: `first` (a beginning token, if any), then random tokens, twice."""
    n_random = PROBE_TOKENS if n_context <= 0 else max(2, min(PROBE_TOKENS, (n_context - 1) // 2))
    allowed = np.setdiff1d(np.arange(n_vocab), np.array(sorted(avoid), dtype=np.int64))
    random = np.random.default_rng(0).choice(allowed, size=n_random, replace=len(allowed) < n_random)
    start = [] if first is None else [first]
    return torch.tensor([*start, *random.tolist(), *random.tolist()])


def head_tags(trace: Trace, n_random: int) -> Float[np.ndarray, "layer head tag"]:
    """The mean attention probability of each head for each of `TAGS`, over the queries that have such a key.

    `trace`: a trace of `probe`, whose last 2·`n_random` tokens are the random ones. Duplicate: the earlier copy of the
    query's token; induction: the token after that copy. 0 in layers without attention.
    """
    n_tokens = trace.n_tokens
    second = torch.arange(n_tokens - n_random, n_tokens)
    later = torch.arange(1, n_tokens)
    beyond = torch.arange(2, n_tokens)
    means: list[np.ndarray] = []
    for layer in trace.layers:
        if layer.heads is None:
            means.append(np.zeros((trace.n_heads, len(TAGS)), dtype=np.float32))
            continue
        p = layer.attention.probabilities().cpu()
        tags = (
            p[:, beyond, beyond - 1],
            p[:, later, torch.zeros_like(later)],
            p[:, second, second - n_random],
            p[:, second, second - n_random + 1],
            p[:, later, later],
        )
        means.append(torch.stack([tag.mean(dim=-1) for tag in tags], dim=-1).numpy())
    return np.stack(means)
