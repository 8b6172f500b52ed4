"""Answers to questions about a run: one function per question, found by the class of its params.

`protocol.INSPECTIONS` names the questions; the server and the notebook send what is returned here as it is.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, TypedDict, TypeVar

from ..analysis.result import Analysis
from ..errors import TransparencyError
from ..inspection import effect_steps, experts, ffn, heads, lens, nodes
from ..inspection.effects import faithfulness, inspect_effects
from ..inspection.entropy import inspect_entropy
from ..inspection.known_effects import known_effects
from ..inspection.promoted import inspect_promoted
from ..inspection.tokens import output_meant
from ..lens.maps import LensMaps
from ..lens.places import load_lens
from ..protocol.effects import (
    FaithfulnessParams,
    FaithfulnessResult,
    KnockOutParams,
    KnockOutResult,
    MeasureEffectsParams,
    MeasureEffectsResult,
    PredictEffectsParams,
    PredictEffectsResult,
)
from ..protocol.ffn import (
    ExpertParams,
    ExpertResult,
    FfnExpertsParams,
    FfnExpertsResult,
    FfnNeuronsParams,
    FfnNeuronsResult,
    NeuronParams,
    NeuronResult,
)
from ..protocol.heads import (
    AttentionMapParams,
    AttentionMapResult,
    EdgeHeadsParams,
    EdgeHeadsResult,
    HeadEntropyParams,
    HeadEntropyResult,
    HeadParams,
    HeadResult,
    HeadTagsParams,
    HeadTagsResult,
    LayerMapsParams,
    LayerMapsResult,
)
from ..protocol.inspection import (
    DescribeParams,
    DescribeResult,
    ExportParams,
    ExportResult,
    LensChoice,
    NodeTokensParams,
    NodeTokensResult,
    PromotedParams,
    PromotedResult,
    ReachParams,
    ReachResult,
    RecordParams,
    RecordResult,
)
from ..protocol.lens import (
    LensesParams,
    LensesResult,
    LensGridParams,
    LensGridResult,
    LensTrackParams,
    LensTrackResult,
)
from ..trace.trace import position_of
from ..watch import Watch
from .recording import record
from .session import Session

P = TypeVar("P")
R = TypeVar("R")

#: Edges that a drawing is judged by: those that a panel measures are far fewer.
_MOST_EDGES = 10_000

_ANSWERS: dict[type, Callable[[Any, Session, Watch], Any]] = {}


def answer(params: Any, session: Session, watch: Watch) -> Any:
    """The result for `params`. Raises `TransparencyError` (`runExpired`, `invalidParams` …)."""
    if isinstance(layer := getattr(params, "layer", None), int):
        # for an analysis that is not complete yet
        session.complete(params.run_id, layer)
    return _ANSWERS[type(params)](params, session, watch)


def answers(params: type[P]) -> Callable[[Callable[[P, Session, Watch], R]], Callable[[P, Session, Watch], R]]:
    """The function below answers the questions whose params are of this class."""

    def register(function: Callable[[P, Session, Watch], R]) -> Callable[[P, Session, Watch], R]:
        _ANSWERS[params] = function
        return function

    return register


class _Read(TypedDict):
    normalize: bool
    lens: LensMaps


def _reading(run: Analysis, params: LensChoice) -> _Read:
    """How a question of this run reads, as arguments of its inspection."""
    return {"normalize": params.normalize, "lens": load_lens(run.model, params.lens)}


@answers(NodeTokensParams)
def node_tokens(params: NodeTokensParams, session: Session, _watch: Watch) -> NodeTokensResult:
    run = session.run(params.run_id)
    return nodes.inspect_node(run, params.node, top_k=params.top_k, update_k=params.update_k, **_reading(run, params))


@answers(EdgeHeadsParams)
def edge_heads(params: EdgeHeadsParams, session: Session, _watch: Watch) -> EdgeHeadsResult:
    return heads.inspect_edge(session.run(params.run_id), params.layer, params.query, params.key)


@answers(HeadParams)
def head(params: HeadParams, session: Session, _watch: Watch) -> HeadResult:
    run, at = session.run(params.run_id), (params.layer, params.head, params.query, params.key)
    return heads.inspect_head(run, *at, top_k=params.top_k, keys_k=params.keys_k, **_reading(run, params))


@answers(HeadEntropyParams)
def head_entropy(params: HeadEntropyParams, session: Session, _watch: Watch) -> HeadEntropyResult:
    return inspect_entropy(session.run(params.run_id), params.layer, params.query)


@answers(PromotedParams)
def promoted(params: PromotedParams, session: Session, _watch: Watch) -> PromotedResult:
    run = session.run(params.run_id)
    return inspect_promoted(run, params.units, top_k=params.top_k, **_reading(run, params))


@answers(AttentionMapParams)
def attention_map(params: AttentionMapParams, session: Session, _watch: Watch) -> AttentionMapResult:
    return heads.attention_map(session.run(params.run_id), params.layer, params.head, side=params.side)


@answers(LayerMapsParams)
def layer_maps(params: LayerMapsParams, session: Session, _watch: Watch) -> LayerMapsResult:
    return heads.layer_maps(session.run(params.run_id), params.layer, side=params.side)


@answers(HeadTagsParams)
def head_tags(params: HeadTagsParams, session: Session, watch: Watch) -> HeadTagsResult:
    return session.head_tags(session.run(params.run_id).model, watch)


@answers(FfnNeuronsParams)
def ffn_neurons(params: FfnNeuronsParams, session: Session, _watch: Watch) -> FfnNeuronsResult:
    return ffn.inspect_ffn(session.run(params.run_id), params.layer, params.position, top_k=params.top_k)


@answers(FfnExpertsParams)
def ffn_experts(params: FfnExpertsParams, session: Session, _watch: Watch) -> FfnExpertsResult:
    run = session.run(params.run_id)
    return experts.inspect_experts(run, params.layer, params.position, top_k=params.top_k, **_reading(run, params))


@answers(ExpertParams)
def expert(params: ExpertParams, session: Session, _watch: Watch) -> ExpertResult:
    run, at = session.run(params.run_id), (params.layer, params.expert, params.position)
    return experts.inspect_expert(run, *at, top_k=params.top_k, neurons_k=params.neurons_k, **_reading(run, params))


@answers(NeuronParams)
def neuron(params: NeuronParams, session: Session, _watch: Watch) -> NeuronResult:
    run, k = session.run(params.run_id), params.top_k
    at = params.neuron, params.position
    if params.expert is not None:
        return experts.inspect_expert_neuron(run, params.layer, params.expert, *at, top_k=k, **_reading(run, params))
    return ffn.inspect_neuron(run, params.layer, *at, top_k=k, **_reading(run, params))


@answers(LensGridParams)
def lens_grid(params: LensGridParams, session: Session, watch: Watch) -> LensGridResult:
    run = session.run(params.run_id)
    first, count = params.first_row, params.row_count
    rows = range(first, first + count) if count is not None else None
    return lens.inspect_lens(run, token=params.token, rows=rows, watch=watch, **_reading(run, params))


@answers(LensesParams)
def lenses(params: LensesParams, session: Session, _watch: Watch) -> LensesResult:
    return lens.inspect_lenses(session.run(params.run_id))


@answers(LensTrackParams)
def lens_track(params: LensTrackParams, session: Session, _watch: Watch) -> LensTrackResult:
    run = session.run(params.run_id)
    meant = [output_meant(run, text) for text in params.texts]
    tokens = [*params.tokens, *(one.id for one in meant)]
    reading = _reading(run, params)
    tracks = lens.track_tokens(run, params.position, tokens, **reading)
    notes = tuple(one.note for one in meant if one.note)
    return LensTrackResult(position_of(params.position, len(run.tokens)), tracks, notes, reading["lens"].name)


@answers(PredictEffectsParams)
def predict_effects(params: PredictEffectsParams, session: Session, watch: Watch) -> PredictEffectsResult:
    asking = session.asking(params, watch)
    return effect_steps.predict_effects(session.run(params.run_id), asking, params.top, with_shares=params.shares)


@answers(MeasureEffectsParams)
def measure_effects(params: MeasureEffectsParams, session: Session, watch: Watch) -> MeasureEffectsResult:
    asking = session.asking(params, watch)
    return effect_steps.measure_effects(session.run(params.run_id), asking, params.units, params.seconds)


@answers(KnockOutParams)
def knock_out(params: KnockOutParams, session: Session, watch: Watch) -> KnockOutResult:
    return effect_steps.knock_out(session.run(params.run_id), session.asking(params, watch), params.unit, params.top_k)


@answers(FaithfulnessParams)
def drawing(params: FaithfulnessParams, session: Session, watch: Watch) -> FaithfulnessResult:
    if max(len(params.predicted), len(params.measured)) > _MOST_EDGES:
        raise TransparencyError("invalidParams", "Effects of too many edges are given.", f"Give up to {_MOST_EDGES:,}.")
    asking = session.asking(params, watch)
    run = session.run(params.run_id)
    graph = run.routes(asking.metric.position, params.threshold, renormalize=params.renormalize)
    return faithfulness(asking, graph, tuple(zip(params.predicted, params.measured, strict=False)))


@answers(ReachParams)
def reach(params: ReachParams, session: Session, watch: Watch) -> ReachResult:
    from ..exports.payload import encode_payload

    threshold, renormalize = params.threshold, params.renormalize
    run = session.reach(params.run_id, params.target, watch, threshold=threshold, renormalize=renormalize)
    payload = encode_payload(params.run_id, run, params.top_k)
    return ReachResult(base64.b64encode(payload).decode("ascii"))


@answers(ExportParams)
def export(params: ExportParams, session: Session, watch: Watch) -> ExportResult:
    from ..exports import FIGURES, figure_file, graph_text
    from ..exports.figures import Subject
    from ..exports.look import Look

    run = session.go_on(params.run_id, watch)
    graph = run.routes(params.target, params.threshold, renormalize=params.renormalize)
    form, effects = params.format, params.effects
    if form not in FIGURES:
        return ExportResult(graph_text(run, graph, form, effects=effects))
    look = Look(params.appearance, params.width_mm, params.kept, params.caption)
    subject = Subject(params.view, params.ink, params.layer, params.head, params.tokens, **_reading(run, params))
    file = figure_file(run, graph, form, look, subject, effects=effects, watch=watch)
    if form == "svg":
        return ExportResult(file.decode("utf-8"))
    return ExportResult(base64.b64encode(file).decode("ascii"), "base64")


@answers(RecordParams)
def recording(params: RecordParams, session: Session, watch: Watch) -> RecordResult:
    run = session.go_on(params.run_id, watch)
    return record(params, run, lambda asked: answer(asked, session, watch), watch)


@answers(DescribeParams)
def describe(params: DescribeParams, session: Session, watch: Watch) -> DescribeResult:
    run = session.run(params.run_id)
    graph = run.routes(params.target, params.threshold, renormalize=params.renormalize)
    if params.form == "text":
        from ..exports.report import as_text

        text = as_text(run, graph, params.top_k, to_terminal=False, bars=False)
        if not params.measure:
            return DescribeResult(text)
        from ..exports.effect_lines import effect_lines

        found = inspect_effects(run, position=graph.target, contrast=params.contrast, watch=watch)
        return DescribeResult("\n".join([text, "Effects, measured by removing each unit:", *effect_lines(run, found)]))
    from ..exports.run import Asked, as_run

    asked = Asked(
        model=run.model.source,
        dtype=params.dtype,
        special_tokens=params.special_tokens,
        chat=params.chat,
        top_k=params.top_k,
    )
    effects = None if params.effects is None else known_effects(run, params.effects, graph.target)
    return DescribeResult(as_run(run, graph, asked, effects=effects))
