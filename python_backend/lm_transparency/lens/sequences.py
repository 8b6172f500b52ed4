"""The sequences that a lens is fitted on: pieces of texts, or what the model itself says.

Sequence number i is the same in every run, so that a fit may stop, go on, and be divided over machines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import PreTrainedModel

from ..errors import TransparencyError, is_out_of_memory
from ..model.linear import device_of
from ..model.tokens import encode

#: What sampled sequences begin with: one to three words that say little.
_STARTS = (
    "The",
    "In the",
    "A",
    "When",
    "It is",
    "She",
    "He said",
    "There are many",
    "How",
    "We",
    "For example",
    "This",
    "If you",
    "One day",
    "According to",
    "What is",
)


def sampled(
    model: PreTrainedModel, tokenizer: Any, numbers: Sequence[int], n_tokens: int, *, seed: int = 0
) -> Int[Tensor, "sequence position"]:
    """Sequences sampled from the model (temperature 1, top-p 0.95), `n_tokens` long with their starts.

    torch's own random state stays as it is.
    """
    place = device_of(model.get_input_embeddings())
    rows: list[Tensor] = []
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []), torch.no_grad():
        for number in numbers:
            torch.manual_seed(seed * 1_000_003 + number)
            start = [token.id for token in encode(tokenizer, _STARTS[number % len(_STARTS)], "auto")]
            rows.append(_continued(model, torch.tensor([start[:n_tokens]], device=place), n_tokens))
    return torch.stack(rows)


def _continued(model: PreTrainedModel, start: Int[Tensor, "1 token"], n_tokens: int) -> Int[Tensor, "position"]:
    if start.shape[1] == n_tokens:
        return start[0].cpu()
    try:
        found: Any = model.generate(  # pyright: ignore[reportCallIssue]  # declared by a mixin
            start,
            attention_mask=torch.ones_like(start),
            do_sample=True,
            temperature=1.0,
            top_p=0.95,
            top_k=0,
            repetition_penalty=1.0,
            # an end would leave nothing to read
            min_length=n_tokens,
            max_length=n_tokens,
            pad_token_id=0,
        )
    # the generation of a model is its own code, and its configuration's
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise TransparencyError(
            "modelUnsupported", f"{type(model).__name__} cannot be sampled from.", "Fit its lens on texts."
        ) from error
    return found[0, :n_tokens].cpu()


def pieces(tokenizer: Any, texts: Iterable[str], n_tokens: int) -> Int[Tensor, "sequence position"]:
    """Texts, cut into pieces of `n_tokens`; what is left at the end of a text is left out.

    Raises `TransparencyError("invalidParams")` where no text is long enough.
    """
    rows: list[list[int]] = []
    for text in texts:
        ids = [token.id for token in encode(tokenizer, text, "auto")]
        rows += [ids[i : i + n_tokens] for i in range(0, len(ids) - n_tokens + 1, n_tokens)]
    if not rows:
        raise TransparencyError(
            "invalidParams", f"No text has {n_tokens} tokens.", "Use longer texts, or shorter sequences."
        )
    return torch.tensor(rows)
