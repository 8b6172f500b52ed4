"""The models and recent analyses that one process holds for all its clients, under a memory budget."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from ..ambient import guard, guarded
from ..analysis.calibration import Calibration
from ..analysis.estimate import ASSUMED, Estimate, Sample, contributions_work, forward_work, longest, peak_bytes, rates
from ..analysis.limits import shape_of
from ..analysis.making import Started, analyze_tokens, start, tokens_of
from ..analysis.result import Analysis
from ..causal.effects import Asking
from ..errors import TransparencyError
from ..files.fingerprint import state
from ..inspection.heads import measure_head_tags
from ..inspection.metrics import asking_about
from ..model import embedded
from ..model.chat import Chat
from ..model.identity import model_fingerprint
from ..model.loading import LoadedModel, load_model
from ..model.memory import TooLarge, free_buffers, free_bytes, give_back
from ..model.options import Loading, ModelChoice, SpecialTokens
from ..model.tokens import Token
from ..protocol.analysis import PlainLensResult
from ..protocol.effects import MetricChoice
from ..protocol.heads import HeadTagsResult
from ..routes.kernels import use_cache_directory, warm_up
from ..trace.prefix import n_common
from ..version import __version__
from ..watch import Watch
from .refused import refused_lens

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: Bytes that analyses may hold together; the newest is kept even where it exceeds this alone.
TRACE_BUDGET = 2_000_000_000

#: From this many tokens on, the routes into the target are returned before all the others.
LONG = 64

#: Bytes of gradients that are kept; the newest is kept even where it exceeds this alone.
METRIC_BUDGET = 100_000_000

#: The fields that name a metric on a run.
_METRIC_FIELDS = tuple(field for field in fields(MetricChoice) if field.name not in ("behind", "work_done_token"))

_Key = tuple[str | bool, ...]
T = TypeVar("T")


class Traces(NamedTuple):
    """The number of kept analyses, their bytes, and the limit."""

    n_runs: int
    n_bytes: int
    budget_bytes: int


class Session:
    """One per process, shared by every client's server. Threads that share it take turns."""

    def __init__(self, *, trace_budget: int = TRACE_BUDGET, reuse: bool = True) -> None:
        """`reuse`: an analysis takes over the common beginning from a kept one."""
        use_cache_directory(embedded.cache_directory() / "kernels")
        self._models: dict[_Key, LoadedModel] = {}
        #: the state of the files that each was loaded from
        self._files: dict[_Key, str] = {}
        self._runs: OrderedDict[str, Analysis] = OrderedDict()
        #: runs that are not complete
        self._started: dict[str, Started] = {}
        self._trace_budget = trace_budget
        self._reuse = reuse
        self._head_tags: dict[int, HeadTagsResult] = {}
        #: what questions about effects share, by run and metric
        self._asking: OrderedDict[MetricChoice, Asking] = OrderedDict()
        self._calibration = Calibration(embedded.cache_directory() / "calibration.json")
        #: told of each model before its memory is given back
        self.leaving: list[Callable[[LoadedModel], None]] = []
        # models whose first analysis, which prepares much, is over
        self._warm: set[int] = set()

    @property
    def loaded(self) -> list[LoadedModel]:
        return list(self._models.values())

    def load(self, source: str = "", *, watch: Watch | None = None, **options: Unpack[Loading]) -> LoadedModel:
        """The model, loaded if necessary, and loaded again once its files changed.

        One model is held at a time: another one replaces it.
        """
        choice = ModelChoice(source=source, **options)
        trusted = source in choice.trust_remote_code
        names = choice.dtype, choice.device, choice.quantization, choice.base
        key = (source or embedded.NAME, *names, trusted)
        files = model_fingerprint(source, choice.base, say=state)
        held = self._models.get(key)
        if held is not None and not self._changed(key, files):
            return held
        with guard(self, watch, loading=True):
            if key not in self._models or self._changed(key, files):
                if held is not None and watch is not None:
                    watch.step(f"the files of {held.name} have changed: loading it again")
                # checked first, so that an unknown name does not unload a model
                loaded = self._with_room(lambda: load_model(source, watch=watch, **options))
                if loaded.device == "cpu":
                    if watch is not None:
                        watch.step("preparing code for this processor")
                    warm_up()
                self.unload()
                self._models[key], self._files[key] = loaded, files
            return self._models[key]

    def _changed(self, key: _Key, files: str) -> bool:
        """Whether a held model was loaded from other `files`; where files are missing, the held model is kept."""
        return bool(files) and files != self._files.get(key)

    def current(self, source: str) -> LoadedModel | None:
        """The loaded model of this name, if its files are unchanged."""
        # files are read meanwhile, and another thread may load or unload
        for key, model in list(self._models.items()):
            if model.source == source:
                files = model_fingerprint(source, str(key[4]), say=state)
                return None if self._changed(key, files) else model
        return None

    def refused_lens(
        self,
        choice: ModelChoice,
        prompt: str | Chat,
        special_tokens: SpecialTokens,
        *,
        top_k: int,
        most: int,
        watch: Watch,
    ) -> PlainLensResult:
        """See `session.refused.refused_lens`; the loaded model stays if there is room for both."""
        with guard(self, watch, loading=True):
            try:
                return self._with_room(
                    lambda: refused_lens(choice, prompt, special_tokens, top_k=top_k, most=most, watch=watch)
                )
            finally:
                give_back()

    def _with_room(self, load: Callable[[], T]) -> T:
        """`load()`; the current model is unloaded where that alone makes it possible."""
        try:
            return load()
        except TransparencyError as error:
            if not self._makes_room(error):
                raise
        self.unload()
        return load()

    def _makes_room(self, error: TransparencyError) -> bool:
        """Whether loading would succeed once the current model is unloaded."""
        held = sum(model.memory_bytes for model in self._models.values())
        if isinstance(error, TooLarge):
            return error.needed_bytes <= error.free_bytes + held
        return error.kind == "outOfMemory" and held > 0

    @guarded
    def unload(self, source: str = "") -> list[str]:
        """Unload `source` (empty: everything) with its traces; returns the names unloaded."""
        gone = {key: m for key, m in self._models.items() if not source or source in (key[0], m.name)}
        for key in gone:
            del self._models[key]
            self._files.pop(key, None)
        for model in gone.values():
            for tell in self.leaving:
                tell(model)
        models = {id(m) for m in gone.values()}
        self._head_tags = {k: tags for k, tags in self._head_tags.items() if k not in models}
        self._warm -= models
        self._runs = OrderedDict((k, run) for k, run in self._runs.items() if id(run.model) not in models)
        self._started = {k: started for k, started in self._started.items() if k in self._runs}
        self._forget_metrics()
        _free_memory()
        return [m.name for m in gone.values()]

    @guarded
    def analyze(
        self,
        model: LoadedModel,
        prompt: str | Chat,
        *,
        special_tokens: SpecialTokens = "auto",
        watch: Watch | None = None,
    ) -> tuple[str, Analysis]:
        """Analyse and remember (`keep`): (run id, analysis)."""
        self._tell_first(model, watch)
        return self._analyzed(model, prompt, tokens_of(model, prompt, special_tokens), watch)

    @guarded
    def begin(
        self,
        model: LoadedModel,
        prompt: str | Chat,
        *,
        special_tokens: SpecialTokens = "auto",
        watch: Watch | None = None,
    ) -> tuple[str, Analysis]:
        """Like `analyze`, but a long prompt gets only the routes into the target: `go_on` computes the rest."""
        tokens = tokens_of(model, prompt, special_tokens)
        self._tell_first(model, watch)
        if len(tokens) < LONG:
            return self._analyzed(model, prompt, tokens, watch)
        started = start(model, prompt, tokens, watch=watch, earlier=self._earlier(model, tokens))
        analysis = started.analysis()
        run_id = self.keep(analysis)
        self._started[run_id] = started
        return run_id, analysis

    def _analyzed(
        self, model: LoadedModel, prompt: str | Chat, tokens: Sequence[Token], watch: Watch | None
    ) -> tuple[str, Analysis]:
        analysis = analyze_tokens(model, prompt, tokens, watch=watch, earlier=self._earlier(model, tokens))
        self._learn(analysis)
        return self.keep(analysis), analysis

    def _tell_first(self, model: LoadedModel, watch: Watch | None) -> None:
        if watch is not None and id(model) not in self._warm:
            watch.step("first pass")

    def _earlier(self, model: LoadedModel, tokens: Sequence[Token]) -> Analysis | None:
        """The kept analysis that shares most of the beginning of `tokens`; among equals the newest."""
        if not self._reuse:
            return None
        ids = torch.tensor([token.id for token in tokens])
        runs = [run for run in reversed(self._runs.values()) if run.model is model]
        return max(runs, key=lambda run: _known(run, ids), default=None)

    @guarded
    def go_on(self, run_id: str, watch: Watch, seconds: float = float("inf")) -> Analysis:
        """Compute what a partial run lacks, for about `seconds`; returns the result so far. Raises as `run`."""
        return self._advance(run_id, lambda started: started.go_on(watch, seconds))

    @guarded
    def reach(
        self, run_id: str, target: int, watch: Watch, *, threshold: float | None = None, renormalize: bool = True
    ) -> Analysis:
        """A partial run with the routes into `target`. Raises as `run`, and `invalidPosition`."""
        return self._advance(
            run_id, lambda started: started.reach(target, watch, threshold=threshold, renormalize=renormalize)
        )

    @guarded
    def complete(self, run_id: str, layer: int) -> Analysis:
        """A run with every row of `layer`, if that layer exists. Raises as `run`."""
        return self._advance(run_id, lambda started: started.complete(layer))

    def _advance(self, run_id: str, work: Callable[[Started], None]) -> Analysis:
        run = self.run(run_id)
        started = self._started.get(run_id)
        if started is None:
            return run
        work(started)
        self._runs[run_id] = started.analysis()
        if started.is_complete:
            del self._started[run_id]
            self._learn(self._runs[run_id])
        return self._runs[run_id]

    @guarded
    def keep(self, analysis: Analysis) -> str:
        """Store an existing analysis; returns its run id. The oldest traces are dropped when the budget is exceeded."""
        run_id = secrets.token_hex(8)
        self._runs[run_id] = analysis
        self._evict()
        return run_id

    @property
    @guarded
    def traces(self) -> Traces:
        """The kept analyses."""
        return Traces(len(self._runs), sum(_held(run) for run in self._runs.values()), self._trace_budget)

    @guarded
    def set_trace_budget(self, n_bytes: int) -> None:
        """Let analyses hold `n_bytes` together from now on; the oldest that exceed it are dropped at once."""
        self._trace_budget = n_bytes
        self._evict()
        give_back()

    def _evict(self) -> None:
        while len(self._runs) > 1 and self.traces.n_bytes > self._trace_budget:
            self._started.pop(self._runs.popitem(last=False)[0], None)
        self._forget_metrics()

    @guarded
    def estimate(self, model: LoadedModel, prompt: str | Chat, *, special_tokens: SpecialTokens = "auto") -> Estimate:
        """The expected time and memory of analysing `prompt`. Raises `TransparencyError` as `tokens_of` does."""
        shape, n_tokens = shape_of(model), len(tokens_of(model, prompt, special_tokens))
        samples = self._calibration.samples(_calibration_key(model))
        assumed = ASSUMED.get(model.input_device.type, ASSUMED["cpu"])
        forward, rest = rates(assumed, samples, model.name)
        seconds = forward.seconds(forward_work(shape, n_tokens)) + rest.seconds(contributions_work(shape, n_tokens))
        free = free_bytes(model.input_device)
        return Estimate(n_tokens, seconds, peak_bytes(shape, n_tokens), free, longest(shape, free), bool(samples))

    def _learn(self, analysis: Analysis) -> None:
        model, n_tokens = analysis.model, len(analysis.tokens)
        # what was taken over took no time
        if id(model) in self._warm and not analysis.n_reused:
            shape = shape_of(model)
            works = forward_work(shape, n_tokens), contributions_work(shape, n_tokens)
            sample = Sample(model.name, n_tokens, *works, analysis.forward_s, analysis.contributions_s)
            self._calibration.learn(_calibration_key(model), sample)
        self._warm.add(id(model))

    @guarded
    def run(self, run_id: str) -> Analysis:
        """Raises `TransparencyError("runExpired")` for a run that is not in memory."""
        if run_id not in self._runs:
            raise TransparencyError(
                "runExpired",
                "The backend no longer holds this analysis in memory.",
                "Analyze the prompt again to open its nodes; the drawing stays.",
            )
        self._runs.move_to_end(run_id)
        return self._runs[run_id]

    @guarded
    def head_tags(self, model: LoadedModel, watch: Watch | None = None) -> HeadTagsResult:
        """The measured head tags of `model`; measured once."""
        if id(model) not in self._head_tags:
            self._head_tags = {id(model): measure_head_tags(model, watch)}
        return self._head_tags[id(model)]

    @guarded
    def asking(self, params: MetricChoice, watch: Watch) -> Asking:
        """The gradient and the engine for a metric on a run; kept, for the panel asks many questions about one metric.

        Raises as `run` and `inspect_effects`.
        """
        run = self.run(params.run_id)
        key = MetricChoice(**{field.name: getattr(params, field.name) for field in _METRIC_FIELDS})
        asking = self._asking.get(key)
        if asking is None:
            about = params.position, params.metric, params.target, params.contrast, params.how
            asking, notes = asking_about(run, *about, watch)
            asking.notices = (*notes, *asking.notices)
            self._asking[key] = asking
        self._asking.move_to_end(key)
        while len(self._asking) > 1 and sum(one.n_bytes for one in self._asking.values()) > METRIC_BUDGET:
            self._asking.popitem(last=False)
        asking.watch = watch
        return asking

    def _forget_metrics(self) -> None:
        self._asking = OrderedDict((k, asking) for k, asking in self._asking.items() if k.run_id in self._runs)


def _known(run: Analysis, ids: Int[Tensor, "position"]) -> int:
    """Bytes of the common beginning: its states, and the rows of contributions into it."""
    n = min(n_common(run.trace.token_ids, ids), len(ids) - 1)
    return n * run.trace.n_layers + int(run.contributions.known[:, :n].sum())


def _held(run: Analysis) -> int:
    """Bytes: the trace, and the columns of the contributions."""
    columns = vars(run.contributions).values()
    return run.trace.memory_bytes() + sum(column.nbytes for column in columns if isinstance(column, np.ndarray))


def _calibration_key(model: LoadedModel) -> str:
    """The scope of a measured time: the kind of device, its threads or name, the precision, and this version."""
    place = model.input_device
    if place.type == "cuda":
        name = torch.cuda.get_device_name(place)
    else:
        name = f"{torch.get_num_threads()} threads" if place.type == "cpu" else ""
    return ", ".join(filter(None, (place.type, name, model.dtype, __version__)))


def _free_memory() -> None:
    import gc

    gc.collect()
    free_buffers()
    # otherwise freed memory stays with the allocator
    give_back()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
