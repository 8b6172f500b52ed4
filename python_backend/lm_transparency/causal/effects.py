"""The effects of a run's units on a metric: all predicted, the strongest measured."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest

import numpy as np
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from ..errors import Cancelled, TransparencyError, is_out_of_memory
from ..protocol.effects import How, UnitKind
from ..routes.contributions import FLOOR, Contributions
from ..routes.graph import route_graph
from ..trace.trace import Trace
from ..watch import Watch
from .gradient import Gradient, gradient
from .inside import neurons_and_experts
from .interventions import Interventions
from .metric import Metric
from .parts import Parts
from .predicted import KEPT, Predicted, effect_of, predicted
from .removal import Removal, apart, removal, takes_runs
from .shares import Shares, shares
from .units import Unit, edge

#: Feed-forward blocks, those predicted strongest, whose neurons or experts are listed.
OPENED = 10
#: Kinds that share `Budget.seconds`.
_LIMITED = ("ffn", "token", "neuron", "expert")


@dataclass(frozen=True)
class Budget:
    """`top`: units of each kind to list. `measure`: how many of each kind to measure, and at most so many `blocks` and
    `tokens`; None: all candidates. `edges`: a number of their own. `seconds`: for all kinds but edges and heads.
    """

    top: int = 20
    measure: int | None = 20
    edges: int | None = None
    blocks: int = 20
    tokens: int = 60
    seconds: float = 10.0

    def measured_of(self, kind: UnitKind) -> int | None:
        """How many units of a kind to measure; None: all."""
        if kind in ("bias", "residual"):
            return 0
        if self.measure is None:
            return None
        if kind == "edge" and self.edges is not None:
            return self.edges
        return min(self.measure, {"ffn": self.blocks, "token": self.tokens}.get(kind, self.measure))


#: Edges are cheap to measure, and the largest are not all among the first twenty candidates (docs/faithfulness.md).
DEFAULT = Budget(edges=60)


@dataclass(frozen=True)
class Effect:
    """`protocol.effects.UnitEffect` without names: positive supports the target."""

    units: tuple[Unit, ...]
    how: str
    predicted: float | None = None
    measured: float | None = None
    kl: float | None = None
    share: float | None = None

    @property
    def kind(self) -> UnitKind:
        return self.units[0].kind

    @property
    def size(self) -> float:
        """What lists are sorted by, after whether it was measured."""
        return abs(self.measured if self.measured is not None else self.predicted or 0.0)


@dataclass
class Effects:
    """The result so far. `value`: m of the clean run. Seconds."""

    value: float
    effects: list[Effect]
    backward_s: float = 0.0
    measured_s: float = 0.0
    n_measured: int = 0
    notices: tuple[str, ...] = ()
    shares: Shares | None = None
    #: Why not everything was measured that was asked for; empty where it was.
    stopped: str = ""

    def measure(self, asking: Asking, seconds: float = float("inf"), *, partial: bool = False) -> None:
        """Measure all effects, for about `seconds`. What was measured stays where memory ends, or, if `partial`, where
        the user stops it.
        """
        started = time.perf_counter()
        try:
            for i, effect in asking.measure(self.effects, seconds):
                self.effects[i] = effect
                self.n_measured += effect.measured is not None
        except (Cancelled, KeyboardInterrupt):
            if not partial:
                raise
            self.stopped = "Interrupted: the list is what was known by then."
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            self.stopped = "Memory did not suffice to measure more. Choose an earlier --position, or free memory."
        finally:
            self.measured_s += time.perf_counter() - started


class Asking:
    """One metric on one run: the gradient, and the engine that measures. `watch` may be replaced between questions."""

    def __init__(
        self,
        model: PreTrainedModel,
        trace: Trace,
        metric: Metric,
        how: How,
        watch: Watch,
        references: Sequence[Trace] = (),
    ) -> None:
        self.model = model
        self.trace = trace
        self.metric = metric
        self._how: How = how
        self.watch = watch
        self._parts = Parts(trace, references)
        self._engine: Interventions | None = None
        started = time.perf_counter()
        self.notices: tuple[str, ...] = ()
        self.gradient: Gradient | None = None
        try:
            posts = [layer.post for layer in trace.layers]
            self.gradient = gradient(model, trace.anatomy, trace.token_ids, metric, watch, posts)
        except TransparencyError as error:
            if error.kind != "modelUnsupported":
                raise
            self.notices = (str(error),)
        self.backward_s = time.perf_counter() - started

    @cached_property
    def shares(self) -> Shares | None:
        """Shares of the metric; None for a log-probability, and, with a notice, where the model has no gradient."""
        if self.metric.kind != "logit" or self.gradient is None:
            return None
        try:
            return shares(self.model, self.trace.anatomy, self.trace.token_ids, self.metric, self.watch)
        except TransparencyError as error:
            if error.kind != "modelUnsupported":
                raise
            self.notices = (*self.notices, f"No shares: {error}")
            return None

    @property
    def shares_so_far(self) -> Shares | None:
        """The shares, if they were computed."""
        return self.__dict__.get("shares")

    @property
    def engine(self) -> Interventions:
        if self._engine is None:
            self._engine = Interventions(self.model, self.trace, self.metric.position, self.watch)
        self._engine.watch = self.watch
        return self._engine

    @cached_property
    def value(self) -> float:
        """m of the clean run."""
        return float(self.metric.of(self.engine.clean))

    def predict(self, units: tuple[Unit, ...]) -> float | None:
        """Predicted effects add up; a unit that is part of another adds nothing. None without a gradient."""
        if self.gradient is None:
            return None
        return sum(effect_of(self.gradient, self._parts.of(unit, self._how)) for unit in apart(units))

    def started(self, units: tuple[Unit, ...]) -> Effect:
        """An effect with what is known before a measurement: its prediction, and its share if shares were computed."""
        return with_share(Effect(units, "", self.predict(units)), self.shares_so_far)

    def inside(self, blocks: Sequence[Unit]) -> dict[UnitKind, list[Effect]]:
        """The neurons or experts of feed-forward blocks, by kind, strongest first."""
        found: dict[UnitKind, list[Effect]] = {}
        if self.gradient is not None:
            for unit, effect in neurons_and_experts(self._parts, self.gradient, blocks, self._how):
                found.setdefault(unit.kind, []).append(Effect((unit,), "", effect))
        return found

    @cached_property
    def all_predicted(self) -> Predicted | None:
        return None if self.gradient is None else predicted(self._parts, self.gradient, self._how, self.watch)

    @property
    def n_bytes(self) -> int:
        """Bytes of the gradient."""
        return 0 if self.gradient is None else sum(states.nbytes for states in self.gradient.at.values())

    def removal(self, units: Sequence[Unit]) -> Removal:
        return removal(self.model, self._parts, units, self._how, self.metric.position, self.watch)

    def measure(self, effects: Sequence[Effect], seconds: float = float("inf")) -> Iterator[tuple[int, Effect]]:
        """(index, effect with its measurement), batch by batch, until `seconds` are over; one at least.

        Sets whose removal takes runs of its own come last, one by one. Raises `Cancelled`.
        """
        ends = time.perf_counter() + seconds
        alone = [i for i, one in enumerate(effects) if takes_runs(self.trace, one.units, self._how)]
        together = sorted(set(range(len(effects))).difference(alone))
        n_found = 0
        for group in filter(None, [together, *([i] for i in alone)]):
            if n_found and time.perf_counter() > ends:
                return
            for found in self._measured_together(effects, group, ends):
                n_found += 1
                yield found

    def _measured_together(
        self, effects: Sequence[Effect], group: Sequence[int], ends: float
    ) -> Iterator[tuple[int, Effect]]:
        removals: dict[int, Removal] = {}
        # a layer's parts are computed once
        for i in sorted(group, key=lambda i: effects[i].units[0].layer):
            if removals and time.perf_counter() > ends:
                break
            self.watch.check()
            removals[i] = self.removal(effects[i].units)
            if not removals[i].changes:
                yield i, replace(effects[i], how=removals[i].how)
        able = [i for i in group if i in removals and removals[i].changes]
        for number, logits in self.engine.logits([removals[i].changes for i in able], ends):
            i = able[number]
            yield i, self._found(effects[i], removals[i], logits)

    def measured(self, effect: Effect) -> tuple[Effect, Float[Tensor, "output"]]:
        """An effect with its measurement, and the logits of the run without its units."""
        found = self.removal(effect.units)
        if not found.changes:
            return replace(effect, how=found.how), self.engine.clean
        ((_, logits),) = self.engine.logits([found.changes])
        return self._found(effect, found, logits), logits

    def _found(self, effect: Effect, removed: Removal, logits: Float[Tensor, "output"]) -> Effect:
        measured = self.value - float(self.metric.of(logits))
        return replace(effect, measured=measured, kl=self.metric.divergence(self.engine.clean, logits), how=removed.how)


def effects(
    asking: Asking, contributions: Contributions, metric: Metric, budget: Budget, *, partial: bool = False
) -> Effects:
    """The strongest units of each kind, measured as far as the budget goes.

    Candidates for edges come from the gradient and from flow in turns: the gradient can have the wrong sign on the
    very largest, and flow knows nothing of signs.
    """
    known = asking.all_predicted
    found_shares = asking.shares
    result = Effects(asking.value, [], asking.backward_s, notices=asking.notices, shares=found_shares)
    left = budget.seconds
    candidates = _candidates(known, contributions, metric.position)
    if result.shares is not None:
        candidates["token"] = by_share(result.shares, candidates.get("token", []))
    for kind, units in asking.inside([one.units[0] for one in candidates.get("ffn", [])[:OPENED]]).items():
        candidates[kind] = units
    for kind, found in candidates.items():
        n = budget.measured_of(kind)
        listed = Effects(result.value, list(found if n is None else found[:n]))
        limited = kind in _LIMITED
        if not result.stopped:
            listed.measure(asking, left if limited else float("inf"), partial=partial)
            result.stopped = listed.stopped
        left -= listed.measured_s if limited else 0.0
        result.n_measured += listed.n_measured
        result.measured_s += listed.measured_s
        rest = [] if n is None else found[n:]
        in_order = sorted([*listed.effects, *rest], key=lambda effect: (effect.measured is None, -effect.size))
        result.effects += in_order[: max(budget.top, listed.n_measured)]
    return result


def _candidates(known: Predicted | None, contributions: Contributions, position: int) -> dict[UnitKind, list[Effect]]:
    """Units by kind, those to measure first."""
    by_flow = _edges_by_flow(contributions, position)
    if known is None:
        return {"edge": [Effect((unit,), "zero") for unit in by_flow]}
    predicted_of = {unit: effect for unit, effect in known.edges.units()}
    turns = [unit for pair in zip_longest(predicted_of, by_flow) for unit in pair if unit is not None]
    found: dict[UnitKind, list[Effect]] = {
        "edge": [Effect((unit,), "zero", predicted_of.get(unit)) for unit in dict.fromkeys(turns)]
    }
    return found | ranked(known)


def ranked(known: Predicted) -> dict[UnitKind, list[Effect]]:
    """Units of every kind but edges, strongest first."""
    tables: dict[UnitKind, Float[np.ndarray, "..."]] = {
        "head": known.heads,
        "ffn": known.ffn,
        "token": known.tokens,
        "bias": known.bias,
        "residual": known.residual,
    }
    return {kind: [Effect((unit,), "", effect) for unit, effect in _strongest(kind, t)] for kind, t in tables.items()}


def with_share(effect: Effect, found: Shares | None) -> Effect:
    """`effect` with the share of its token, if it is about one token and shares are known."""
    if found is None or effect.kind != "token" or effect.units[1:]:
        return effect
    return replace(effect, share=float(found.tokens[effect.units[0].position or 0]))


def by_share(found: Shares, effects: list[Effect]) -> list[Effect]:
    """Tokens, the largest |share| first: for tokens it ranks effects better than the gradient."""
    predicted_of = {effect.units[0].position: effect.predicted for effect in effects}
    order = sorted(enumerate(found.tokens.tolist()), key=lambda pair: -abs(pair[1]))
    return [Effect((Unit("token", -1, i),), "", predicted_of.get(i), share=share) for i, share in order]


def _edges_by_flow(contributions: Contributions, position: int) -> list[Unit]:
    graph = route_graph(contributions, position, FLOOR)
    found = [e for e in graph.edges if e.kind == "attention"]
    found.sort(key=lambda e: -e.flow)
    return [edge(e.target.layer, e.target.position, e.source.position) for e in found]


def _strongest(kind: UnitKind, table: Float[np.ndarray, "*place"]) -> Iterable[tuple[Unit, float]]:
    """The units of a table [layer, position, head], or [position] of tokens, strongest first, without those at 0."""
    flat = table.ravel()
    for at in np.argsort(-abs(flat), kind="stable")[:KEPT]:
        if flat[at] == 0:
            return
        place = [int(i) for i in np.unravel_index(at, table.shape)]
        layer, position, head = [-1, *place, None] if kind == "token" else [*place, None][:3]
        yield Unit(kind, -1 if layer is None else layer, position, head=head), float(flat[at])
