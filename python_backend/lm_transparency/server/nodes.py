"""What one node says, as a message."""

from __future__ import annotations

from typing import Any

import torch

from ..analysis import Analysis
from ..errors import TransparencyError
from ..lens.nodes import NodeTokens
from ..lens.projection import TopTokens
from ..model.tokens import vocabulary_text
from ..routes.graph import parse_node
from .protocol.inspection import NodeKind, NodeTokensResult, TokenScore

_KINDS: dict[str, NodeKind] = {"X": "embedding", "A": "attention", "M": "ffn", "I": "residual"}


def node_tokens_result(node: str, found: NodeTokens, run: Analysis) -> NodeTokensResult:
    """Raises `TransparencyError("modelUnsupported")` where the lens of this node is not finite."""
    at = parse_node(node)
    parts = [part for part in (found.top, found.promoted, found.suppressed) if part is not None]
    if not all(bool(torch.isfinite(part.logits).all()) for part in parts):
        raise TransparencyError(
            "modelUnsupported",
            f"The lens of {at} overflows in {run.model.dtype}.",
            "Load the model in float32 or bfloat16.",
        )
    tokenizer = run.model.tokenizer
    top: list[TokenScore] = []
    if found.top is not None:
        gained = [0] * len(found.top.ids) if found.rank_change is None else found.rank_change.tolist()
        top = _scores(found.top, tokenizer, found.top.probabilities.tolist(), gained)
    return NodeTokensResult(
        node=str(at),
        kind=_KINDS[at.kind],
        layer=at.layer,
        position=at.position,
        top=top,
        promoted=_update(found.promoted, tokenizer),
        suppressed=_update(found.suppressed, tokenizer),
    )


def _update(tokens: TopTokens | None, tokenizer: Any) -> list[TokenScore]:
    if tokens is None:
        return []
    none = [0] * len(tokens.ids)
    return _scores(tokens, tokenizer, [0.0 for _ in none], none)


def _scores(tokens: TopTokens, tokenizer: Any, probabilities: list[float], gained: list[int]) -> list[TokenScore]:
    rows = zip(tokens.ids.tolist(), tokens.logits.tolist(), probabilities, gained, strict=True)
    return [TokenScore(i, vocabulary_text(tokenizer, i), logit, p, change) for i, logit, p, change in rows]
