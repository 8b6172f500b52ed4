"""The attribution-graph JSON that Neuronpedia and circuit-tracer read, made of the routes of one target.

Nodes are token embeddings, heads at a query and a key, feed-forward blocks, biases and the predicted token. A link from
one to another is what of the second comes from the first through the residual stream: of the flow, or of the effect of
the first where effects are known. The file says which.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from ..ambient import guarded
from ..analysis.result import Analysis
from ..causal.units import edge as edge_unit
from ..model.tokens import visible
from ..printable import json_text
from ..protocol.effects import EffectsResult, UnitEffect
from ..protocol.nodes import Node
from ..routes.graph import Edge, RouteGraph
from ..version import __version__
from .effects import EdgeEffects, metric_words

_PINNED = 24
_LOGIT = "logit"


@dataclass
class _Node:
    """`flow`: what passes through it. `effect`: on the prediction; None: not known."""

    name: str
    layer: str
    position: int
    kind: str
    label: str
    flow: float = 0.0
    effect: float | None = None
    more: dict[str, Any] = field(default_factory=dict[str, Any])


@guarded
def as_attribution(analysis: Analysis, graph: RouteGraph, effects: EffectsResult | None = None) -> str:
    """The document. `effects`: of the graph's target (`inspection.known_effects`)."""
    return json_text(_Attribution(analysis, graph, effects).document()) + "\n"


class _Attribution:
    def __init__(self, analysis: Analysis, graph: RouteGraph, effects: EffectsResult | None) -> None:
        self.analysis, self.graph, self.effects = analysis, graph, effects
        self.known = None if effects is None else EdgeEffects(effects)
        self.nodes: dict[str, _Node] = {}
        self.flows: dict[tuple[str, str], float] = defaultdict(float)
        self.into: dict[Node, list[Edge]] = defaultdict(list)
        for edge in graph.edges:
            self.into[edge.target].append(edge)
        self._walk()

    def document(self) -> dict[str, Any]:
        analysis, graph = self.analysis, self.graph
        strongest = sorted(self.nodes.values(), key=lambda node: -abs(self._size(node)))
        pinned = [node.name for node in strongest if node.kind != _LOGIT][:_PINNED]
        return {
            "metadata": {
                "slug": self._slug(),
                "scan": analysis.model.name,
                "prompt_tokens": [token.text for token in analysis.tokens],
                "prompt": analysis.prompt,
                "info": {
                    "description": self._description(),
                    "generator": {"name": "LM Transparency", "version": __version__},
                },
                "generation_settings": {
                    "method": "information-flow routes",
                    "target_position": graph.target,
                    "threshold": graph.threshold,
                    "renormalize": graph.renormalize,
                    "weights": "flow" if self.known is None else "effect",
                },
            },
            "qParams": {
                "linkType": "both",
                "pinnedIds": [self._logit_name, *pinned],
                "clickedId": self._logit_name,
                "supernodes": self._supernodes(pinned),
                "sg_pos": "",
            },
            "nodes": [self._node(node, influence) for node, influence in self._influences()],
            "links": [
                {"source": source, "target": target, "weight": self._weight(source, flow)}
                for (source, target), flow in sorted(self.flows.items())
            ],
        }

    def _slug(self) -> str:
        words = f"{self.analysis.model.name}-{' '.join(self.analysis.prompt.split()[-6:])}-{self.graph.target}"
        return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:80].strip("-") or "routes"

    def _description(self) -> str:
        if self.effects is None:
            return (
                "Links: the flow into the predicted token that passes from the source to the target through the "
                "residual stream; 1 arrives at the prediction."
            )
        return (
            f"Links: the effect of the source on the {metric_words(self.effects.metric)} (measured, otherwise "
            "predicted, 0 where neither is known), divided among its targets by flow."
        )

    def _supernodes(self, pinned: list[str]) -> list[list[str]]:
        of_token: dict[int, list[str]] = defaultdict(list)
        for name in pinned:
            of_token[self.nodes[name].position].append(name)
        tokens = self.analysis.tokens
        return [
            [f"{visible(tokens[at].text)} ({at})", *names] for at, names in sorted(of_token.items()) if len(names) > 1
        ]

    def _influences(self) -> list[tuple[_Node, float | None]]:
        """With each node the part of all that is carried by it and by stronger ones, for pruning."""
        order = sorted(self.nodes.values(), key=lambda node: -abs(self._size(node)))
        whole = sum(abs(self._size(node)) for node in order if node.kind != _LOGIT) or 1.0
        found: list[tuple[_Node, float | None]] = []
        carried = 0.0
        for node in order:
            if node.kind == _LOGIT:
                found.append((node, None))
            else:
                carried += abs(self._size(node))
                found.append((node, min(1.0, carried / whole)))
        return found

    def _size(self, node: _Node) -> float:
        return node.flow if self.known is None else node.effect or 0.0

    def _weight(self, source: str, flow: float) -> float:
        node = self.nodes[source]
        return flow if self.known is None else (node.effect or 0.0) * flow / (node.flow or 1.0)

    def _node(self, node: _Node, influence: float | None) -> dict[str, Any]:
        return {
            "node_id": node.name,
            "feature": None,
            "layer": node.layer,
            "ctx_idx": node.position,
            "feature_type": node.kind,
            "jsNodeId": node.name,
            "clerp": node.label,
            "influence": influence,
            "activation": self._size(node),
            "run_idx": 0,
            "reverse_ctx_idx": 0,
            **node.more,
        }

    def _walk(self) -> None:
        """From the prediction down: each part that is read is a node, which then reads in its turn."""
        analysis, target = self.analysis, self.graph.target
        n_layers = analysis.contributions.n_layers
        predicted = analysis.predictions(1)
        token, text = int(predicted.ids[target, 0]), predicted.texts[target][0]
        readout = analysis.trace.anatomy.readout
        probability = float(predicted.probabilities[target, 0])
        figure = readout.figure(probability, float(predicted.logits[target, 0]), 1)
        self._logit_name = f"{n_layers}_{token}_{target}"
        label = f"{readout.shown(text)} ({figure})"
        more = {"token_prob": probability, "is_target_logit": True}
        self.nodes[self._logit_name] = _Node(self._logit_name, str(n_layers), target, _LOGIT, label, 1.0, more=more)
        # residual states whose mass is still to be passed on: state → reader → mass
        waiting: dict[Node, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        waiting[Node("I", n_layers - 1, target)][self._logit_name] = 1.0
        for node in self._downwards():
            for reader, mass in waiting.pop(node, {}).items():
                if node.kind == "X":
                    self._link(self._embedding(node.position), reader, mass)
                    continue
                whole = sum(edge.flow for edge in self.into[node]) or 1.0
                for edge in self.into[node]:
                    for name, share, read in self._parts(edge):
                        flow = mass * edge.flow / whole * share
                        if name is not None:
                            self._link(name, reader, flow)
                        if read is not None:
                            waiting[read][name or reader] += flow

    def _link(self, name: str, reader: str, flow: float) -> None:
        self.flows[name, reader] += flow
        self.nodes[name].flow += flow

    def _downwards(self) -> list[Node]:
        """The states that are read, in an order in which each comes after all that reads it."""
        rank = {"I": 1, "A": 0, "X": -1}
        states = {node for edge in self.graph.edges for node in (edge.source, edge.target) if node.kind in rank}
        return sorted(states, key=lambda node: (-node.layer, -rank[node.kind], node.position))

    def _parts(self, edge: Edge) -> list[tuple[str | None, float, Node | None]]:
        """(node that an edge carries, None for the residual stream; its share; the state that is read)."""
        source = edge.source
        if edge.kind == "residual":
            return [(None, 1.0, source)]
        if source.kind == "M":
            return [(self._block(edge), 1.0, self.into[source][0].source if self.into[source] else None)]
        if edge.kind != "attention":
            return [(self._other(edge), 1.0, source if source.kind in ("X", "I") else None)]
        whole = sum(part for _, part in edge.heads)
        if not whole:
            # all of its heads lie below what is kept
            return [(self._head(edge, None), 1.0, source)]
        return [(self._head(edge, head), part / whole, source) for head, part in edge.heads]

    def _embedding(self, position: int) -> str:
        token = self.analysis.tokens[position]
        unit = self._unit(str(Node("X", 0, position)))
        return self._named(f"E_{token.id}_{position}", "E", position, "embedding", self._text(position), unit)

    def _head(self, edge: Edge, head: int | None) -> str:
        """The head at this key and query; None: all heads together."""
        layer, query, key = edge.target.layer, edge.target.position, edge.source.position
        which = "attention" if head is None else f"H{head}"
        label = f"L{layer} {which}: {self._text(key)} → {self._text(query)}"
        unit = self._unit(str(edge_unit(layer, query, key, head)))
        share = 1.0
        if unit is None and head is not None:
            # of the edge, by contribution
            unit = self._unit(str(edge_unit(layer, query, key)))
            share = dict(edge.heads)[head] / sum(part for _, part in edge.heads)
        name = f"{layer}_{which}.{key}_{query}"
        return self._named(name, str(layer), query, "attention head", label, unit, share)

    def _block(self, edge: Edge) -> str:
        layer, position = edge.source.layer, edge.source.position
        label = f"L{layer} feed-forward: {self._text(position)}"
        unit = self._unit(str(edge.source))
        return self._named(f"{layer}_ffn_{position}", str(layer), position, "feed-forward block", label, unit)

    def _other(self, edge: Edge) -> str:
        layer, position = edge.target.layer, edge.target.position
        label = f"L{layer} {edge.kind}: {self._text(position)}"
        unit = self._unit(str(edge.source)) if edge.kind == "bias" else None
        return self._named(f"{layer}_{edge.kind}_{position}", str(layer), position, edge.kind, label, unit)

    def _named(
        self, name: str, layer: str, position: int, kind: str, label: str, unit: UnitEffect | None, share: float = 1.0
    ) -> str:
        if name not in self.nodes:
            figure = None if unit is None else unit.predicted if unit.measured is None else unit.measured
            effect = None if figure is None else figure * share
            self.nodes[name] = _Node(name, layer, position, kind, label, effect=effect)
        return name

    def _unit(self, name: str) -> UnitEffect | None:
        return None if self.known is None else self.known.units.get(name)

    def _text(self, position: int) -> str:
        return visible(self.analysis.tokens[position].text)
