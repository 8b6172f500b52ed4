"""Changed runs of a model, many in one batch, each from the first state that it changes.

A run with vectors added to some states equals the recorded run up to the first of them. So it begins there: the blocks
before are skipped, and it joins the batch with the recorded state. Where every layer is plain attention, the positions
before the change are keys and values of the recorded run. The model's own modules compute everything else.
"""

from __future__ import annotations

import weakref
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..model.anatomy import Anatomy
from ..model.context import forget_lengths
from ..trace.forwards import forward_replaced
from ..trace.prefix import cache_of
from ..trace.trace import Trace
from .knockout import keys_hidden
from .metric import precise
from .reading import n_read, read_at
from .sites import EMBEDDING, Site, changed

#: Where a run begins: at its first change; at its first layer, from the first token; at the first layer.
Start = Literal["position", "layer", "whole"]


@dataclass(frozen=True)
class Change:
    """A vector added to the states of one site, at some positions (ascending). float32."""

    site: Site
    positions: tuple[int, ...]
    vectors: Float[Tensor, "position d_model"]

    def add_to(self, states: Float[Tensor, "position d_model"], factor: float, first: int = 0) -> None:
        """Add the vectors to `states` in place, which are those from position `first` on, before `factor`."""
        for position, vector in zip(self.positions, (self.vectors / factor).to(states), strict=True):
            if position - first < len(states):
                states[position - first] += vector


@dataclass(frozen=True)
class HiddenKey:
    """A key that no later query can look at (`knockout`)."""

    key: int


Changes = tuple[Change | HiddenKey, ...]


def begins(changes: Changes) -> int:
    """The first position that differs from the recorded run."""
    places = [c.key + 1 if isinstance(c, HiddenKey) else c.positions[0] for c in changes]
    return min(places, default=0)


@dataclass
class _Run:
    """A run of a batch. `joins`: the last site before its first block; `row`: its row, once it has joined."""

    changes: dict[Site, list[Change]]
    hidden: list[int]
    joins: Site
    row: int = -1


@torch.no_grad()
def changed_logits(
    model: PreTrainedModel, trace: Trace, runs: Sequence[Changes], last: int, first: int, start: Start
) -> Float[Tensor, "run output"]:
    """The logits at position `last` of each run, float32, in one pass. No run changes a position before `first`."""
    whole = start == "whole"
    first = first if start == "position" else 0
    span = slice(first, n_read(model, trace.n_tokens, last))
    batch = _Batch(trace, [_run(changes, whole) for changes in runs], span, whole)
    forget_lengths(model, model.config.get_text_config(decoder=True))
    with (
        _without_layers(model, trace, batch.first_layer),
        keys_hidden(trace.anatomy, batch.hidden, first) if any(run.hidden for run in batch.runs) else nullcontext(),
        changed(trace.anatomy, batch.at),
    ):
        found = read_at(
            model,
            trace.anatomy,
            trace.token_ids[batch.span],
            last - first,
            cache=cache_of(trace, first) if first else None,
            runs=len(runs) if whole else 1,
        )
    return precise(found[batch.rows])


def _run(changes: Changes, whole: bool) -> _Run:
    by_site: dict[Site, list[Change]] = {}
    hidden = [change.key for change in changes if isinstance(change, HiddenKey)]
    for change in changes:
        if isinstance(change, Change):
            by_site.setdefault(change.site, []).append(change)
    joins = EMBEDDING
    if not whole and by_site and not hidden:
        # at one layer, `mid` comes before `post`
        joins = min(by_site)
        if joins.state == "mid":
            joins = Site(joins.layer - 1, "post")
    return _Run(by_site, hidden, joins)


class _Batch:
    """What stands at each site: the runs that have joined, with their changes, and those that join there."""

    def __init__(self, trace: Trace, runs: list[_Run], span: slice, whole: bool) -> None:
        self._trace = trace
        self.runs = runs
        self.span = span
        self._n_joined = 0
        self._whole = whole

    @property
    def first_layer(self) -> int:
        """The first block that has to run."""
        return 0 if self._whole else min(run.joins.layer for run in self.runs) + 1

    def hidden(self) -> list[tuple[int, int]]:
        return [(run.row, key) for run in self.runs if run.row >= 0 for key in run.hidden]

    @property
    def rows(self) -> list[int]:
        return [run.row for run in self.runs]

    def at(self, site: Site, states: Tensor, factor: float) -> Tensor | None:
        parts = [states] if self._n_joined else []
        joining = [run for run in self.runs if run.row < 0 and run.joins == site]
        for run in joining:
            run.row, self._n_joined = self._n_joined, self._n_joined + 1
        if joining:
            recorded = states if self._whole else self._recorded(site).to(states)[None].expand(len(joining), -1, -1)
            parts.append(recorded.reshape(-1, *states.shape[1:]))
        changes = [(run.row, change) for run in self.runs if run.row >= 0 for change in run.changes.get(site, [])]
        if not joining and not changes:
            return None
        made = torch.cat(parts) if len(parts) > 1 else parts[0].clone()
        for row, change in changes:
            change.add_to(made[row], factor, self.span.start)
        return made

    def _recorded(self, site: Site) -> Float[Tensor, "position d_model"]:
        layers = self._trace.layers
        return (layers[0].pre if site == EMBEDDING else layers[site.layer].post)[self.span]


@contextmanager
def _without_layers(model: PreTrainedModel, trace: Trace, n: int) -> Generator[None]:
    """Let the first `n` blocks return what they are given."""
    lengths = _output_lengths(model, trace.anatomy) if n else []
    with ExitStack() as stack:
        for block, length in zip(trace.anatomy.blocks[:n], lengths, strict=False):
            stack.enter_context(forward_replaced(block.module, partial(_pass, length)))
        yield


def _pass(length: int | None, *args: Any, **kwargs: Any) -> Any:
    states = args[0] if args else kwargs["hidden_states"]
    return states if length is None else (states, *[None] * (length - 1))


#: By a model's unembedding: how many values each of its blocks returns, None for the state alone.
_lengths: weakref.WeakKeyDictionary[nn.Module, list[int | None]] = weakref.WeakKeyDictionary()


def _output_lengths(model: PreTrainedModel, anatomy: Anatomy) -> list[int | None]:
    known = _lengths.get(anatomy.unembedding)
    if known is not None:
        return known
    found: list[int | None] = []

    def look(_module: nn.Module, _args: Any, output: Any) -> None:
        found.append(len(output) if isinstance(output, tuple) else None)

    handles = [block.module.register_forward_hook(look) for block in anatomy.blocks]
    try:
        read_at(model, anatomy, torch.zeros(1, dtype=torch.long), 0)
    finally:
        for handle in handles:
            handle.remove()
    _lengths[anatomy.unembedding] = found
    return found
