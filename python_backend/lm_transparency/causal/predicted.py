"""Predicted effects: gradient · (part − baseline), of every part of a run (docs/method.md#effects).

One forward and one backward pass give what the removal of each part would change if m were linear in the state that the
part is summed to. Positive supports the target.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..protocol.effects import How
from ..routes.kernels.cores import queries_at_once
from ..trace.trace import Trace
from ..watch import Watch
from .gradient import Gradient
from .parts import Part, Parts
from .sites import EMBEDDING, Site, attention_site
from .units import Unit, edge

#: Units of a kind that are candidates, the strongest ones of all layers.
KEPT = 400


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

    Heads, feed-forward blocks and tokens against their mean (`Parts`) by default, biases and residual states where a
    mean is asked for, all else against zero. 0 for what a layer does not have.
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


def predicted(parts: Parts, gradient: Gradient, how: How, watch: Watch) -> Predicted:
    """The predicted effects of every edge, head, feed-forward block, bias, residual state and token of a run."""
    trace, to_mean = parts.trace, how != "zero"
    n_layers, n = trace.n_layers, gradient.metric.position + 1
    heads = np.zeros((n_layers, n, trace.n_heads), np.float32)
    ffn, bias, residual = (np.zeros((n_layers, n), np.float32) for _ in range(3))
    strongest: list[tuple[np.ndarray, tuple[np.ndarray, ...]]] = []
    for layer, record in enumerate(trace.layers):
        watch.step("effects", layer, n_layers)
        after = gradient.at[Site(layer, "post")]
        ffn[layer] = _effects(record.ffn, after, parts.mean_ffn(layer) if to_mean else None)
        residual[layer] = _effects(record.post, after, parts.mean_residual(layer) if how == "mean" else None)
        if record.heads is not None:
            along = gradient.at[attention_site(trace.anatomy, layer)]
            heads[layer], edges = _attention(trace, layer, along, parts.mean_heads(layer) if to_mean else None)
            strongest.append((np.full(len(edges[0]), layer), edges))
            added = parts.bias(layer)
            if added is not None:
                bias[layer] = _effects(added[0], along, added[1] if how == "mean" else None)
    tokens = _effects(trace.layers[0].pre, gradient.at[EMBEDDING], parts.mean_embedding() if to_mean else None)
    return Predicted(_together(strongest), heads, ffn, bias, residual, tokens)


def _attention(
    trace: Trace, layer: int, along: Float[Tensor, "query d_model"], mean: Float[Tensor, "head d_value"] | None
) -> tuple[Float[np.ndarray, "query head"], tuple[np.ndarray, ...]]:
    """Effects of heads (all but the first query's against `mean`), and (query, key, effect) of the strongest edges."""
    record, n = trace.layers[layer], len(along)
    w_o = trace.anatomy.blocks[layer].w_o(trace.n_heads).to(along.dtype)
    # the gradient with respect to each head's output before W_O, then before the gate
    wanted = (along @ w_o.flatten(0, 1).T).reshape(n, len(w_o), -1).transpose(0, 1)
    gated = wanted
    if record.gate is not None:
        channels = record.gate.channels.transpose(0, 1)
        gated = wanted * (channels[:, :n] if record.gate.by_query else channels)
    values = record.attention.values()[:, :n].to(along.dtype)
    step = queries_at_once(trace.n_heads, n)
    of_heads: list[Tensor] = []
    found: list[tuple[np.ndarray, ...]] = []
    for first in range(0, n, step):
        at = slice(first, min(first + step, n))
        # nobody looks ahead
        effects = record.weights(queries=at, n_keys=at.stop) * (gated[:, at] @ values[:, : at.stop].mT)
        of_heads.append(effects.sum(dim=-1).T)
        found.append(_strongest(effects.sum(dim=0), first))
    heads = torch.cat(of_heads)
    if mean is not None:
        heads[1:] -= (wanted[:, 1:] * mean[:, None]).sum(dim=-1).T
    return heads.cpu().numpy(), tuple(np.concatenate(column) for column in zip(*found, strict=True))


def _strongest(effects: Float[Tensor, "query key"], first: int) -> tuple[np.ndarray, ...]:
    """(query, key, effect) of the strongest edges among some queries."""
    flat = effects.flatten()
    at = flat.abs().topk(min(KEPT, len(flat))).indices
    n_keys = effects.shape[1]
    return (at // n_keys + first).cpu().numpy(), (at % n_keys).cpu().numpy(), flat[at].cpu().numpy()


def _together(found: list[tuple[np.ndarray, tuple[np.ndarray, ...]]]) -> Edges:
    layer = np.concatenate([layers for layers, _ in found])
    query, key, effect = (np.concatenate(column) for column in zip(*(rest for _, rest in found), strict=True))
    order = np.argsort(-abs(effect), kind="stable")[:KEPT]
    order = order[(key[order] <= query[order]) & (effect[order] != 0)]
    return Edges(layer[order], query[order], key[order], effect[order])


def _effects(
    states: Float[Tensor, "position d_model"],
    along: Float[Tensor, "query d_model"],
    mean: Float[Tensor, "d_model"] | None = None,
) -> Float[np.ndarray, "query"]:
    """Effects of removing states, or of setting all but the first to `mean`."""
    found = (states[: len(along)].to(along) * along).sum(dim=-1)
    if mean is not None:
        found[1:] -= along[1:] @ mean.to(along)
    return found.cpu().numpy()
