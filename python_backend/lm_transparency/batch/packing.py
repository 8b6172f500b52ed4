"""Short prompts share a forward pass, where a measurement shows that the model keeps them apart."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from ..ambient import guard, guarded
from ..analysis.limits import memory_told
from ..analysis.making import analysis_of, tokens_of
from ..analysis.result import Analysis
from ..errors import STOPS, TransparencyError
from ..model.chat import Chat
from ..model.loading import LoadedModel
from ..model.options import SpecialTokens
from ..model.tokens import Token
from ..trace.finite import is_finite
from ..trace.packed import can_pack, record_packed
from ..trace.recording import record
from ..trace.trace import Trace
from ..watch import Watch
from .prompts import Prompt

#: Tokens that share a pass: beyond this a CPU gains nothing, since it is busy and every query scores every key.
_TOKENS_ON_CPU, _TOKENS = 256, 2048
#: How far the last state may be from that of a run alone, as a share of its norm: rounding, but no other position.
_ROUNDING = {torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}

Answer = Analysis | BaseException


class _Encoded:
    """A prompt that can be run."""

    def __init__(self, prompt: Prompt, content: str | Chat, tokens: Sequence[Token]) -> None:
        self.prompt, self.content, self.tokens = prompt, content, tokens
        self.ids: Int[Tensor, "position"] = torch.tensor([t.id for t in tokens])


class Packer:
    """Analyses prompts, several in a pass, with the same results as alone."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self.anatomy = model.anatomy
        self.packs = can_pack(model.model, model.anatomy)
        self._checked = False
        self._most = _TOKENS_ON_CPU if model.input_device.type == "cpu" else _TOKENS

    def analyze(
        self, prompts: Sequence[Prompt], special_tokens: SpecialTokens, watch: Watch
    ) -> Iterator[tuple[Prompt, Answer]]:
        """Each prompt with its analysis, or with its error. Raises `Cancelled`."""
        together: list[_Encoded] = []
        for prompt in prompts:
            try:
                content = prompt.content()
                with guard(self._model, watch):
                    one = _Encoded(prompt, content, tokens_of(self._model, content, special_tokens))
            except STOPS:
                raise
            except BaseException as error:
                # also the panic of a tokenizer
                yield prompt, error
                continue
            if together and sum(len(e.tokens) for e in together) + len(one.tokens) > self._most:
                yield from self._run(together, watch)
                together = []
            together.append(one)
        yield from self._run(together, watch)

    def _run(self, together: Sequence[_Encoded], watch: Watch) -> Iterator[tuple[Prompt, Answer]]:
        started = time.perf_counter()
        traces = self._record_packed(together, watch) if self.packs and len(together) > 1 else None
        a_token = (time.perf_counter() - started) / max(1, sum(len(e.tokens) for e in together))
        for place, one in enumerate(together):
            try:
                # a NaN in one prompt spreads to all that share its pass: a weight of 0 times NaN is NaN
                with guard(self._model, watch):
                    if traces is None or not is_finite(traces[place].layers[-1].post):
                        trace, seconds = self._alone(one, watch)
                    else:
                        trace, seconds = traces[place], a_token * len(one.tokens)
                answer = analysis_of(self._model, one.content, one.tokens, trace, seconds, watch=watch)
            except STOPS:
                raise
            except BaseException as error:
                yield one.prompt, error
                continue
            yield one.prompt, answer

    @guarded
    def _alone(self, one: _Encoded, watch: Watch) -> tuple[Trace, float]:
        started = time.perf_counter()
        with memory_told(self._model, len(one.tokens)):
            trace = record(self._model.model, self._model.anatomy, one.ids, watch)
        return trace, time.perf_counter() - started

    @guarded
    def _record_packed(self, together: Sequence[_Encoded], watch: Watch) -> list[Trace] | None:
        try:
            with memory_told(self._model, sum(len(e.tokens) for e in together)):
                traces = record_packed(self._model.model, self._model.anatomy, [e.ids for e in together], watch)
            if traces is not None and not self._checked:
                self._checked = True
                # the last prompt, which is furthest from its position alone
                traces = traces if self._same(traces[-1], self._alone(together[-1], watch)[0]) else None
            self.packs = traces is not None
            return traces
        except STOPS:
            raise
        except BaseException as error:
            # one by one, each reports its own error; memory may suffice for the next ones
            self.packs = isinstance(error, TransparencyError) and error.kind == "outOfMemory"
            return None

    def _same(self, packed: Trace, alone: Trace) -> bool:
        given, wanted = packed.layers[-1].post.float(), alone.layers[-1].post.float()
        most = _ROUNDING.get(alone.layers[-1].post.dtype, 0.0)
        return bool((given - wanted).norm() <= most * wanted.norm())
