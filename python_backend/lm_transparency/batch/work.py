"""Prompts in, records out: the work of one worker, in this process or on another machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ..ambient import guard
from ..analysis.result import Analysis
from ..errors import STOPS, TransparencyError
from ..model.loading import LoadedModel
from ..model.options import COMPARED_THRESHOLD, ModelChoice, SpecialTokens
from ..session.session import Session
from ..watch import Watch
from .packing import Packer
from .prompts import Prompt
from .records import Record, failure_of, record_of, with_effects


@dataclass(frozen=True)
class Choices:
    """Everything that the records of a run depend on besides the prompts. `threshold` None: chosen for each prompt."""

    model: ModelChoice = field(default_factory=ModelChoice)
    threshold: float | None = COMPARED_THRESHOLD
    renormalize: bool = True
    position: int | None = None
    top_k: int = 10
    special_tokens: SpecialTokens = "auto"
    #: whether effects on the predicted token are measured
    effects: bool = False
    #: the fingerprint of the model's files, empty where they are not on this machine
    model_files: str = ""

    def said(self) -> dict[str, Any]:
        """The choices that must be the same where an output is continued; device and download do not matter."""
        model = self.model
        named = {"model": model.source, "dtype": model.dtype, "quantization": model.quantization, "base": model.base}
        # outputs of before there were effects can be continued
        free = ("model", "model_files", *(() if self.effects else ("effects",)))
        return named | {field.name: getattr(self, field.name) for field in fields(self) if field.name not in free}


class Worker:
    """Holds the model of `choices`, loaded when first needed, and analyses prompts with it."""

    def __init__(self, choices: Choices, model: LoadedModel | None = None, watch: Watch | None = None) -> None:
        self.choices = choices
        self._packer = None if model is None else Packer(model)
        self._watch = watch or Watch()

    def load(self) -> Packer:
        """Raises `TransparencyError` as `load_model`."""
        if self._packer is None:
            choice = self.choices.model
            model = Session().load(choice.source, **choice.options(), watch=self._watch)
            self._packer = Packer(model)
        return self._packer

    def analyze(self, prompts: Sequence[Prompt]) -> Iterator[Record]:
        """One record per prompt; a problem with one prompt is in its record. Raises `Cancelled`."""
        answers = self.load().analyze(prompts, self.choices.special_tokens, self._watch)
        for prompt, answer in answers:
            try:
                yield self._record(prompt, answer)
            except STOPS:
                raise
            except BaseException as error:
                # the other prompts must not wait for a fault that one of them exposes
                yield failure_of(prompt, error, self.choices.model_files)

    def _record(self, prompt: Prompt, answer: Analysis | BaseException) -> Record:
        if isinstance(answer, BaseException):
            raise answer
        if not answer.proof.holds:
            raise TransparencyError("modelUnsupported", answer.proof.sentence())
        c = self.choices
        with guard(answer):
            graph = answer.routes(c.position, c.threshold, renormalize=c.renormalize)
            record = record_of(prompt, answer, graph, c.top_k, c.model_files)
            return with_effects(record, answer, graph, self._watch) if c.effects else record
