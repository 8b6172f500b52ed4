"""What one prompt gives: scores and measured effects of some units, what circuits carry, and the cost of it all."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import zip_longest

import numpy as np
import torch

from lm_transparency import LoadedModel, Watch, analyze, route_graph
from lm_transparency.causal.circuit import value_with
from lm_transparency.causal.effects import Asking, Effect
from lm_transparency.causal.metric import Metric
from lm_transparency.causal.units import Unit, edge
from lm_transparency.routes.contributions import FLOOR

from .prompts import Question
from .record import BOTH, KINDS, RANDOM, SIZES, UNSIGNED, Record
from .scores import Run, Scores, all_scores

#: Units of each kind that are measured: so many of the strongest by each score, and random ones up to so many in all.
STRONGEST = {"edge": 30, "head": 15, "ffn": 12}
LEAST = {"edge": 200, "head": 110, "ffn": 70}
#: … and so many random ones in any case.
AT_RANDOM = {"edge": 40, "head": 25, "ffn": 15}

#: Candidates that are listed where all edges are measured.
CANDIDATES = 200

Say = Callable[[str], None]


def measure(model: LoadedModel, question: Question, known: dict[str, float], say: Say) -> Record | None:
    """None where the model does not prefer the target. `known`: effects that were measured before."""
    analysis = analyze(model, question.prompt)
    metric = Metric(analysis.target, *question.ids(model))
    m = float(metric.of(analysis.trace.logits[metric.position]))
    if m <= 0:
        return None
    run = Run(analysis, metric)
    say("scores")
    seed = question.number
    scores = all_scores(run, seed)
    record = Record(question.kind, question.prompt, question.m_of, run.n, m, list(scores))
    record.costs = {**run.costs, **{name: one.cost for name, one in scores.items()}}
    units = [unit for kind in KINDS for unit in _sample(run, kind, scores, np.random.default_rng(seed))]
    record.scores = {str(unit): [one.of(unit) for one in scores.values()] for unit in units}
    if question.all_edges:
        units += [unit for unit in run.units("edge") if str(unit) not in record.scores]
        record.candidates = _candidates(run, scores["gradient"])
    _measure(run, units, known, record, say)
    _circuits(run, scores, record, seed, say)
    return record


def _sample(run: Run, kind: str, scores: dict[str, Scores], rng: np.random.Generator) -> list[Unit]:
    units = run.units(kind)
    chosen: dict[Unit, None] = {}
    for name, one in scores.items():
        # random ones come below
        strongest = [] if name == RANDOM else sorted(units, key=lambda unit: -abs(one.of(unit)))[: STRONGEST[kind]]
        chosen.update(dict.fromkeys(unit for unit in strongest if one.of(unit) != 0))
    rest = [unit for unit in units if unit not in chosen]
    n_random = max(AT_RANDOM[kind], LEAST[kind] - len(chosen))
    picked = rng.permutation(len(rest))[:n_random]
    return [*chosen, *(rest[i] for i in sorted(picked.tolist()))]


def _measure(run: Run, units: list[Unit], known: dict[str, float], record: Record, say: Say) -> None:
    record.measured = {str(unit): known[str(unit)] for unit in units if str(unit) in known}
    missing = [unit for unit in units if str(unit) not in known]
    asking = Asking(run.model, run.trace, run.metric, "default", Watch())
    # the engine checks once where a run may begin
    _ = asking.engine
    started = time.process_time()
    found = asking.measure([Effect((unit,), "") for unit in missing])
    for n, (i, effect) in enumerate(found, 1):
        if effect.measured is not None:
            record.measured[str(missing[i])] = effect.measured
        if n % 100 == 0:
            say(f"{n} of {len(missing)} units measured")
    if missing:
        record.costs["removal"] = (time.process_time() - started) / len(missing)


def _circuits(run: Run, scores: dict[str, Scores], record: Record, seed: int, say: Say) -> None:
    edges = run.units("edge")
    counts = [round(size * len(edges)) for size in SIZES]
    record.m_none = _with(run, [])
    for name, one in scores.items():
        say(f"circuits by {name}")
        by_size = largest_first(edges, lambda unit, one=one: abs(one.of(unit)), seed)
        record.by_size[name] = [_with(run, by_size[:n]) for n in counts]
        if name not in (*UNSIGNED, RANDOM):
            by_value = largest_first(edges, one.of, seed)
            record.by_value[name] = [_with(run, by_value[:n]) for n in counts]


def largest_first(units: list[Unit], score: Callable[[Unit], float], seed: int) -> list[Unit]:
    """Ties are in random order: at Auto most scores are 0, and the order of layers would be a choice of its own."""
    order = np.random.default_rng(seed).permutation(len(units))
    return sorted((units[i] for i in order), key=lambda unit: -score(unit))


def _with(run: Run, edges: list[Unit]) -> float:
    kept = torch.zeros(run.trace.n_layers, run.n, run.n, dtype=torch.bool)
    for one in edges:
        kept[one.layer, one.position, one.key] = True
    return value_with(run.model, run.trace, run.metric, kept, Watch())


def _candidates(run: Run, gradient: Scores) -> dict[str, list[str]]:
    """Edges in the order in which they are measured: by gradient, by flow, and by both in turns."""
    edges = sorted(run.units("edge"), key=lambda unit: -abs(gradient.of(unit)))
    graph = route_graph(run.analysis.contributions, run.metric.position, FLOOR)
    drawn = sorted((e for e in graph.edges if e.kind == "attention"), key=lambda e: -e.flow)
    by_gradient = [str(unit) for unit in edges]
    by_flow = [str(edge(e.target.layer, e.target.position, e.source.position)) for e in drawn]
    turns = [unit for pair in zip_longest(by_gradient, by_flow) for unit in pair if unit is not None]
    orders = {"gradient": by_gradient, "flow": by_flow, BOTH: list(dict.fromkeys(turns))}
    return {name: order[:CANDIDATES] for name, order in orders.items()}
