"""Traces without a model: any shape, sequential or parallel, with chosen numbers."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from lm_transparency import Trace
from lm_transparency.model.anatomy import Anatomy
from lm_transparency.model.block import Block, Sublayer
from lm_transparency.model.facts import BlockFacts
from lm_transparency.trace.trace import AttentionRecord, LayerRecord


def trace(
    seed: int,
    *,
    n_layers: int = 2,
    n_tokens: int = 5,
    n_heads: int = 4,
    n_kv_heads: int = 2,
    d_head: int = 3,
    d_model: int = 8,
    parallel: bool = False,
    bias: bool = True,
) -> Trace:
    """A recorded pass whose parts sum to the whole, all numbers random."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    facts = BlockFacts("synthetic", "a", "f", "n", parallel=parallel)
    plain = Sublayer(None, None, 1.0)
    blocks, layers, stream = [], [], random(n_tokens, d_model)
    for _ in range(n_layers):
        projection = nn.Linear(n_heads * d_head, d_model, bias=bias)
        with torch.no_grad():
            projection.weight.copy_(random(d_model, n_heads * d_head))
            if bias:
                projection.bias.copy_(random(d_model))
        blocks.append(Block(nn.Module(), nn.Module(), projection, nn.Module(), nn.Module(), nn.Module(), plain, plain))
        attention = AttentionRecord(
            query=random(n_heads, n_tokens, d_head),
            key=random(n_kv_heads, n_tokens, d_head),
            value=random(n_kv_heads, n_tokens, d_head),
            mask=None,
            scaling=1.0,
        )
        read = attention.probabilities() @ attention.values()
        moved = projection(read.transpose(0, 1).reshape(n_tokens, -1)).detach()
        ffn = random(n_tokens, d_model)
        mid = stream + moved
        layers.append(LayerRecord(stream, stream if parallel else mid, ffn, mid + ffn, attention))
        stream = mid + ffn
    anatomy = Anatomy(
        facts=facts,
        blocks=tuple(blocks),
        final_norm=nn.Identity(),
        unembedding=nn.Linear(d_model, 11),
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        d_model=d_model,
        d_ffn=d_model,
        n_vocab=11,
        n_context=n_tokens,
        parallel=parallel,
    )
    return Trace(anatomy, torch.arange(n_tokens), tuple(layers), random(n_tokens, 11))


def parts(made: Trace, layer: int) -> np.ndarray:
    """α · v · W_O of every (query, key, head), float64, one at a time."""
    record, projection = made.layers[layer].attention, made.anatomy.blocks[layer].output_projection
    weight = projection.weight.detach().double().numpy()
    heads, d_head = made.n_heads, record.value.shape[-1]
    group = heads // record.value.shape[0]
    alpha = record.probabilities().double().numpy()
    found = np.zeros((made.n_tokens, made.n_tokens, heads, made.anatomy.d_model))
    for t, s, h in np.ndindex(*found.shape[:3]):
        value = record.value[h // group, s].double().numpy()
        found[t, s, h] = alpha[h, t, s] * (weight[:, h * d_head : (h + 1) * d_head] @ value)
    return found
