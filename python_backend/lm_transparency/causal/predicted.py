"""Predicted effects: gradient · (part − baseline), of every part of a run, from one forward and one backward pass.

First order: what removing a part would change if m were linear in the state that it is summed to. Positive supports m.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..routes.kernels.cores import queries_at_once
from ..trace.sums import attention_bias
from ..trace.trace import Trace
from ..watch import Watch
from .gradient import Gradient
from .parts import Part
from .sites import EMBEDDING, Site, attention_site
from .units import Unit, edge

#: Edges that are kept, the strongest ones of all layers.
_KEPT = 400


@dataclass(frozen=True)
class Edges:
    """The strongest edges by |effect|, strongest first."""

    layer: Int[np.ndarray, "edge"]
    query: Int[np.ndarray, "edge"]
    key: Int[np.ndarray, "edge"]
    effect: Float[np.ndarray, "edge"]

    def units(self) -> Iterator[tuple[Unit, float]]:
        columns = (self.layer, self.query, self.key, self.effect)
        for layer, query, key, effect in zip(*(column.tolist() for column in columns), strict=True):
            yield edge(layer, query, key), effect


@dataclass(frozen=True)
class Predicted:
    """The effects of all parts up to the metric's position, on logits as a metric counts them.

    Heads, feed-forward blocks and tokens against their mean (`Parts`), all else against zero. 0 for what a layer does
    not have.
    """

    edges: Edges
    heads: Float[np.ndarray, "layer position head"]
    ffn: Float[np.ndarray, "layer position"]
    bias: Float[np.ndarray, "layer position"]
    residual: Float[np.ndarray, "layer position"]
    tokens: Float[np.ndarray, "position"]


def effect_of(gradient: Gradient, part: Part) -> float:
    """The predicted effect of removing one part."""
    along = gradient.at[part.site]
    within = [i for i, position in enumerate(part.positions) if position < len(along)]
    change = part.change[within].to(along)
    return -float((change * along[[part.positions[i] for i in within]]).sum())


def predicted(trace: Trace, gradient: Gradient, watch: Watch) -> Predicted:
    """The predicted effects of every edge, head, feed-forward block, bias, residual state and token of a run."""
    n_layers, n = trace.n_layers, gradient.metric.position + 1
    heads = np.zeros((n_layers, n, trace.n_heads), np.float32)
    ffn, bias, residual = (np.zeros((n_layers, n), np.float32) for _ in range(3))
    strongest: list[tuple[np.ndarray, np.ndarray]] = []
    for layer, record in enumerate(trace.layers):
        watch.step("effects", layer, n_layers)
        after = gradient.at[Site(layer, "post")]
        ffn[layer] = _from_mean(record.ffn, after)
        residual[layer] = _dots(record.post[:n], after)
        if record.heads is not None:
            along = gradient.at[attention_site(trace.anatomy, layer)]
            heads[layer], edges = _attention(trace, layer, along)
            strongest.append((np.full(len(edges[0]), layer), edges))
            added = attention_bias(trace, layer)
            if added is not None:
                bias[layer] = _dots(added[:n], along)
    tokens = _from_mean(trace.layers[0].pre, gradient.at[EMBEDDING])
    return Predicted(_together(strongest), heads, ffn, bias, residual, tokens)


def _attention(
    trace: Trace, layer: int, along: Float[Tensor, "query d_model"]
) -> tuple[Float[np.ndarray, "query head"], tuple[np.ndarray, ...]]:
    """Effects of heads, and (query, key, effect) of the strongest edges."""
    record, n = trace.layers[layer], len(along)
    w_o = trace.anatomy.blocks[layer].w_o(trace.n_heads).to(along.dtype)
    n_heads, d_value, _ = w_o.shape
    # the gradient with respect to each head's Σ_s w · v
    wanted = (along @ w_o.flatten(0, 1).T).reshape(n, n_heads, d_value).transpose(0, 1)
    if record.gate is not None:
        channels = record.gate.channels.transpose(0, 1)
        wanted = wanted * (channels[:, :n] if record.gate.by_query else channels)
    values = record.attention.values()
    step = queries_at_once(n_heads, trace.n_tokens)
    of_heads, sums, found = [], torch.zeros(n_heads, d_value, device=along.device), []
    for first in range(0, trace.n_tokens, step):
        at = slice(first, min(first + step, trace.n_tokens))
        weights = record.weights(queries=at)
        # each head's mean is over all positions but the first
        later = weights[:, 1:] if first == 0 else weights
        rows = later @ values
        if record.gate is not None and record.gate.by_query:
            sums += (rows * record.gate.channels[max(first, 1) : at.stop].transpose(0, 1)).sum(dim=1)
        else:
            sums += rows.sum(dim=1)
        if first < n:
            mine = slice(first, min(at.stop, n))
            effects = weights[:, : mine.stop - first] * (wanted[:, mine] @ values.mT)
            of_heads.append(effects.sum(dim=-1).T)
            found.append(_strongest(effects.sum(dim=0), first))
    heads = torch.cat(of_heads)
    if trace.n_tokens > 1:
        mean = sums / (trace.n_tokens - 1)
        by_query = record.gate is not None and record.gate.by_query
        # a gate by query is part of the mean already
        plain = (along @ w_o.flatten(0, 1).T).reshape(n, n_heads, d_value).transpose(0, 1) if by_query else wanted
        heads[1:] -= (plain[:, 1:] * mean[:, None]).sum(dim=-1).T
    return heads.cpu().numpy(), tuple(np.concatenate(column) for column in zip(*found, strict=True))


def _strongest(effects: Float[Tensor, "query key"], first: int) -> tuple[np.ndarray, ...]:
    """(query, key, effect) of the strongest edges among some queries."""
    flat = effects.flatten()
    at = flat.abs().topk(min(_KEPT, len(flat))).indices
    n_keys = effects.shape[1]
    return (at // n_keys + first).cpu().numpy(), (at % n_keys).cpu().numpy(), flat[at].cpu().numpy()


def _together(found: list[tuple[np.ndarray, tuple[np.ndarray, ...]]]) -> Edges:
    layer = np.concatenate([layers for layers, _ in found])
    query, key, effect = (np.concatenate(column) for column in zip(*(rest for _, rest in found), strict=True))
    order = np.argsort(-abs(effect), kind="stable")[:_KEPT]
    order = order[(key[order] <= query[order]) & (effect[order] != 0)]
    return Edges(layer[order], query[order], key[order], effect[order])


def _from_mean(
    states: Float[Tensor, "position d_model"], along: Float[Tensor, "query d_model"]
) -> Float[np.ndarray, "query"]:
    """Effects against the mean over the positions after the first; of the first against zero."""
    states = states.to(along)
    found = (states[: len(along)] * along).sum(dim=-1)
    if len(states) > 1:
        found[1:] -= along[1:] @ states[1:].mean(dim=0)
    return found.cpu().numpy()


def _dots(states: Float[Tensor, "query d_model"], along: Float[Tensor, "query d_model"]) -> Float[np.ndarray, "query"]:
    return (states.to(along) * along).sum(dim=-1).cpu().numpy()
