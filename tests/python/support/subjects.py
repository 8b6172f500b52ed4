"""Runs of ours, each with the same pass observed on the untouched model (`reference.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch

import prompts
from lm_transparency import Analysis, LoadedModel, analyze
from lm_transparency.model.embedded import model_directory
from reference import Run, plain_model, watch_any


@dataclass(frozen=True, eq=False)
class Subject:
    run: Analysis
    plain: Run

    @property
    def last(self) -> int:
        return len(self.run.tokens) - 1


#: Every architecture, the embedded model on two prompts.
SUBJECTS = ("embedded ioi", "embedded sum", "tiny_llama ioi", "tiny_gpt2 ioi", "tiny_mistral ioi")


def subject(request: pytest.FixtureRequest, name: str) -> Subject:
    """The subject `<model> <prompt>`, made once per session."""
    model, prompt = name.split()
    return _subject(request.getfixturevalue(model), prompts.BY_NAME[prompt])


@cache
def plain(folder: str, dtype: torch.dtype = torch.float32) -> Any:
    """transformers' own model, which our code never touches. Empty: the embedded model."""
    return plain_model(folder or model_directory(), dtype)


@cache
def _subject(model: LoadedModel, prompt: str) -> Subject:
    run = analyze(model, prompt, special_tokens="bos")
    untouched = plain(model.source, model.model.dtype)
    return Subject(run, watch_any(untouched, run.trace.token_ids.tolist()))
