"""Check that token ids have a row in the model's embedding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import TransparencyError


def embedding_rows(model: Any) -> int:
    """Rows of a model's embedding: valid token ids are below this number."""
    embedding = model.get_input_embeddings()
    rows = getattr(embedding, "num_embeddings", None)
    return int(embedding.weight.shape[0] if rows is None else rows)


def check_token_ids(ids: Iterable[int], n_rows: int) -> None:
    """Raise `TransparencyError("modelUnusable")` for an id without a row: on a GPU it would end the process."""
    for token_id in ids:
        if not 0 <= token_id < n_rows:
            raise TransparencyError(
                "modelUnusable",
                f"The tokenizer gives the token id {token_id}, and the model's embedding has {n_rows} rows: "
                "tokenizer and weights do not belong together.",
                "Use the tokenizer that the model was trained with; tokens that were added to it need rows of their "
                "own (resize_token_embeddings in transformers).",
            )


def ids_without_a_row(tokenizer: Any, n_rows: int) -> list[int]:
    """Ids that the tokenizer may give and that have no row, in order."""
    return sorted(int(token_id) for token_id in set(tokenizer.get_vocab().values()) if not 0 <= token_id < n_rows)
