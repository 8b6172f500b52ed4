"""Answers to questions about a run, as messages: one function per question, found by the class of its params."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from ..inspection import experts, ffn, heads, lens, nodes
from ..inspection.tokens import TokenScore, Update, output_meant
from ..protocol import ffn as of_ffn
from ..protocol import heads as of_heads
from ..protocol import inspection as wire
from ..protocol import lens as of_lens
from ..routes.heads import in_cells
from ..routes.tags import TAGS
from ..trace.trace import position_of
from ..watch import Watch
from .session import Session

_KINDS: dict[str, wire.NodeKind] = {"X": "embedding", "A": "attention", "M": "ffn", "I": "residual"}

#: JSON has no −∞; additive masks use the same number.
_LOWEST = float(np.finfo(np.float32).min)


def answer(params: Any, session: Session, watch: Watch) -> Any:
    """The result for `params`. Raises `TransparencyError` (`runExpired`, `invalidParams` …)."""
    if isinstance(layer := getattr(params, "layer", None), int):
        # for an analysis that is not complete yet
        session.complete(params.run_id, layer)
    return _ANSWERS[type(params)](params, session, watch)


def _node_tokens(params: wire.NodeTokensParams, session: Session, _watch: Watch) -> wire.NodeTokensResult:
    view = nodes.inspect_node(
        session.run(params.run_id),
        params.node,
        top_k=params.top_k,
        update_k=params.update_k,
        normalize=params.normalize,
    )
    at = view.node
    top, (promoted, suppressed) = _scores(view.top), _update(view.update)
    return wire.NodeTokensResult(str(at), _KINDS[at.kind], at.layer, at.position, top, promoted, suppressed)


def _edge_heads(params: of_heads.EdgeHeadsParams, session: Session, _watch: Watch) -> of_heads.EdgeHeadsResult:
    view = heads.inspect_edge(session.run(params.run_id), params.layer, params.query, params.key)
    columns = (view.heads.contribution, view.heads.probability, view.heads.rank)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    shares = [of_heads.HeadShare(head, c, p, rank) for head, (c, p, rank) in enumerate(rows)]
    return of_heads.EdgeHeadsResult(view.layer, view.query, view.key, view.weight, shares)


def _head(params: of_heads.HeadParams, session: Session, _watch: Watch) -> of_heads.HeadResult:
    view = heads.inspect_head(
        session.run(params.run_id),
        params.layer,
        params.head,
        params.query,
        None if params.key == -1 else params.key,
        top_k=params.top_k,
        keys_k=params.keys_k,
        normalize=params.normalize,
    )
    promoted, suppressed = _update(view.update)
    part_promoted, part_suppressed = _update(view.part)
    return of_heads.HeadResult(
        layer=view.layer,
        head=view.head,
        query=view.query,
        key=view.key.position,
        score=max(_LOWEST, view.key.score),
        probability=view.key.probability,
        rank=view.rank,
        contribution=view.key.contribution,
        keys=[of_heads.KeyShare(k.position, k.score, k.probability, k.contribution) for k in view.keys],
        promoted=promoted,
        suppressed=suppressed,
        part_promoted=part_promoted,
        part_suppressed=part_suppressed,
        query_reads=_scores(view.query_reads),
        key_reads=_scores(view.key_reads),
    )


def _attention_map(params: of_heads.AttentionMapParams, session: Session, _watch: Watch) -> of_heads.AttentionMapResult:
    head = None if params.head == -1 else params.head
    found = heads.attention_map(session.run(params.run_id), params.layer, head)
    n_tokens = len(found.probability)
    if n_tokens <= params.side:
        nothing = _array(np.empty((0, 0)), "uint32")
        maps = _array(found.probability), _array(found.contribution)
        return of_heads.AttentionMapResult(params.layer, params.head, n_tokens, *maps, nothing, nothing)
    cells = [in_cells(values, params.side) for values in (found.probability, found.contribution)]
    largest, at = (_array(c.largest) for c in cells), (_array(c.at, "uint32") for c in cells)
    return of_heads.AttentionMapResult(params.layer, params.head, params.side, *largest, *at)


def _layer_maps(params: of_heads.LayerMapsParams, session: Session, _watch: Watch) -> of_heads.LayerMapsResult:
    found = heads.layer_maps(session.run(params.run_id), params.layer, side=params.side)
    return of_heads.LayerMapsResult(
        layer=params.layer,
        side=found.probability.shape[-1],
        largest=found.largest,
        probability=_array(found.probability, "uint8"),
        contribution=_array(found.contribution, "uint8"),
        total=found.total.tolist(),
    )


def _head_tags(params: of_heads.HeadTagsParams, session: Session, watch: Watch) -> of_heads.HeadTagsResult:
    found = session.head_tags(session.run(params.run_id).model, watch)
    return of_heads.HeadTagsResult(list(TAGS), found.n_tokens, _array(found.scores))


def _ffn_neurons(params: of_ffn.FfnNeuronsParams, session: Session, _watch: Watch) -> of_ffn.FfnNeuronsResult:
    view = ffn.inspect_ffn(session.run(params.run_id), params.layer, params.position, top_k=params.top_k)
    return of_ffn.FfnNeuronsResult(
        layer=view.layer,
        position=view.position,
        n_neurons=view.n_neurons,
        n_contributing=view.n_contributing,
        block_contribution=view.block_contribution,
        neurons_total=view.neurons_total,
        residual=view.residual,
        bias=view.bias,
        neurons=[of_ffn.NeuronShare(n.neuron, n.activation, n.contribution) for n in view.neurons],
    )


def _ffn_experts(params: of_ffn.FfnExpertsParams, session: Session, _watch: Watch) -> of_ffn.FfnExpertsResult:
    run = session.run(params.run_id)
    view = experts.inspect_experts(run, params.layer, params.position, top_k=params.top_k, normalize=params.normalize)
    return of_ffn.FfnExpertsResult(
        layer=view.layer,
        position=view.position,
        n_experts=view.n_experts,
        scoring=view.scoring,
        block_contribution=view.block_contribution,
        experts_total=view.experts_total,
        residual=view.residual,
        bias=view.bias,
        error=view.error,
        tolerance=view.tolerance,
        notice=view.notice,
        experts=[of_ffn.ExpertShare(e.expert, e.gate, e.contribution, _scores(e.promoted)) for e in view.experts],
        router=[of_ffn.RouterScore(r.expert, r.logit, r.probability, r.gate) for r in view.router],
    )


def _expert(params: of_ffn.ExpertParams, session: Session, _watch: Watch) -> of_ffn.ExpertResult:
    view = experts.inspect_expert(
        session.run(params.run_id),
        params.layer,
        params.expert,
        params.position,
        top_k=params.top_k,
        neurons_k=params.neurons_k,
        normalize=params.normalize,
    )
    promoted, suppressed = _update(view.update)
    return of_ffn.ExpertResult(
        layer=view.layer,
        expert=view.expert,
        position=view.position,
        gate=view.gate,
        contribution=view.contribution,
        promoted=promoted,
        suppressed=suppressed,
        gates=list(view.gates),
        n_neurons=view.n_neurons,
        n_contributing=view.n_contributing,
        neurons_total=view.neurons_total,
        others=view.others,
        residual=view.residual,
        bias=view.bias,
        error=view.error,
        notice=view.notice,
        neurons=[of_ffn.NeuronShare(n.neuron, n.activation, n.contribution) for n in view.neurons],
    )


def _neuron(params: of_ffn.NeuronParams, session: Session, _watch: Watch) -> of_ffn.NeuronResult:
    run, k, normalize = session.run(params.run_id), params.top_k, params.normalize
    at = params.neuron, params.position
    if params.expert:
        view = experts.inspect_expert_neuron(run, params.layer, params.expert, *at, top_k=k, normalize=normalize)
    else:
        view = ffn.inspect_neuron(run, params.layer, *at, top_k=k, normalize=normalize)
    promoted, suppressed = _update(view.update)
    return of_ffn.NeuronResult(
        layer=view.layer,
        expert=view.expert,
        neuron=view.share.neuron,
        position=view.position,
        activation=view.share.activation,
        contribution=view.share.contribution,
        promoted=promoted,
        suppressed=suppressed,
        activations=list(view.activations),
    )


def _lens_grid(params: of_lens.LensGridParams, session: Session, watch: Watch) -> of_lens.LensGridResult:
    run = session.run(params.run_id)
    token = None if params.token == -1 else params.token
    rows = range(params.first_row, params.first_row + params.row_count) if params.row_count else None
    grid = lens.inspect_lens(run, token=token, normalize=params.normalize, rows=rows, watch=watch)
    # a token tops many cells: its text is sent once
    ids, places = np.unique(grid.top.numpy(), return_inverse=True)
    empty = np.empty((0, 0))
    return of_lens.LensGridResult(
        first_row=params.first_row,
        texts=[run.model.output_text(i) for i in ids.tolist()],
        top=_array(places.reshape(grid.top.shape), "uint32"),
        top_probability=_array(grid.top_probability),
        top_logit=_array(grid.top_logit),
        token=params.token,
        token_probability=_array(empty if grid.token_probability is None else grid.token_probability),
        token_rank=_array(empty if grid.token_rank is None else grid.token_rank, "uint32"),
    )


def _lens_track(params: of_lens.LensTrackParams, session: Session, _watch: Watch) -> of_lens.LensTrackResult:
    run = session.run(params.run_id)
    meant = [output_meant(run, text) for text in params.texts]
    tokens = [*params.tokens, *(one.id for one in meant)]
    tracks = lens.track_tokens(run, params.position, tokens, normalize=params.normalize)
    return of_lens.LensTrackResult(
        position_of(params.position, len(run.tokens)),
        [of_lens.LensTrack(t.token, t.text, list(t.probability), list(t.logit), list(t.rank)) for t in tracks],
        [one.note for one in meant if one.note],
    )


def _reach(params: wire.ReachParams, session: Session, watch: Watch) -> wire.ReachResult:
    from ..exports.payload import encode_payload

    threshold, renormalize = params.threshold or None, params.renormalize
    run = session.reach(params.run_id, params.target, watch, threshold=threshold, renormalize=renormalize)
    payload = encode_payload(params.run_id, run, params.top_k)
    return wire.ReachResult(base64.b64encode(payload).decode("ascii"))


def _export(params: wire.ExportParams, session: Session, watch: Watch) -> wire.ExportResult:
    from ..exports import export_text

    return wire.ExportResult(
        export_text(
            session.go_on(params.run_id, watch),
            params.format,
            target=params.target,
            threshold=params.threshold,
            renormalize=params.renormalize,
            ink=params.ink,
            appearance=params.appearance,
        )
    )


def _describe(params: wire.DescribeParams, session: Session, _watch: Watch) -> wire.DescribeResult:
    run = session.run(params.run_id)
    target = None if params.target == -1 else params.target
    graph = run.routes(target, params.threshold or None, renormalize=params.renormalize)
    if params.form == "text":
        from ..exports.report import as_text

        return wire.DescribeResult(as_text(run, graph, params.top_k, to_terminal=False, bars=False))
    from ..exports.run import Asked, as_run

    asked = Asked(
        model=run.model.source,
        dtype=params.dtype,
        special_tokens=params.special_tokens,
        chat=params.chat,
        top_k=params.top_k,
    )
    return wire.DescribeResult(as_run(run, graph, asked))


def _scores(scores: tuple[TokenScore, ...]) -> list[wire.TokenScore]:
    return [wire.TokenScore(s.id, s.text, s.logit, s.probability, s.rank_change) for s in scores]


def _update(update: Update) -> tuple[list[wire.TokenScore], list[wire.TokenScore]]:
    return _scores(update.promoted), _scores(update.suppressed)


def _array(values: Any, dtype: str = "float32") -> wire.NumericArray:
    array = np.ascontiguousarray(np.asarray(values), dtype=np.dtype(dtype).newbyteorder("<"))
    data = base64.b64encode(array.tobytes()).decode("ascii")
    return wire.NumericArray(cast("Any", dtype), list(array.shape), data)


_ANSWERS: dict[type, Callable[[Any, Session, Watch], Any]] = {
    wire.NodeTokensParams: _node_tokens,
    of_heads.EdgeHeadsParams: _edge_heads,
    of_heads.HeadParams: _head,
    of_heads.AttentionMapParams: _attention_map,
    of_heads.LayerMapsParams: _layer_maps,
    of_heads.HeadTagsParams: _head_tags,
    of_ffn.FfnNeuronsParams: _ffn_neurons,
    of_ffn.FfnExpertsParams: _ffn_experts,
    of_ffn.ExpertParams: _expert,
    of_ffn.NeuronParams: _neuron,
    of_lens.LensGridParams: _lens_grid,
    of_lens.LensTrackParams: _lens_track,
    wire.ReachParams: _reach,
    wire.ExportParams: _export,
    wire.DescribeParams: _describe,
}
