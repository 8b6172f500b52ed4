"""The sequences that a lens is fitted on: pieces of texts, or what the model itself says.

Sequence number i is the same in every run, so that a fit may stop, go on, and be divided over machines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel

from ..errors import STOPS, TransparencyError, is_out_of_memory
from ..model.linear import device_of
from ..model.tokens import encode

_TOP_P = 0.95
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
    model: PreTrainedModel,
    tokenizer: Any,
    numbers: Sequence[int],
    n_tokens: int,
    *,
    seed: int = 0,
    pause: Callable[[int], None] = lambda _n: None,
) -> Int[Tensor, "sequence position"]:
    """Sequences sampled from the model (temperature 1, top-p 0.95), `n_tokens` long with their starts, in one batch.

    `pause` is called after each pass with the tokens that are there: nothing is in the model then.
    """
    texts = [_STARTS[number % len(_STARTS)] for number in numbers]
    starts = [[token.id for token in encode(tokenizer, text, "auto")][:n_tokens] for text in texts]
    draw = _Draw(starts, [torch.Generator().manual_seed(seed * 1_000_003 + number) for number in numbers], pause)
    first = torch.tensor([start[:1] for start in starts], device=device_of(model.get_input_embeddings()))
    try:
        found: Any = model.generate(  # pyright: ignore[reportCallIssue]  # declared by a mixin
            first,
            attention_mask=torch.ones_like(first),
            # the choice is made by `_Draw`
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            repetition_penalty=1.0,
            # an end would leave nothing to read
            min_length=n_tokens,
            max_length=n_tokens,
            pad_token_id=0,
            logits_processor=LogitsProcessorList([draw]),
        )
    # the generation of a model is its own code, and its configuration's
    except Exception as error:
        if isinstance(error, STOPS) or is_out_of_memory(error):
            raise
        raise TransparencyError(
            "modelUnsupported", f"{type(model).__name__} cannot be sampled from.", "Fit its lens on texts."
        ) from error
    return found[:, :n_tokens].cpu()


class _Draw(LogitsProcessor):
    """Leaves one token to each sequence: that of its start, then what its own generator draws."""

    def __init__(
        self, starts: list[list[int]], generators: list[torch.Generator], pause: Callable[[int], None]
    ) -> None:
        self._starts = starts
        self._pause = pause
        self._generators = generators

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        n = input_ids.shape[1]
        self._pause(n)
        left = torch.full_like(scores, -torch.inf)
        for row, (start, generator) in enumerate(zip(self._starts, self._generators, strict=True)):
            left[row, start[n] if n < len(start) else _drawn(scores[row], generator)] = 0
        return left


def _drawn(logits: Float[Tensor, "vocabulary"], generator: torch.Generator) -> int:
    shares = logits.float().softmax(dim=-1).cpu()
    while True:
        token = int(torch.multinomial(shares, 1, generator=generator))
        # tokens that are likelier leave room for it: one that is drawn again and again costs less than sorting all
        if float(shares[shares > shares[token]].sum()) < _TOP_P:
            return token


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
