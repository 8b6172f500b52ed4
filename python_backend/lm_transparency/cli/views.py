"""What `lm-transparency inspect` prints: the views of `inspection`, as text or JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..analysis.result import Analysis
from ..inspection.experts import ExpertsView, ExpertView
from ..inspection.ffn import FfnView, NeuronShare, NeuronView
from ..inspection.heads import EdgeView, HeadView
from ..inspection.nodes import NodeView
from ..inspection.tokens import TokenScore, Update
from ..model.tokens import visible
from ..printable import json_text

View = NodeView | EdgeView | HeadView | FfnView | NeuronView | ExpertsView | ExpertView


def as_json(view: View) -> str:
    """The view's own fields, format 1; arrays as lists, null for a score of −∞ (a key that a window hides)."""
    document = {"format": 1, **_plain(view)}
    return json_text(document, indent=1) + "\n"


def as_text(analysis: Analysis, view: View) -> str:
    return "\n".join(_LINES[type(view)](analysis, view)) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return None if isinstance(value, float) and math.isinf(value) else value


def _node(analysis: Analysis, view: NodeView) -> Iterable[str]:
    readout = analysis.trace.anatomy.readout
    yield f"{view.node}  {_token(analysis, view.node.position)}"
    if view.top:
        yield "\nlens"
        for s in view.top:
            change = f"{'↑' if s.rank_change > 0 else '↓'}{abs(s.rank_change)}" if s.rank_change else ""
            figure = "" if readout.task == "value" else f"{100 * s.probability:7.3f} %"
            yield f"  {readout.shown(s.text):<16} {figure}  logit {s.logit:8.3f}  {change}"
    yield from _update(analysis, view.update, "")


def _edge(analysis: Analysis, view: EdgeView) -> Iterable[str]:
    yield (
        f"{_token(analysis, view.key)} → {_token(analysis, view.query)}  layer {view.layer}, key {view.key}, "
        f"query {view.query}: contribution {view.weight:.4f}\n"
    )
    for head in np.argsort(-view.heads.contribution).tolist():
        yield (
            f"  head {head:<3} contribution {view.heads.contribution[head]:.4f}  "
            f"attention {view.heads.probability[head]:.4f}  rank {view.heads.rank[head] + 1} of {view.query + 1}"
        )


def _head(analysis: Analysis, view: HeadView) -> Iterable[str]:
    at = view.key
    yield (
        f"head {view.layer}.{view.head} at {_token(analysis, view.query)} (query {view.query}) looks at "
        f"{_token(analysis, at.position)} (key {at.position})"
    )
    yield (
        f"  score {at.score:.3f}, probability {at.probability:.4f}, rank {view.rank + 1} of {view.query + 1}, "
        f"contribution {at.contribution:.4f}"
    )
    yield f"  query reads as {_names(analysis, view.query_reads)}"
    yield f"  key reads as   {_names(analysis, view.key_reads)}"
    yield "\nkeys that contribute most"
    for key in view.keys:
        name = f"{key.position} {_token(analysis, key.position)}"
        yield f"  {name:<20} contribution {key.contribution:.4f}  attention {key.probability:.4f}"
    yield from _update(analysis, view.update, "the head")
    yield from _update(analysis, view.part, "this key's part")


def _ffn(analysis: Analysis, view: FfnView) -> Iterable[str]:
    yield (
        f"feed-forward block of layer {view.layer} at {_token(analysis, view.position)} (position {view.position}): "
        f"contribution {view.block_contribution:.4f}"
    )
    yield (
        f"  {view.n_neurons} neurons together {view.neurons_total:.4f}, residual {view.residual:.4f}, "
        f"bias {view.bias:.4f}; {view.n_contributing} contribute\n"
    )
    yield from _neurons(view.neurons)


def _neurons(neurons: tuple[NeuronShare, ...]) -> Iterable[str]:
    for n in neurons:
        yield f"  neuron {n.neuron:<6} contribution {n.contribution:.5f}  activation {n.activation:+.4f}"


def _experts(analysis: Analysis, view: ExpertsView) -> Iterable[str]:
    yield (
        f"feed-forward block of layer {view.layer} at {_token(analysis, view.position)} (position {view.position}): "
        f"contribution {view.block_contribution:.4f}"
    )
    yield (
        f"  {len(view.experts)} experts together {view.experts_total:.4f}, residual {view.residual:.4f}, "
        f"bias {view.bias:.4f}; they sum to the block within {view.error:.1e}\n"
    )
    if view.notice:
        yield f"  {view.notice}\n"
    for e in view.experts:
        promoted = "  ".join(visible(s.text) for s in e.promoted[:5])
        yield f"  {_name_of(e.expert):<14} contribution {e.contribution:.4f}  gate {e.gate:.4f}  {promoted}"
    yield f"\nrouter, of {view.n_experts} experts"
    for r in view.router:
        probability = "" if view.scoring == "unknown" else f"  {view.scoring} {r.probability:.4f}"
        gate = f"  gate {r.gate:.4f}" if r.gate else ""
        yield f"  expert {r.expert:<6} logit {r.logit:+.3f}{probability}{gate}"


def _expert(analysis: Analysis, view: ExpertView) -> Iterable[str]:
    yield (
        f"{_name_of(view.expert)} of layer {view.layer} at {_token(analysis, view.position)} (position "
        f"{view.position}): gate {view.gate:.4f}, contribution {view.contribution:.4f}"
    )
    if view.notice:
        yield f"  {view.notice}"
    yield from _update(analysis, view.update, "")
    if view.neurons:
        yield (
            f"\n{view.n_neurons} neurons together {view.neurons_total:.4f}, other experts {view.others:.4f}, residual "
            f"{view.residual:.4f}, bias {view.bias:.4f}; {view.n_contributing} contribute"
        )
        yield from _neurons(view.neurons)
    yield "\ngate by position"
    for position, gate in enumerate(view.gates):
        yield (
            f"  {position:<4} {_token(analysis, position):<16} {gate:.4f}"
            if gate
            else (f"  {position:<4} {_token(analysis, position):<16} -")
        )


def _neuron(analysis: Analysis, view: NeuronView) -> Iterable[str]:
    share, whose = view.share, f"{_name_of(view.expert)}, " if view.expert else ""
    yield (
        f"neuron {share.neuron} of {whose}layer {view.layer} at {_token(analysis, view.position)} (position "
        f"{view.position}): activation {share.activation:+.4f}, contribution {share.contribution:.5f}"
    )
    yield from _update(analysis, view.update, "")
    yield "\nactivation by position"
    for position, activation in enumerate(view.activations):
        yield f"  {position:<4} {_token(analysis, position):<16} {activation:+.4f}"


def _name_of(expert: str) -> str:
    return f"expert {expert}" if expert.isdecimal() else expert.replace("shared", "shared expert ").rstrip()


def _update(analysis: Analysis, update: Update, whose: str) -> Iterable[str]:
    readout = analysis.trace.anatomy.readout
    what = " labels" if readout.classifies else ""
    for name, scores in ((f"promotes{what}", update.promoted), (f"suppresses{what}", update.suppressed)):
        if scores:
            yield f"\n{whose} {name}".replace("\n ", "\n")
            yield from (f"  {readout.shown(s.text):<16} {s.logit:+9.3f}" for s in scores)


def _names(analysis: Analysis, scores: tuple[TokenScore, ...]) -> str:
    readout = analysis.trace.anatomy.readout
    return "  ".join(f"{readout.shown(s.text)} {readout.figure(s.probability, s.logit)}" for s in scores)


def _token(analysis: Analysis, position: int) -> str:
    return visible(analysis.tokens[position].text)


_LINES: dict[type, Any] = {
    NodeView: _node,
    EdgeView: _edge,
    HeadView: _head,
    FfnView: _ffn,
    NeuronView: _neuron,
    ExpertsView: _experts,
    ExpertView: _expert,
}
