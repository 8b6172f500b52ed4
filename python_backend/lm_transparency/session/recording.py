"""Answers that a page without a model carries: to what its views ask, and about what is drawn, the strongest first."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..analysis.result import Analysis
from ..causal.units import Unit, edge, parse_units
from ..errors import TransparencyError
from ..protocol import INSPECTIONS
from ..protocol.ffn import ExpertParams, FfnExpertsParams, FfnNeuronsParams, NeuronParams
from ..protocol.heads import (
    AttentionMapParams,
    EdgeHeadsParams,
    HeadEntropyParams,
    HeadParams,
    HeadTagsParams,
    LayerMapsParams,
)
from ..protocol.inspection import NodeTokensParams, PromotedParams, RecordParams, RecordResult
from ..protocol.lens import LensGridParams, LensTrackParams
from ..protocol.nodes import Node
from ..protocol.wire import to_wire
from ..routes.graph import RouteGraph
from ..watch import Watch

#: Compressed bytes of a page's answers, and of its maps.
BUDGET, MAPS_BUDGET = 1_200_000, 600_000
#: How many of the strongest are answered about.
MOST_NODES, MOST_EDGES, MOST_BLOCKS = 400, 60, 24
#: Positions whose predictions are followed through the layers, and predictions of the target.
MOST_FOLLOWED, MOST_PREDICTIONS = 32, 10
#: The strongest neurons and experts of a block that can be opened; heads of an edge beside those that are kept.
MOST_INSIDE, MOST_HEADS = 3, 2
#: Units of one question about what they promote.
MOST_UNITS = 128
#: Listed effects of each kind.
MOST_EFFECTS = 20
#: A map has up to this many cells a side.
SIDE = 64

_METHODS = {params: method for method, (params, _) in INSPECTIONS.items()}
#: A selection of the panel: "attention:I22_2>A23_14#4".
_SELECTED_EDGE = re.compile(r"attention:([^#]*)(?:#(\d+))?")

Answer = Callable[[Any], Any]


def record(params: RecordParams, analysis: Analysis, answer: Answer, watch: Watch) -> RecordResult:
    """The answers to `params`, each given by `answer`. Raises `TransparencyError` as `Analysis.routes` does."""
    graph = analysis.routes(params.target, params.threshold, renormalize=params.renormalize)
    plan = _Plan(params, analysis, graph, _Record(answer, watch))
    plan.views()
    plan.drawing()
    plan.everywhere()
    plan.maps()
    return plan.record.finished()


class _Record:
    """Questions with their answers, as compressed JSON: a list of [method, params, answer]."""

    def __init__(self, answer: Answer, watch: Watch) -> None:
        self._answer = answer
        self._watch = watch
        self._known: dict[Any, Any] = {}
        self._deflate = zlib.compressobj(9, wbits=31)
        self._packed = bytearray()
        self._n = 0
        self.room = BUDGET

    def ask(self, params: Any, *, given: Any = None) -> Any:
        """The answer to `params`, which is recorded while there is room; None where there is none.

        `given`: params that are answered in place of them.
        """
        key = repr(params)
        if key in self._known:
            return self._known[key]
        if len(self._packed) >= self.room:
            return None
        self._watch.step("answers for the page", self._n)
        try:
            result = self._answer(given or params)
        except TransparencyError:
            # what this model does not have is not asked on the page either
            result = None
        self._known[key] = result
        if result is not None:
            self._write(params, result)
        return result

    def _write(self, params: Any, result: Any) -> None:
        entry = [_METHODS[type(params)], to_wire(params), _short(to_wire(result))]
        text = json.dumps(entry, allow_nan=False, separators=(",", ":"))
        self._packed += self._deflate.compress(f"{',' if self._n else '['}{text}".encode("ascii"))
        self._n += 1

    def finished(self) -> RecordResult:
        self._packed += self._deflate.compress(b"]" if self._n else b"[]") + self._deflate.flush()
        return RecordResult(base64.b64encode(self._packed).decode("ascii"), self._n)


def _short(value: Any) -> Any:
    """Numbers with the digits that float32 has: those of the model's own passes keep every bit."""
    if isinstance(value, float):
        return float(str(np.float32(value))) if np.isfinite(value) else value
    if isinstance(value, list):
        return [_short(item) for item in value]
    return {key: _short(item) for key, item in value.items()} if isinstance(value, dict) else value


class _Plan:
    """What is asked, in the order of its worth."""

    def __init__(self, params: RecordParams, analysis: Analysis, graph: RouteGraph, record: _Record) -> None:
        self._params = params
        self._id = params.run_id
        self._run = analysis
        self._graph = graph
        self.record = record
        self._flow: dict[Node, float] = {}
        for part in graph.edges:
            self._flow[part.target] = self._flow.get(part.target, 0.0) + part.flow
        #: Maps are large: they are asked for last, from a budget of their own.
        self._maps: dict[tuple[int, int | None], None] = {}

    def views(self) -> None:
        """The whole views, and the outputs that are followed in them."""
        target = self._graph.target
        predicted = self._run.predictions(MOST_PREDICTIONS).ids[target].tolist()
        self.record.ask(HeadTagsParams(self._id))
        self.record.ask(LensGridParams(self._id, predicted[0]))
        named = self._params.named
        ids = [int(name[1:]) for name in named if re.fullmatch(r"#\d{1,9}", name)]
        texts = [name for name in named if not name.startswith("#")]
        self._follow(target, [*predicted, *ids])
        for text in texts:
            self.record.ask(LensTrackParams(self._id, target, [], texts=[text]))

    def drawing(self) -> None:
        """What is selected, then what is drawn and what was measured, the strongest first."""
        selection = self._params.selection
        if selection is not None:
            self._selected(selection)
        self.record.ask(NodeTokensParams(self._id, str(Node("I", self._run.trace.n_layers - 1, self._graph.target))))
        edges = sorted(self._graph.edges, key=lambda part: -part.flow)
        for part in [part for part in edges if part.kind == "attention"][:MOST_EDGES]:
            kept = [head for head, _ in part.heads]
            self._edge(part.target.layer, part.target.position, part.source.position, kept)
        for part in [part for part in edges if part.source.kind == "M"][:MOST_BLOCKS]:
            self._block(part.source)
        effects = self._params.effects
        for kind in {unit.kind: None for unit in effects.units} if effects else ():
            units = [unit.unit for unit in effects.units if unit.kind == kind] if effects else []
            self._effects(units[:MOST_EFFECTS])

    def everywhere(self) -> None:
        """The states: those that carry most, the tokens, then the others from the last layer down."""
        trace = self._run.trace
        states = [node for node in sorted(self._flow, key=lambda node: -self._flow[node]) if node.kind != "B"]
        states += [Node("X", 0, position) for position in range(trace.n_tokens)]
        states += [
            Node("I", layer, position)
            for layer in range(trace.n_layers - 1, -1, -1)
            for position in range(trace.n_tokens - 1, -1, -1)
        ]
        for node in list(dict.fromkeys(states))[:MOST_NODES]:
            self.record.ask(NodeTokensParams(self._id, str(node)))
        others = [position for position in range(trace.n_tokens - 1, -1, -1) if position != self._graph.target]
        for position in others[:MOST_FOLLOWED]:
            self._follow(position, self._run.predictions(1).ids[position].tolist())

    def maps(self) -> None:
        self.record.room += MAPS_BUDGET
        for layer in dict.fromkeys(layer for layer, _ in self._maps):
            self.record.ask(LayerMapsParams(self._id, layer))
        for layer, head in self._maps:
            params = AttentionMapParams(self._id, layer, head)
            self.record.ask(params, given=replace(params, side=SIDE))

    def _follow(self, position: int, tokens: Sequence[int]) -> None:
        self.record.ask(LensTrackParams(self._id, position, list(dict.fromkeys(tokens))))

    def _selected(self, name: str) -> None:
        found = _SELECTED_EDGE.fullmatch(name)
        if found is not None:
            name = found[1] if found[2] is None else f"{found[1]}/{found[2]}"
        self.record.ask(NodeTokensParams(self._id, name.partition("#")[0].partition("@")[0]))
        self._unit(name)

    def _edge(self, layer: int, query: int, key: int, kept: Sequence[int]) -> None:
        found = self.record.ask(EdgeHeadsParams(self._id, layer, query, key))
        if found is None:
            return
        self.record.ask(HeadEntropyParams(self._id, layer, query))
        parts = found.heads.contribution.tolist()
        self._promoted([str(edge(layer, query, key, head)) for head in range(len(parts))])
        strongest = sorted(range(len(parts)), key=lambda head: -parts[head])[:MOST_HEADS]
        self._maps[layer, None] = None
        for head in dict.fromkeys([*kept, *strongest]):
            self.record.ask(HeadParams(self._id, layer, head, query, key))
            self._maps[layer, head] = None

    def _block(self, node: Node) -> None:
        self.record.ask(NodeTokensParams(self._id, str(node)))
        layer, position = node.layer, node.position
        if self._run.trace.anatomy.blocks[layer].experts is not None:
            found = self.record.ask(FfnExpertsParams(self._id, layer, position))
            for one in found.experts[:MOST_INSIDE] if found else ():
                self._expert(layer, position, one.expert)
            return
        found = self.record.ask(FfnNeuronsParams(self._id, layer, position))
        self._neurons(f"{node}", layer, position, None, found.neurons if found else ())

    def _expert(self, layer: int, position: int, name: str) -> None:
        found = self.record.ask(ExpertParams(self._id, layer, name, position))
        self._neurons(f"M{layer}_{position}@{name}", layer, position, name, found.neurons if found else ())

    def _neurons(self, block: str, layer: int, position: int, expert: str | None, listed: Sequence[Any]) -> None:
        self._promoted([f"{block}#{one.neuron}" for one in listed])
        for one in listed[:MOST_INSIDE]:
            self.record.ask(NeuronParams(self._id, layer, one.neuron, position, expert=expert))

    def _effects(self, units: Sequence[str]) -> None:
        """Units of one kind with their effects."""
        for name in units:
            self._unit(name)
        self._promoted([name for name in map(self._placed, units) if name])

    def _placed(self, name: str) -> str:
        """A head at all positions stands for itself at the target in lists."""
        unit = _unit(name)
        if unit is None or unit.kind in ("token", "residual"):
            return ""
        return str(replace(unit, kind="head", position=self._graph.target)) if unit.kind == "head_all" else name

    def _unit(self, name: str) -> None:
        unit = _unit(name)
        if unit is None or unit.position is None:
            return
        if unit.key is not None:
            self._edge(unit.layer, unit.position, unit.key, [] if unit.head is None else [unit.head])
        elif unit.kind in ("ffn", "expert", "neuron"):
            self._block(Node("M", unit.layer, unit.position))
            if unit.neuron is not None:
                params = NeuronParams(self._id, unit.layer, unit.neuron, unit.position, expert=unit.expert)
                self.record.ask(params)

    def _promoted(self, units: Sequence[str]) -> None:
        if units:
            self.record.ask(PromotedParams(self._id, list(units[:MOST_UNITS])))


def _unit(name: str) -> Unit | None:
    """None for a name of something else, and for several units at once."""
    try:
        units = parse_units(name)
    except TransparencyError:
        return None
    return units[0] if len(units) == 1 else None
