"""Vocabulary entries with their texts, and the checks that every question shares."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..analysis import Analysis
from ..errors import TransparencyError
from ..lens.projection import Lens, TopTokens
from ..model.tokens import vocabulary_text


@dataclass(frozen=True)
class TokenScore:
    """A vocabulary entry under the logit lens. Of an update `probability` and `rank_change` are 0."""

    id: int
    text: str
    logit: float
    probability: float = 0.0
    rank_change: int = 0


@dataclass(frozen=True)
class Update:
    """What a vector that is added to the residual stream raises and lowers most, strongest first."""

    promoted: tuple[TokenScore, ...]
    suppressed: tuple[TokenScore, ...]


def update_tokens(analysis: Analysis, vector: Tensor, k: int, normalize: bool) -> Update:
    lens = Lens(analysis.trace.anatomy)
    logits = lens.logits(vector, normalize=normalize)
    return Update(
        update_scores(analysis, lens.top(logits, k)), update_scores(analysis, lens.top(logits, k, largest=False))
    )


def update_scores(analysis: Analysis, tokens: TopTokens) -> tuple[TokenScore, ...]:
    """Of an update a softmax says nothing: probabilities are left out."""
    _check_finite(analysis, tokens)
    rows = zip(tokens.ids.tolist(), tokens.logits.tolist(), strict=True)
    return tuple(TokenScore(i, vocabulary_text(analysis.model.tokenizer, i), logit) for i, logit in rows)


def state_scores(analysis: Analysis, tokens: TopTokens, gained: list[int]) -> tuple[TokenScore, ...]:
    _check_finite(analysis, tokens)
    rows = zip(tokens.ids.tolist(), tokens.logits.tolist(), tokens.probabilities.tolist(), gained, strict=False)
    return tuple(TokenScore(i, vocabulary_text(analysis.model.tokenizer, i), *rest) for i, *rest in rows)


def check_place(analysis: Analysis, layer: int, query: int, key: int, head: int = 0) -> None:
    trace = analysis.trace
    for what, index, count in (
        ("layer", layer, trace.n_layers),
        ("head", head, trace.n_heads),
        ("query position", query, trace.n_tokens),
        ("key position", key, query + 1),
    ):
        if not 0 <= index < count:
            raise out_of_range(what, index, count)


def check_token(analysis: Analysis, token: int) -> None:
    if not 0 <= token < analysis.trace.anatomy.n_vocab:
        raise out_of_range("token", token, analysis.trace.anatomy.n_vocab)


def out_of_range(what: str, index: int, count: int) -> TransparencyError:
    return TransparencyError("invalidParams", f"There is no {what} {index}.", f"Choose 0 to {count - 1}.")


def _check_finite(analysis: Analysis, tokens: TopTokens) -> None:
    if not bool(torch.isfinite(tokens.logits).all()):
        raise TransparencyError(
            "modelUnsupported",
            f"The lens overflows in {analysis.model.dtype}.",
            "Load the model in float32 or bfloat16.",
        )
