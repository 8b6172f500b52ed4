"""The engine that measures: changed runs in batches, each from the state where it begins.

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
from ..trace.outputs import read_all
from ..trace.prefix import OtherCache, remembers_keys_only
from ..trace.proof import TOLERANCES
from ..trace.trace import Trace
from ..watch import Watch
from .runs import Change, Changes, Start, begins, changed_logits
from .sites import EMBEDDING, Site

#: Bytes that the states of one batch may take.
_BATCH_BYTES = 400_000_000

#: Positions computed in vain, over all layers, that cost as much as a pass of its own: reading the weights once more.
_PASS = 16

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
        self._watch = watch
        self.clean: Float[Tensor, "output"] = read_all(model, trace).logits[position].float()
        self._start: Start = self._found_start()

    @property
    def start(self) -> Start:
        return self._start

    def logits(
        self, runs: Sequence[Changes], ends: float = float("inf")
    ) -> Iterator[tuple[int, Float[Tensor, "output"]]]:
        """(number of the run, its logits), batch by batch, until `time.perf_counter()` is past `ends`.

        Raises `Cancelled` within one layer's time of a batch.
        """
        done = 0
        for batch in self._batches(runs):
            if time.perf_counter() > ends:
                return
            self._watch.step("interventions", done, len(runs))
            found = self._pass([runs[i] for i in batch.runs], batch.first, self._start)
            yield from zip(batch.runs, found, strict=True)
            done += len(batch.runs)
        self._watch.step("interventions", done, len(runs))

    def _pass(self, runs: Sequence[Changes], first: int, start: Start) -> Float[Tensor, "run output"]:
        return changed_logits(self._model, self._trace, runs, self._position, first, start)

    def _batches(self, runs: Sequence[Changes]) -> Iterator[_Batch]:
        """Runs whose changes begin at about the same position go together."""
        places = [begins(changes) for changes in runs]
        order = sorted(range(len(runs)), key=lambda i: places[i])
        batch: list[int] = []
        vain = 0
        for i in order:
            first = places[batch[0]] if batch else places[i]
            vain += places[i] - first
            if batch and (vain > _PASS or len(batch) >= self._most(first)):
                yield _Batch(first, batch)
                batch, vain = [], 0
            batch.append(i)
        if batch:
            yield _Batch(places[batch[0]], batch)

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
        checked = _starts.setdefault(self._trace.anatomy.unembedding, {})
        starts: tuple[Start, ...] = ("position", "layer", "whole")
        for start in starts:
            if start == "position" and not remembers_keys_only(self._model, self._trace):
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
