"""What one process holds for all its clients: loaded models, and recent analyses under a memory budget."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Collection

from .analysis import Analysis, analyze
from .errors import TransparencyError
from .inspection.heads import HeadTags, measure_head_tags
from .model import embedded
from .model.chat import Chat
from .model.loading import LoadedModel, load_model
from .model.memory import TooLarge
from .model.options import Dtype, Quantization, SpecialTokens
from .routes.kernels import use_cache_directory, warm_up
from .watch import Watch

#: Bytes that traces may hold together; the newest is kept even where it exceeds this alone.
TRACE_BUDGET = 2 * 1024**3

_Key = tuple[str | bool, ...]


class Session:
    """One per process, handed to every client's server. Not thread-safe: one compute queue calls it."""

    def __init__(self, *, trace_budget: int = TRACE_BUDGET) -> None:
        use_cache_directory(embedded.cache_directory() / "kernels")
        self._models: dict[_Key, LoadedModel] = {}
        self._runs: OrderedDict[str, Analysis] = OrderedDict()
        self._trace_budget = trace_budget
        self._head_tags: dict[int, HeadTags] = {}

    @property
    def loaded(self) -> list[LoadedModel]:
        return list(self._models.values())

    def load(
        self,
        source: str = "",
        *,
        dtype: Dtype = "auto",
        device: str = "auto",
        quantization: Quantization = "auto",
        base: str = "",
        allow_download: bool = False,
        trust_remote_code: Collection[str] = (),
        anyway: bool = False,
        watch: Watch | None = None,
    ) -> LoadedModel:
        """The model, loaded unless it already is. One model is held at a time: another one takes its place."""
        key = (source or embedded.NAME, dtype, device, quantization, base, source in trust_remote_code)

        def read() -> LoadedModel:
            return load_model(
                source,
                dtype=dtype,
                device=device,
                quantization=quantization,
                base=base,
                allow_download=allow_download,
                trust_remote_code=trust_remote_code,
                anyway=anyway,
                watch=watch,
            )

        if key not in self._models:
            # asked first, so that a name that is nothing here costs no loaded model
            try:
                loaded = read()
            except TransparencyError as error:
                if not self._makes_room(error):
                    raise
                self.unload()
                loaded = read()
            if loaded.device == "cpu":
                warm_up()
            self.unload()
            self._models[key] = loaded
        return self._models[key]

    def _makes_room(self, error: TransparencyError) -> bool:
        """Whether it would have gone well had the model before not been there any more."""
        held = sum(model.memory_bytes for model in self._models.values())
        if isinstance(error, TooLarge):
            return error.needed_bytes <= error.free_bytes + held
        return error.kind == "outOfMemory" and held > 0

    def unload(self, source: str = "") -> list[str]:
        """Let go of `source` (empty: of everything) and of its traces; the names of what was let go."""
        gone = {key: m for key, m in self._models.items() if not source or source in (key[0], m.name)}
        for key in gone:
            del self._models[key]
        models = {id(m) for m in gone.values()}
        self._head_tags = {k: tags for k, tags in self._head_tags.items() if k not in models}
        self._runs = OrderedDict((k, run) for k, run in self._runs.items() if id(run.model) not in models)
        _free_memory()
        return [m.name for m in gone.values()]

    def analyze(
        self,
        model: LoadedModel,
        prompt: str | Chat,
        *,
        special_tokens: SpecialTokens = "auto",
        watch: Watch | None = None,
    ) -> tuple[str, Analysis]:
        """Analyse and remember: (run id, analysis). The oldest traces go first when the budget is exceeded."""
        analysis = analyze(model, prompt, special_tokens=special_tokens, watch=watch)
        run_id = secrets.token_hex(8)
        self._runs[run_id] = analysis
        while len(self._runs) > 1 and sum(r.trace.memory_bytes() for r in self._runs.values()) > self._trace_budget:
            self._runs.popitem(last=False)
        return run_id, analysis

    def run(self, run_id: str) -> Analysis:
        """Raises `TransparencyError("runExpired")` for a run that is not, or no longer, in memory."""
        if run_id not in self._runs:
            raise TransparencyError(
                "runExpired",
                "The backend no longer holds this analysis in memory.",
                "Analyze the prompt again to look into its nodes; what is drawn stays.",
            )
        self._runs.move_to_end(run_id)
        return self._runs[run_id]

    def head_tags(self, model: LoadedModel, watch: Watch | None = None) -> HeadTags:
        """What the heads of `model` are known to do; measured once."""
        if id(model) not in self._head_tags:
            self._head_tags = {id(model): measure_head_tags(model, watch)}
        return self._head_tags[id(model)]


def _free_memory() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
