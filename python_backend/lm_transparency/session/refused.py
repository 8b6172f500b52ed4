"""What can be asked of a model that cannot be decomposed: its logit lens, read from its outputs alone."""

from __future__ import annotations

import torch

from ..errors import TransparencyError
from ..lens.plain import plain_grid
from ..model.chat import Chat, encode_chat
from ..model.context import context_length
from ..model.loading import load_whole
from ..model.options import ModelChoice, SpecialTokens
from ..model.tokens import encode
from ..model.vocabulary import vocabulary_text
from ..protocol.analysis import PlainLensResult
from ..watch import Watch


def refused_lens(
    choice: ModelChoice,
    prompt: str | Chat,
    special_tokens: SpecialTokens,
    *,
    top_k: int,
    most: int,
    watch: Watch,
) -> PlainLensResult:
    """The lens at the last `most` positions of `prompt`. The model is loaded for this, and not kept.

    Raises `TransparencyError` as loading and `plain_grid` do, and `promptTooLong`; and `Cancelled`.
    """
    name, model, tokenizer = load_whole(choice, watch=watch)
    tokens = encode_chat(tokenizer, prompt) if isinstance(prompt, Chat) else encode(tokenizer, prompt, special_tokens)
    limit = context_length(model.config)
    if 0 < limit < len(tokens):
        raise TransparencyError(
            "promptTooLong", f"The prompt has {len(tokens):,} tokens; {name} reads at most {limit:,}.", "Shorten it."
        )
    watch.step(f"reading the layers of {name}")
    first = max(0, len(tokens) - most)
    ids, shares = plain_grid(model, torch.tensor([token.id for token in tokens]), first, top_k)
    texts = {i: vocabulary_text(tokenizer, i) for i in ids.unique().tolist()}
    return PlainLensResult(name, first, [token.text for token in tokens[first:]], texts, ids, shares)
