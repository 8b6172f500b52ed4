"""The engine that measures: changed runs in batches, each from the state where it begins (docs/method.md#effects).

No family is trusted to start in the middle: before the first batch, the unchanged run is started there and must give
the recorded logits. Where it does not, runs start earlier.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..errors import TransparencyError, is_out_of_memory
from ..model.memory import give_back
from ..trace.outputs import logits_at
from ..trace.prefix import OtherCache, remembers_keys_only
from ..trace.proof import TOLERANCES
from ..trace.trace import Trace
from ..watch import Watch
from .reading import reads_all
from .runs import Change, Changes, Start, begins, changed_logits
from .sites import EMBEDDING, Site

#: Bytes that the states of one batch may take.
_BATCH_BYTES = 400_000_000

#: Positions whose computation takes as long as a layer of a pass takes anyway: reading the weights, starting kernels.
_PASS = {"cpu": 24, "cuda": 512}

#: Runs that one batch may have.
_MOST_RUNS = 256

_starts: weakref.WeakKeyDictionary[nn.Module, dict[Start, bool]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class _Batch:
    """The numbers of runs that are computed together, from position `first` on."""

    first: int
    runs: list[int]


class Interventions:
    """Changed runs of one recorded prompt, read at one position."""

    def __init__(self, model: PreTrainedModel, trace: Trace, position: int, watch: Watch) -> None:
        self._model = model
        self._trace = trace
        self._position = position
        self.watch = watch
        self.clean: Float[Tensor, "output"] = logits_at(model, trace, position).float()
        self._pass_cost = _PASS.get(self.clean.device.type, 64)
        self._start: Start = self._found_start()

    @property
    def start(self) -> Start:
        return self._start

    def logits(
        self, runs: Sequence[Changes], ends: float = float("inf")
    ) -> Iterator[tuple[int, Float[Tensor, "output"]]]:
        """(number of the run, its logits), batch by batch, until `time.perf_counter()` is past `ends`; one at least.

        Raises `Cancelled` within one layer's time of a batch.
        """
        done = 0
        # the strongest come first in `runs`, and so does the batch that holds the first of them
        for batch in sorted(self._batches(runs), key=lambda batch: min(batch.runs)):
            if done and time.perf_counter() > ends:
                return
            self.watch.step("interventions", done, len(runs))
            found = self._pass([runs[i] for i in batch.runs], batch.first, self._start)
            yield from zip(batch.runs, found, strict=True)
            done += len(batch.runs)
        self.watch.step("interventions", done, len(runs))

    def _pass(self, runs: Sequence[Changes], first: int, start: Start) -> Float[Tensor, "run output"]:
        try:
            return changed_logits(self._model, self._trace, runs, self._position, first, start)
        except (MemoryError, RuntimeError) as error:
            if len(runs) == 1 or not is_out_of_memory(error):
                raise
        # outside the handler, which would keep the memory of the failed pass
        give_back()
        half = len(runs) // 2
        return torch.cat([self._pass(part, first, start) for part in (runs[:half], runs[half:])])

    def _batches(self, runs: Sequence[Changes]) -> list[_Batch]:
        """The cheapest division into batches, by the positions and layers that each computes (dynamic programming)."""
        n_layers, position = self._trace.n_layers, self._position
        places = sorted((begins(changes), _depth(changes, n_layers), i) for i, changes in enumerate(runs))
        cost, first_of = [0.0], [0]
        for stop in range(1, len(places) + 1):
            best, at = float("inf"), stop - 1
            deepest = total = 0
            for start in range(stop - 1, max(-1, stop - 1 - _MOST_RUNS), -1):
                first, depth, _ = places[start]
                deepest, total = max(deepest, depth), total + depth
                if stop - start > 1 and stop - start > self._most(first):
                    break
                n_positions = position + 1 - (first if self._start == "position" else 0)
                found = cost[start] + self._pass_cost * deepest + n_positions * total
                if found < best:
                    best, at = found, start
            cost.append(best)
            first_of.append(at)
        batches: list[_Batch] = []
        stop = len(places)
        while stop:
            start = first_of[stop]
            batches.append(_Batch(places[start][0], [i for _, _, i in places[start:stop]]))
            stop = start
        return batches

    def _most(self, first: int) -> int:
        """How many runs fit into a batch that begins at `first`."""
        anatomy, n_keys = self._trace.anatomy, self._position + 1
        n_queries = n_keys - first if self._start == "position" else n_keys
        heads = next(layer.heads for layer in self._trace.layers if layer.heads is not None)
        keys = n_keys * (heads.key[:, :1].numel() + heads.value[:, :1].numel())
        # states, neurons, and the attention of a block, which an unfused kernel makes whole
        states = n_queries * (6 * anatomy.d_model + 3 * anatomy.d_ffn + anatomy.n_heads * n_keys)
        per_run = 4 * (states + 2 * keys + 2 * anatomy.n_outputs)
        return max(1, _BATCH_BYTES // per_run)

    def _found_start(self) -> Start:
        # where positions depend on the prompt's length, a check says nothing about other prompts
        checked = {} if reads_all(self._model) else _starts.setdefault(self._trace.anatomy.unembedding, {})
        starts: tuple[Start, ...] = ("position", "layer", "whole")
        for start in starts:
            # at the first position nothing is remembered, and a check would say nothing about other prompts
            if start == "position" and not (self._position and remembers_keys_only(self._model, self._trace)):
                continue
            if start not in checked:
                checked[start] = self._gives_the_run(start)
            if checked[start]:
                return start
        raise TransparencyError(
            "modelUnsupported",
            f"{type(self._model).__name__} gives other logits when it runs again, so nothing can be measured in it.",
            "Load it without quantisation, or in float32.",
        )

    def _gives_the_run(self, start: Start) -> bool:
        """Whether the unchanged run, begun at several places at once, has the recorded logits."""
        anatomy, position = self._trace.anatomy, self._position
        nothing = torch.zeros(1, anatomy.d_model)
        # two at once in every layer, and a batch that grows
        places = [EMBEDDING, EMBEDDING, Site(anatomy.n_layers // 2 - 1, "post"), Site(anatomy.n_layers - 1, "post")]
        first = (position + 1) // 2
        runs = [(Change(site, (first,), nothing),) for site in places]
        try:
            found = self._pass(runs, first, start)
        except (OtherCache, RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
            if is_out_of_memory(error):
                raise
            # a block that needs more than its input, or a shape that a batch must not have
            return False
        allowed = TOLERANCES.get(self._trace.logits.dtype, 1e-4) * float(self.clean.abs().max().clamp_min(1.0))
        return bool((found - self.clean).abs().max() <= allowed)


def _depth(changes: Changes, n_layers: int) -> int:
    """How many layers run: those from the first change on."""
    sites = [change.site for change in changes if isinstance(change, Change)]
    if len(sites) < len(changes) or not sites:
        return n_layers
    first = min(sites)
    return n_layers - first.layer - (first.state == "post")
