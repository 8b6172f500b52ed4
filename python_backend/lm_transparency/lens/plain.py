"""The logit lens of any language model that returns its hidden states, whether or not it can be decomposed.

Only the model's outputs are used. The final norm is the module that made the last hidden state, unless a whole block
made it, and the lens of the last state must equal the model's own logits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..ambient import guard
from ..errors import TransparencyError
from ..model.linear import device_of
from ..model.token_ids import check_token_ids, embedding_rows
from ..trace.finite import is_finite, not_finite
from ..trace.trace import position_of
from .maps import LOGIT, LensMaps

#: How far the last row may differ from the model's logits, relative to the largest, by precision.
_ROUNDING = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}


def plain_lens(
    model: PreTrainedModel, token_ids: Int[Tensor, "position"], position: int = -1, maps: LensMaps = LOGIT
) -> Float[Tensor, "row vocabulary"]:
    """Logits read at `position`, float32: row 0 from the embedding, row l + 1 after layer l; the last row is the
    model's.

    `position`: negative from the end. Raises `TransparencyError`: `modelUnsupported` where the model's logits are not
    what its unembedding reads there, `modelUnusable` for damaged weights or a token id without a row in the
    embedding, `invalidPosition`.
    """
    position = position_of(position, len(token_ids))
    unembedding = _unembedding(model)
    with guard(unembedding):
        rows = list(_read(model, unembedding, token_ids, slice(position, position + 1), maps))
        return torch.cat(rows)


def plain_grid(
    model: PreTrainedModel, token_ids: Int[Tensor, "position"], first: int, top_k: int
) -> tuple[Int[Tensor, "row position k"], Float[Tensor, "row position k"]]:
    """The ids of the `top_k` most probable tokens and their probabilities, by rows as in `plain_lens`, at every
    position from `first` on. Raises as `plain_lens`.
    """
    unembedding = _unembedding(model)
    ids, shares = list[Tensor](), list[Tensor]()
    with guard(unembedding):
        # a row at a time: all rows at all positions of a large vocabulary may not fit
        for logits in _read(model, unembedding, token_ids, slice(first, None), LOGIT):
            top = logits.softmax(dim=-1).topk(min(top_k, logits.shape[-1]), dim=-1)
            ids.append(top.indices.cpu())
            shares.append(top.values.cpu())
    return torch.stack(ids), torch.stack(shares)


def _unembedding(model: PreTrainedModel) -> nn.Module:
    unembedding = model.get_output_embeddings()
    if unembedding is None:
        raise _unreadable(model, "it has no output embedding")
    return unembedding


def _read(
    model: PreTrainedModel,
    unembedding: nn.Module,
    token_ids: Int[Tensor, "position"],
    positions: slice,
    maps: LensMaps,
) -> Iterator[Float[Tensor, "position vocabulary"]]:
    """The logits of each row at `positions`, the embedding's first."""
    made: list[tuple[nn.Module, Tensor]] = []

    def keep(module: nn.Module, _args: Any, output: Any) -> None:
        state = output[0] if isinstance(output, tuple) else output
        if isinstance(state, Tensor) and state.is_floating_point() and state.dim() == 3:
            made.append((module, state))

    check_token_ids(token_ids.tolist(), embedding_rows(model))
    handles = [module.register_forward_hook(keep) for module in model.modules()]
    try:
        with torch.no_grad():
            ids = token_ids[None].to(device_of(model.get_input_embeddings()))
            out = model(input_ids=ids, use_cache=False, output_hidden_states=True)
    finally:
        for handle in handles:
            handle.remove()
    states = getattr(out, "hidden_states", None) or getattr(out, "decoder_hidden_states", None)
    if not states:
        raise _unreadable(model, "it hands out no hidden states")
    norm = _final_norm(model, made, states[-1])
    with torch.no_grad():
        final = len(states) - 1
        rows = [maps.read(state[0, positions], i).to(state) for i, state in enumerate(states[:final])]
        rows.append(states[final][0, positions])
        # the last state is already normalised
        read = rows if norm is None else [*(norm(row[None])[0] for row in rows[:-1]), rows[-1]]
        place = device_of(unembedding)

        def logits_of(row: Tensor) -> Tensor:
            return unembedding(row.to(place)).float()

        last, wanted = logits_of(read[-1]), out.logits[0, positions].float().to(place)
        if not (is_finite(wanted) and is_finite(last)):
            raise not_finite(model, "The logit lens")
        # a multiplier after the unembedding is the same for all rows
        scale = float((last * wanted).sum() / (last * last).sum())
        off = float((scale * last - wanted).abs().max() / wanted.abs().max())
        if not off <= _ROUNDING.get(model.dtype, 1e-4):
            raise _unreadable(model, "its logits are not what its unembedding reads from the last state")
        for row in read:
            logits = scale * logits_of(row)
            if not is_finite(logits):
                raise not_finite(model, "The logit lens")
            yield logits


def _final_norm(model: PreTrainedModel, made: list[tuple[nn.Module, Tensor]], last: Tensor) -> nn.Module | None:
    """The module that made the last hidden state from the state before it; None where a block of layers did, norm
    included.
    """
    blocks = {child for module in model.modules() if isinstance(module, nn.ModuleList) for child in module}
    makers = [module for module, state in made if state.shape == last.shape and torch.equal(state, last)]
    if any(module in blocks for module in makers):
        return None
    return next((module for module in makers if not any(True for _ in module.children())), None)


def _unreadable(model: PreTrainedModel, why: str) -> TransparencyError:
    return TransparencyError(
        "modelUnsupported", f"The layers of {type(model).__name__} cannot be read either: {why}.", "Try another model."
    )
