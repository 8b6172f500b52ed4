"""Vocabulary entries with their texts, and the checks that every question shares."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..ambient import guarded
from ..analysis.result import Analysis
from ..errors import TransparencyError, out_of_range
from ..lens.projection import Lens, TopTokens
from ..model.naming import Meant, entry_named, number_named
from ..protocol.inspection import TokenScore, Update
from ..trace.finite import is_finite, overflow
from ..trace.trace import position_of
from ..wording import listed, quoted


def lens_of(analysis: Analysis, vectors: list[Tensor], normalize: bool) -> list[Tensor]:
    """The logits [vocabulary] of each vector [d_model]; the unembedding is read once for all."""
    rows = torch.stack([vector.float() for vector in vectors])
    return list(Lens(analysis.trace.anatomy).logits(rows, normalize=normalize))


def update_tokens(analysis: Analysis, logits: Tensor, k: int) -> Update:
    """The k vocabulary entries that an update with these `logits` raises most, and the k that it lowers most."""
    raised, lowered = Lens.top(logits, k), Lens.top(logits, k, largest=False)
    return Update(update_scores(analysis, raised), update_scores(analysis, lowered))


def update_scores(analysis: Analysis, tokens: TopTokens) -> tuple[TokenScore, ...]:
    """Entries without probabilities: a softmax of an update has no meaning."""
    check_finite(analysis, tokens.logits)
    rows = zip(tokens.ids.tolist(), tokens.logits.tolist(), strict=True)
    return tuple(TokenScore(i, analysis.model.output_text(i), logit) for i, logit in rows)


def state_scores(analysis: Analysis, tokens: TopTokens, gained: list[int] | None = None) -> tuple[TokenScore, ...]:
    """Entries with probabilities. `gained`: ranks gained since the previous node; None where there is none."""
    check_finite(analysis, tokens.logits)
    gains: Sequence[int | None] = [None] * len(tokens.ids) if gained is None else gained
    rows = zip(tokens.ids.tolist(), tokens.logits.tolist(), tokens.probabilities.tolist(), gains, strict=True)
    return tuple(TokenScore(i, analysis.model.output_text(i), logit, p, gain) for i, logit, p, gain in rows)


def place_of(analysis: Analysis, layer: int, query: int, key: int = 0, head: int = 0) -> tuple[int, int]:
    """Query and key as positions from the start; negative ones count from the prompt's end.

    Raises `TransparencyError` for an index out of range.
    """
    trace = analysis.trace
    for what, index, count in (("layer", layer, trace.n_layers), ("head", head, trace.n_heads)):
        if not 0 <= index < count:
            raise out_of_range(what, index, count)
    query, key = position_of(query, trace.n_tokens), position_of(key, trace.n_tokens)
    if key > query:
        raise out_of_range("key position", key, query + 1)
    return query, key


def check_token(analysis: Analysis, token: int) -> None:
    if not 0 <= token < analysis.trace.anatomy.n_outputs:
        raise out_of_range("token", token, analysis.trace.anatomy.n_outputs)


def check_finite(analysis: Analysis, read: Tensor) -> None:
    if not is_finite(read):
        raise overflow(analysis.model.dtype, "What the lens reads")


@guarded
def output_meant(analysis: Analysis, text: str) -> Meant:
    """The token that prints as `text` or has the number `#n` (`model.naming`), or a classifier's label, named alike.

    Raises `TransparencyError("invalidParams")`; for a text of several tokens it shows how the text splits.
    """
    model = analysis.model
    labels = model.anatomy.readout.labels
    if not labels:
        return entry_named(model.tokenizer, text, analysis.trace.anatomy.n_outputs, model.name)
    if text in labels:
        return Meant(labels.index(text))
    if (number := number_named(text)) is not None and number < len(labels):
        return Meant(number)
    raise TransparencyError("invalidParams", f"There is no label {quoted(text)}.", f"Labels are {listed(labels, 20)}.")
