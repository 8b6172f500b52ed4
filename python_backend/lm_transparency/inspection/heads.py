"""Attention: an edge by head, one head at one query, attention maps, and tags for known kinds of head."""

from __future__ import annotations

import numpy as np

from ..ambient import guarded
from ..analysis.result import Analysis
from ..lens.maps import LOGIT, LensMaps
from ..lens.projection import Lens
from ..model.loading import LoadedModel
from ..protocol.heads import (
    AttentionMapResult,
    EdgeHeadsResult,
    HeadResult,
    HeadTagsResult,
    KeyShare,
    LayerMapsResult,
)
from ..routes import heads
from ..routes.tags import TAGS, head_tags, probe
from ..trace.finite import check_finite
from ..trace.recording import record
from ..trace.trace import check_heads
from ..watch import Watch
from .asking import question
from .tokens import lens_of, place_of, state_scores, update_tokens

#: The number of lens tokens that describe a query or a key.
_READS = 5


@question
def inspect_edge(analysis: Analysis, layer: int, query: int, key: int) -> EdgeHeadsResult:
    """The attention edge from `key` to `query` of `layer`, by head.

    Raises `TransparencyError` for an index out of range.
    """
    query, key = place_of(analysis, layer, query, key)
    check_heads(analysis.trace, layer)
    found = heads.edge_heads(analysis.trace, analysis.contributions, layer, query, key)
    return EdgeHeadsResult(layer, query, key, float(found.contribution.sum()), found)


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
    lens: LensMaps = LOGIT,
) -> HeadResult:
    """One head at `query`. `key` None: the key that contributes most.

    Raises `TransparencyError` for an index out of range.
    """
    query, seen_from = place_of(analysis, layer, query, 0 if key is None else key, head)
    key = None if key is None else seen_from
    check_heads(analysis.trace, layer)
    trace = analysis.trace
    row = heads.head_row(trace, analysis.contributions, layer, head, query)
    order = np.lexsort((-row.probability, -row.contribution))
    at = int(order[0]) if key is None else key
    seen = order[np.isfinite(row.score[order])]
    states = trace.layers[layer].pre
    vectors = [
        lens.read_update(heads.head_output(trace, layer, head, query), layer),
        lens.read_update(heads.head_part(trace, layer, head, query, at), layer),
        lens.read(states[query], layer),
        lens.read(states[at], layer),
    ]
    output, part, query_state, key_state = lens_of(analysis, vectors, normalize)

    def view(position: int) -> KeyShare:
        p = position
        return KeyShare(p, float(row.score[p]), float(row.probability[p]), float(row.contribution[p]))

    return HeadResult(
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
        lens=lens.name,
    )


@question
def attention_map(
    analysis: Analysis, layer: int, head: int | None = None, *, side: int | None = None
) -> AttentionMapResult:
    """Attention and contributions over the whole prompt. `head` None: all heads together.

    `side`: a longer prompt is reduced to `side` × `side` cells, each with its largest value and the place of it.
    """
    place_of(analysis, layer, 0, head=head or 0)
    check_heads(analysis.trace, layer)
    found = heads.attention_map(analysis.trace, analysis.contributions, layer, head)
    n_tokens = len(found.probability)
    if side is None or n_tokens <= side:
        return AttentionMapResult(layer, head, n_tokens, found.probability, found.contribution)
    cells = [heads.in_cells(values, side) for values in (found.probability, found.contribution)]
    return AttentionMapResult(layer, head, side, *(c.largest for c in cells), *(c.at for c in cells))


@question
def layer_maps(analysis: Analysis, layer: int, *, side: int = 48) -> LayerMapsResult:
    """Small maps of every head of a layer."""
    place_of(analysis, layer, 0)
    check_heads(analysis.trace, layer)
    return heads.layer_maps(analysis.trace, analysis.contributions, layer, side=side)


@guarded
def measure_head_tags(model: LoadedModel, watch: Watch | None = None) -> HeadTagsResult:
    """Measure what each head of `model` attends to on random tokens given twice, in one forward pass."""
    tokenizer, anatomy = model.tokenizer, model.anatomy
    first = tokenizer.bos_token_id
    ids = probe(anatomy.n_vocab, set(tokenizer.all_special_ids), first, anatomy.n_context)
    trace = record(model.model, anatomy, ids, watch or Watch())
    check_finite(model, trace)
    return HeadTagsResult(TAGS, len(ids), head_tags(trace, (len(ids) - (first is not None)) // 2))
