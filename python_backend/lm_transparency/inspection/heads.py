"""Attention: an edge by head, one head at one query, its maps, and what heads are known to do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ambient import guarded
from ..analysis.result import Analysis
from ..lens.projection import Lens
from ..model.loading import LoadedModel
from ..routes import heads
from ..routes.heads import AttentionMap, EdgeHeads, LayerMaps
from ..routes.tags import head_tags, probe
from ..trace.finite import check_finite
from ..trace.recording import record
from ..watch import Watch
from .asking import question
from .tokens import TokenScore, Update, check_heads, lens_of, place_of, state_scores, update_tokens

#: Lens tokens that say what a query or a key stands for.
_READS = 5


@dataclass(frozen=True)
class EdgeView:
    """An attention edge by head; `weight` is the sum over all heads, before thresholding."""

    layer: int
    query: int
    key: int
    weight: float
    heads: EdgeHeads


@dataclass(frozen=True)
class KeyView:
    """One key of a head's row. `score` is what the softmax is taken of; −∞ where a sliding window hides the key."""

    position: int
    score: float
    probability: float
    contribution: float


@dataclass(frozen=True)
class HeadView:
    """One head at one query: why it looks at `key`, and what it writes.

    `rank`: keys of the row with more attention. `keys`: those that contribute most. `update`: of all that the head
    writes; `part`: of what it brings from `key`. `query_reads`, `key_reads`: the logit lens of the two residual states
    that query and key are computed from.
    """

    layer: int
    head: int
    query: int
    key: KeyView
    rank: int
    keys: tuple[KeyView, ...]
    update: Update
    part: Update
    query_reads: tuple[TokenScore, ...]
    key_reads: tuple[TokenScore, ...]


@dataclass(frozen=True)
class HeadTags:
    """[layer, head, tag] for `routes.tags.TAGS`, measured on `n_tokens` tokens."""

    scores: np.ndarray
    n_tokens: int


@question
def inspect_edge(analysis: Analysis, layer: int, query: int, key: int) -> EdgeView:
    """The attention edge from `key` to `query` of `layer`, by head. Raises `TransparencyError` out of range."""
    query, key = place_of(analysis, layer, query, key)
    check_heads(analysis, layer)
    found = heads.edge_heads(analysis.trace, analysis.contributions, layer, query, key)
    return EdgeView(layer, query, key, float(found.contribution.sum()), found)


@question
def inspect_head(
    analysis: Analysis,
    layer: int,
    head: int,
    query: int,
    key: int | None = None,
    *,
    top_k: int = 15,
    keys_k: int = 10,
    normalize: bool = True,
) -> HeadView:
    """One head at `query`; `key` None: the one that contributes most. Raises `TransparencyError` out of range."""
    query, seen_from = place_of(analysis, layer, query, 0 if key is None else key, head)
    key = None if key is None else seen_from
    check_heads(analysis, layer)
    trace = analysis.trace
    row = heads.head_row(trace, analysis.contributions, layer, head, query)
    order = np.lexsort((-row.probability, -row.contribution))
    at = int(order[0]) if key is None else key
    seen = order[np.isfinite(row.score[order])]
    states = trace.layers[layer].pre
    vectors = [
        heads.head_output(trace, layer, head, query),
        heads.head_part(trace, layer, head, query, at),
        states[query],
        states[at],
    ]
    output, part, query_state, key_state = lens_of(analysis, vectors, normalize)

    def view(position: int) -> KeyView:
        p = position
        return KeyView(p, float(row.score[p]), float(row.probability[p]), float(row.contribution[p]))

    return HeadView(
        layer=layer,
        head=head,
        query=query,
        key=view(at),
        rank=int((row.probability > row.probability[at]).sum()),
        keys=tuple(view(int(k)) for k in seen[:keys_k]),
        update=update_tokens(analysis, output, top_k),
        part=update_tokens(analysis, part, top_k),
        query_reads=state_scores(analysis, Lens.top(query_state, _READS, readout=trace.anatomy.readout)),
        key_reads=state_scores(analysis, Lens.top(key_state, _READS, readout=trace.anatomy.readout)),
    )


@question
def attention_map(analysis: Analysis, layer: int, head: int | None = None) -> AttentionMap:
    """Attention and contributions over the whole prompt; `head` None: of all heads together."""
    place_of(analysis, layer, 0, head=head or 0)
    check_heads(analysis, layer)
    return heads.attention_map(analysis.trace, analysis.contributions, layer, head)


@question
def layer_maps(analysis: Analysis, layer: int, *, side: int = 48) -> LayerMaps:
    """Small maps of every head of a layer."""
    place_of(analysis, layer, 0)
    check_heads(analysis, layer)
    return heads.layer_maps(analysis.trace, analysis.contributions, layer, side=side)


@guarded
def measure_head_tags(model: LoadedModel, watch: Watch | None = None) -> HeadTags:
    """What each head of `model` attends to on random tokens given twice; one forward pass."""
    tokenizer, anatomy = model.tokenizer, model.anatomy
    first = tokenizer.bos_token_id
    ids = probe(anatomy.n_vocab, set(tokenizer.all_special_ids), first, anatomy.n_context)
    trace = record(model.model, anatomy, ids, watch or Watch())
    check_finite(model, trace)
    return HeadTags(head_tags(trace, (len(ids) - (first is not None)) // 2), len(ids))
