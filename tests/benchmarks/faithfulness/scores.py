"""The scores that are compared: a number for every edge, head and feed-forward block of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lm_transparency import Analysis, Watch, route_graph
from lm_transparency.causal.gradient import Gradient, gradient
from lm_transparency.causal.metric import Metric
from lm_transparency.causal.parts import Parts
from lm_transparency.causal.predicted import predicted
from lm_transparency.causal.reading import read_at
from lm_transparency.causal.sites import EMBEDDING, Site, attention_site, changed, sites
from lm_transparency.causal.units import Unit, edge
from lm_transparency.model.linear import like_input
from lm_transparency.model.norms import freeze
from lm_transparency.routes.contributions import contributions, layer_contributions
from lm_transparency.routes.graph import auto_threshold
from lm_transparency.trace.recording import record

from .record import RANDOM
from .relevance import relevance

#: Steps of integrated gradients.
STEPS = 5

Direction = dict[Site, Tensor]


@dataclass
class Scores:
    """Tables by kind: edges [layer, query, key], heads [layer, position, head], blocks [layer, position].

    `cost`: CPU seconds from the tokens on, the recorded forward pass included.
    """

    tables: dict[str, np.ndarray]
    cost: float = 0.0

    def of(self, unit: Unit) -> float:
        last = {"edge": unit.key, "head": unit.head}
        place = (unit.layer, unit.position, last[unit.kind]) if unit.kind in last else (unit.layer, unit.position)
        return float(self.tables[unit.kind][place])


@dataclass
class Run:
    """A prompt's run and the question asked of it. `costs`: CPU seconds of a plain and of a recorded forward pass."""

    analysis: Analysis
    metric: Metric
    costs: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model = self.analysis.model.model
        self.trace = self.analysis.trace
        self.anatomy = self.trace.anatomy
        self.parts = Parts(self.trace)
        self.n = self.metric.position + 1
        with torch.no_grad():
            self.costs["plain"] = min(_timed(self._plain) for _ in range(3))
        self.costs["recorded"] = min(_timed(self._recorded) for _ in range(2))

    def _plain(self) -> None:
        read_at(self.model, self.anatomy, self.trace.token_ids[: self.n], self.metric.position)

    def _recorded(self) -> None:
        record(self.model, self.anatomy, self.trace.token_ids, Watch())

    def units(self, kind: str) -> list[Unit]:
        """Every unit that the metric can depend on: in the last layer, those of its position."""
        found: list[Unit] = []
        for layer, block in enumerate(self.anatomy.blocks):
            positions = range(self.n) if layer < self.trace.n_layers - 1 else range(self.n - 1, self.n)
            for position in positions:
                if kind == "ffn" and block.has_ffn:
                    found.append(Unit("ffn", layer, position))
                elif kind == "head" and block.has_attention:
                    found += [Unit("head", layer, position, head=head) for head in range(self.trace.n_heads)]
                elif kind == "edge" and block.has_attention:
                    found += [edge(layer, position, key) for key in range(position + 1)]
        return found


def all_scores(run: Run, seed: int) -> dict[str, Scores]:
    """Every score of a run, by name."""
    found: dict[str, Scores] = {}
    for name, make in _MAKERS.items():
        started = time.process_time()
        found[name] = make(run)
        found[name].cost += time.process_time() - started + run.costs["recorded"]
    rng = np.random.default_rng(seed)
    noise = {kind: rng.standard_normal(table.shape) for kind, table in found["gradient"].tables.items()}
    return {**found, RANDOM: Scores(noise)}


def _timed(run: Callable[[], None]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def _ids(run: Run) -> Tensor:
    return run.trace.token_ids[: run.n]


def _empty(run: Run) -> dict[str, np.ndarray]:
    n_layers, n = run.trace.n_layers, run.n
    shapes = {"edge": (n_layers, n, n), "head": (n_layers, n, run.trace.n_heads), "ffn": (n_layers, n)}
    return {kind: np.zeros(shape) for kind, shape in shapes.items()}


def _contribution(run: Run) -> Scores:
    tables = _empty(run)
    for layer in range(run.trace.n_layers):
        rows = layer_contributions(run.trace, layer)
        tables["ffn"][layer] = rows.ffn[: run.n]
        attention = rows.attention[: run.n, : run.n]
        if attention.shape[-1]:
            tables["edge"][layer], tables["head"][layer] = attention.sum(axis=2), attention.sum(axis=1)
    return Scores(tables)


def _flow(run: Run, threshold: float | None) -> Scores:
    """`threshold`: None for Auto."""
    floor = {} if threshold is None else {"floor": threshold}
    rows, _ = contributions(run.trace, **floor)
    position = run.metric.position
    graph = route_graph(rows, position, auto_threshold(rows, position) if threshold is None else threshold)
    tables = _empty(run)
    for one in graph.edges:
        node = one.target
        if one.kind == "attention":
            tables["edge"][node.layer, node.position, one.source.position] += one.flow
            for head, weight in one.heads:
                tables["head"][node.layer, node.position, head] += one.flow * weight / one.weight
        elif one.kind == "ffn" and one.source.kind == "M":
            tables["ffn"][one.source.layer, one.source.position] += one.flow
    return Scores(tables)


def _along(run: Run, at: Direction) -> Scores:
    """(part − baseline) · direction, of every part."""
    found = predicted(run.parts, Gradient(run.metric, 0.0, at), "default", Watch())
    tables = {**_empty(run), "head": found.heads, "ffn": found.ffn}
    # `predicted` computes all edges, but keeps the strongest only: the second time costs nothing
    started = time.process_time()
    for layer, block in enumerate(run.anatomy.blocks):
        if block.has_attention:
            tables["edge"][layer] = _edges(run, layer, at[attention_site(run.anatomy, layer)])
    return Scores(tables, started - time.process_time())


def _edges(run: Run, layer: int, along: Tensor) -> np.ndarray:
    """α · (v W_O) · direction, summed over heads."""
    record, n = run.trace.layers[layer], run.n
    w_o = run.anatomy.blocks[layer].w_o(run.trace.n_heads).to(along.dtype)
    wanted = torch.einsum("qd,hvd->hqv", along, w_o)
    if record.gate is not None:
        channels = record.gate.channels.transpose(0, 1)
        wanted = wanted * (channels[:, :n] if record.gate.by_query else channels)
    values = record.attention.values()[:, :n].to(along.dtype)
    found = record.weights(queries=slice(0, n), n_keys=n) * (wanted @ values.mT)
    return found.sum(dim=0).cpu().numpy()


def _gradient(run: Run) -> Direction:
    return gradient(run.model, run.anatomy, _ids(run), run.metric, Watch()).at


def _integrated(run: Run) -> Direction:
    """The mean gradient of runs whose embeddings go from the mean of the run's to the run's own, in equal steps."""
    mean = run.parts.mean_embedding()
    total: Direction = {}
    for step in range(1, STEPS + 1):
        with _embeddings(run, mean, step / STEPS):
            for site, found in _gradient(run).items():
                total[site] = total.get(site, 0) + found / STEPS
    return total


@contextmanager
def _embeddings(run: Run, mean: Tensor | None, scale: float) -> Generator[None]:
    def change(site: Site, states: Tensor, _factor: float) -> Tensor | None:
        if site != EMBEDDING:
            return None
        base = torch.zeros_like(states) if mean is None else mean.to(states)
        return base + scale * (states - base)

    with changed(run.anatomy, change):
        yield


def direct(run: Run) -> Direction:
    """What reads a state of the last position out as m, the scale of the final norm fixed."""
    anatomy = run.anatomy
    norm = freeze(anatomy.final_norm, anatomy.d_model, like_input(anatomy.unembedding))
    last = run.trace.layers[-1].post[run.metric.position]
    with torch.no_grad():
        scale = norm.scale(last[None], anatomy.final_norm(last[None, None])[0])
    part = torch.zeros(anatomy.d_model, device=last.device, requires_grad=True)
    with torch.enable_grad():
        logits = anatomy.unembedding((norm.linear(part) * scale).to(like_input(anatomy.unembedding)))
        (along,) = torch.autograd.grad(anatomy.logit_scale * run.metric.of(logits), part)
    rows = torch.zeros(run.n, anatomy.d_model, device=last.device)
    rows[-1] = along.float()
    return {site: rows for site in sites(anatomy)}


_MAKERS: dict[str, Callable[[Run], Scores]] = {
    "contribution": _contribution,
    "flow": partial(_flow, threshold=0.0),
    "flow at Auto": partial(_flow, threshold=None),
    "direct logit attribution": lambda run: _along(run, direct(run)),
    "gradient": lambda run: _along(run, _gradient(run)),
    "share": lambda run: _along(run, relevance(run.model, run.anatomy, _ids(run), run.metric)),
    "integrated gradients": lambda run: _along(run, _integrated(run)),
}
