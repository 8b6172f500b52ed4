"""Making an analysis of one prompt: tokens, trace, contributions, proof and predictions, with the time of each."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from typing import get_args

import torch

from ..ambient import guarded
from ..errors import check_choice
from ..model.chat import Chat, encode_chat
from ..model.loading import LoadedModel
from ..model.options import SpecialTokens
from ..model.token_ids import check_token_ids
from ..model.tokens import Token, encode
from ..routes.contributions import FLOOR
from ..routes.gathering import Earlier, Gathering
from ..trace.finite import check_finite, not_provable
from ..trace.outputs import read_all
from ..trace.prefix import record_after
from ..trace.recording import record
from ..trace.trace import Trace
from ..watch import Watch
from .limits import check_length, memory_told
from .notices import notices
from .result import Analysis


@guarded
def analyze(
    model: LoadedModel,
    prompt: str | Chat,
    *,
    special_tokens: SpecialTokens = "auto",
    floor: float = FLOOR,
    watch: Watch | None = None,
    earlier: Analysis | None = None,
) -> Analysis:
    """Analyse `prompt` at every position with one forward pass.

    A `Chat` (`parse_chat`, `chat_of`) is written by the tokenizer's chat template, which also decides on special
    tokens, so `special_tokens` does not apply. `earlier`: an analysis by the same model; the common beginning is taken
    over from it where that is known to be right, and only the rest is computed (`trace.prefix`).

    Raises `TransparencyError` (`invalidPrompt`, `promptTooLong`, `modelUnsupported`, `outOfMemory`), and `Cancelled`
    within one layer's time of `watch.cancel()`.
    """
    tokens = tokens_of(model, prompt, special_tokens)
    return analyze_tokens(model, prompt, tokens, floor=floor, watch=watch, earlier=earlier)


@guarded
def analyze_tokens(
    model: LoadedModel,
    prompt: str | Chat,
    tokens: Sequence[Token],
    *,
    floor: float = FLOOR,
    watch: Watch | None = None,
    earlier: Analysis | None = None,
) -> Analysis:
    """`analyze` for the `tokens` of `prompt` (`tokens_of`)."""
    watch = watch or Watch()
    begun = _recorded(model, prompt, tokens, watch, floor=floor, earlier=earlier)
    begun.go_on(watch)
    return begun.analysis()


@guarded
def tokens_of(model: LoadedModel, prompt: str | Chat, special_tokens: SpecialTokens = "auto") -> list[Token]:
    """The tokens that the model reads for `prompt`.

    Raises `TransparencyError`: `invalidPrompt`, `promptTooLong`, and `modelUnusable` for a token without a row in the
    embedding.
    """
    check_choice("special_tokens", special_tokens, get_args(SpecialTokens))
    if isinstance(prompt, Chat):
        tokens = encode_chat(model.tokenizer, prompt)
    else:
        tokens = encode(model.tokenizer, prompt, special_tokens)
    check_token_ids((token.id for token in tokens), model.n_rows)
    check_length(model, len(tokens))
    return tokens


@guarded
def analysis_of(
    model: LoadedModel,
    prompt: str | Chat,
    tokens: Sequence[Token],
    trace: Trace,
    forward_s: float,
    *,
    floor: float = FLOOR,
    watch: Watch,
) -> Analysis:
    """The analysis of a trace that took `forward_s`. Raises `TransparencyError` (`modelUnsupported`, `outOfMemory`)."""
    started = Started(model, prompt, tokens, trace, forward_s, floor=floor)
    started.go_on(watch)
    return started.analysis()


@guarded
def start(
    model: LoadedModel,
    prompt: str | Chat,
    tokens: Sequence[Token],
    *,
    watch: Watch | None = None,
    earlier: Analysis | None = None,
) -> Started:
    """`analyze_tokens` up to the routes into the target. Raises as `analyze`."""
    watch = watch or Watch()
    begun = _recorded(model, prompt, tokens, watch, earlier=earlier, only_last=True)
    begun.reach(begun.target, watch)
    return begun


def _recorded(
    model: LoadedModel,
    prompt: str | Chat,
    tokens: Sequence[Token],
    watch: Watch,
    *,
    floor: float = FLOOR,
    earlier: Analysis | None = None,
    only_last: bool = False,
) -> Started:
    """A partial analysis from its trace and the common part of `earlier`."""
    ids = torch.tensor([token.id for token in tokens])
    # wrong rows are not taken over, nor rows above another floor
    if earlier is not None and (
        earlier.model is not model or not earlier.proof.holds or earlier.contributions.floor != floor
    ):
        earlier = None
    started = time.perf_counter()
    with memory_told(model, len(tokens)):
        if earlier is None:
            trace, n_reused = record(model.model, model.anatomy, ids, watch, only_last=only_last), 0
        else:
            trace, n_reused = record_after(earlier.trace, model.model, model.anatomy, ids, watch, only_last=only_last)
    forward_s = time.perf_counter() - started
    rows = None if earlier is None or not n_reused else Earlier(earlier.contributions, earlier.proof, n_reused)
    return Started(model, prompt, tokens, trace, forward_s, floor=floor, earlier=rows)


class Started:
    """An analysis in the making.

    The routes into any position are known after `reach`, everything after `go_on`. Raises `TransparencyError` as
    `check_finite` does where a number is not finite; its methods also `outOfMemory`.
    """

    def __init__(
        self,
        model: LoadedModel,
        prompt: str | Chat,
        tokens: Sequence[Token],
        trace: Trace,
        forward_s: float,
        *,
        floor: float = FLOOR,
        earlier: Earlier | None = None,
    ) -> None:
        check_finite(model, trace)
        self._model = model
        self._prompt = prompt
        self._tokens = tuple(tokens)
        self._trace = trace
        self._gathering = Gathering(trace, floor, earlier)
        self._n_reused = 0 if earlier is None else earlier.n_positions
        self._forward_s = forward_s
        self._contributions_s = 0.0

    @property
    def trace(self) -> Trace:
        return self._trace

    @property
    def target(self) -> int:
        return self._trace.target

    @property
    def is_complete(self) -> bool:
        return self._trace.unread is None and self._gathering.is_complete

    @guarded
    def reach(self, target: int, watch: Watch, *, threshold: float | None = None, renormalize: bool = True) -> None:
        """See `Gathering.reach`."""
        with self._timed():
            self._gathering.reach(target, watch, threshold=threshold, renormalize=renormalize)

    @guarded
    def complete(self, layer: int) -> None:
        """Compute every row of a layer. Raises `TransparencyError("invalidParams")` for a layer that does not exist."""
        if 0 <= layer < self._trace.n_layers:
            with self._timed():
                self._gathering.complete(layer)

    @guarded
    def go_on(self, watch: Watch, seconds: float = float("inf")) -> None:
        """Compute the missing rows, for about `seconds`. Raises `Cancelled` within one layer's time."""
        ends = time.perf_counter() + seconds
        with self._timed(), closing(self._gathering.completing()) as completed:
            watch.check()
            for layer in completed:
                watch.step("contributions", layer, self._trace.n_layers)
                if time.perf_counter() > ends:
                    return
        watch.check()
        if self._trace.unread is not None:
            started = time.perf_counter()
            with memory_told(self._model, len(self._tokens), self._trace.memory_bytes()):
                self._trace = read_all(self._model.model, self._trace)
            check_finite(self._model, self._trace)
            self._forward_s += time.perf_counter() - started

    @guarded
    def analysis(self) -> Analysis:
        """The result so far."""
        weights, proof = self._gathering.result()
        if not (weights.is_finite and proof.is_finite):
            raise not_provable(self._model, self._trace, proof.worst_layer)
        chat = self._prompt if isinstance(self._prompt, Chat) else None
        return Analysis(
            self._prompt.text if isinstance(self._prompt, Chat) else self._prompt,
            self._model,
            self._tokens,
            self._trace,
            weights,
            proof,
            notices(self._tokens, proof, self._trace, chat, getattr(self._model.tokenizer, "bos_token_id", None)),
            self._forward_s,
            self._contributions_s,
            self._n_reused,
        )

    @contextmanager
    def _timed(self) -> Generator[None]:
        started = time.perf_counter()
        try:
            with memory_told(self._model, len(self._tokens), self._trace.memory_bytes()):
                yield
        finally:
            self._contributions_s += time.perf_counter() - started
