"""The logits of a run at every position, also for a classifier, which returns those of one position."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import Cache, PreTrainedModel

from ..errors import TransparencyError
from ..model.anatomy import Anatomy
from ..model.linear import device_of
from .proof import TOLERANCES
from .trace import Trace


def run(
    model: PreTrainedModel,
    anatomy: Anatomy,
    token_ids: Int[Tensor, "position"],
    positions: Int[Tensor, "position"] | None = None,
    cache: Cache | None = None,
) -> tuple[Float[Tensor, "position output"], int | None]:
    """Run `model` once: its logits at every position, and the position that a classifier reads (None: no classifier).

    `cache`: the keys and values of the tokens before these.

    Raises `TransparencyError("modelUnsupported")` for a classifier that does not read one position.
    """
    if not anatomy.readout.classifies:
        return _run(model, token_ids, positions, cache)[0], None
    rows: list[Tensor] = []

    def keep(_module: nn.Module, _args: object, output: Tensor) -> None:
        rows.append(output.detach())

    handle = anatomy.unembedding.register_forward_hook(keep)
    try:
        pooled = _run(model, token_ids)[0]
    finally:
        handle.remove()
    if len(rows) != 1 or rows[0].shape[:2] != (1, len(token_ids)):
        raise _unreadable(model)
    return rows[0][0], pooled_position(model, token_ids, rows[0][0], pooled)


@contextmanager
def last_alone(anatomy: Anatomy, unread: list[Float[Tensor, "position d_model"]]) -> Generator[None]:
    """Give the unembedding the last position only, and put what it would have read into `unread`.

    A classifier reads one position anyway.
    """
    if anatomy.readout.classifies:
        yield
        return

    def cut(_module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        states = args[0]
        if states.dim() != 3:
            return None
        unread.append(states[0])
        return states[:, -1:], *args[1:]

    handle = anatomy.unembedding.register_forward_pre_hook(cut)
    try:
        yield
    finally:
        handle.remove()


def read_all(model: PreTrainedModel, trace: Trace) -> Trace:
    """`trace` with the logits of every position: what `record` returns without `only_last`."""
    if trace.unread is None:
        return trace
    with torch.no_grad():
        logits = _unembedded(trace, trace.unread)
        if logits is None:
            logits = _run(model, trace.token_ids)[0]
    return replace(trace, logits=logits, unread=None)


def logits_at(model: PreTrainedModel, trace: Trace, position: int) -> Float[Tensor, "output"]:
    """The logits at one position. What is computed for it is not kept."""
    if trace.unread is None:
        return trace.logits[position]
    with torch.no_grad():
        logits = _unembedded(trace, trace.unread[[position, -1]])
        return (_run(model, trace.token_ids)[0, position] if logits is None else logits[0]).clone()


def _unembedded(trace: Trace, states: Float[Tensor, "position d_model"]) -> Float[Tensor, "position output"] | None:
    """The logits of what the unembedding reads, the last position last; None where a model does more to its logits."""
    anatomy = trace.anatomy
    if anatomy.logit_scale != 1 or anatomy.logit_softcap is not None:
        return None
    logits = anatomy.unembedding(states)
    # anything else shows at the last position
    return logits if _same(logits[-1], trace.logits[-1]) else None


def _same(logits: Float[Tensor, "output"], recorded: Float[Tensor, "output"]) -> bool:
    if logits.shape != recorded.shape:
        return False
    off = (logits.float() - recorded.float()).abs().max()
    return bool(off <= TOLERANCES.get(recorded.dtype, 1e-4) * recorded.float().abs().max().clamp_min(1.0))


def pooled_position(
    model: PreTrainedModel,
    token_ids: Int[Tensor, "position"],
    rows: Float[Tensor, "position label"],
    pooled: Float[Tensor, "label"],
) -> int:
    """The position whose logits the model returned: by transformers' rule the last that is not padding.

    The rule is checked against the run, and the run wins where they differ. Raises `TransparencyError`.
    """
    # an overflow is reported by the analysis
    same = ((rows == pooled) | (rows.isnan() & pooled.isnan())).all(dim=-1).nonzero().flatten().tolist()
    if not same:
        raise _unreadable(model)
    padding = model.config.get_text_config().pad_token_id
    kept = [i for i, token in enumerate(token_ids.tolist()) if token != padding]
    wanted = kept[-1] if kept else 0
    return wanted if wanted in same else int(same[-1])


def _run(
    model: PreTrainedModel,
    token_ids: Int[Tensor, "position"],
    positions: Int[Tensor, "position"] | None = None,
    cache: Cache | None = None,
) -> Tensor:
    place = device_of(model.get_input_embeddings())
    given: dict[str, Any] = {} if positions is None else {"position_ids": positions[None].to(place)}
    if cache is not None:
        given["past_key_values"] = cache
    return model(input_ids=token_ids[None].to(place), use_cache=cache is not None, **given).logits


def _unreadable(model: PreTrainedModel) -> TransparencyError:
    return TransparencyError(
        "modelUnsupported",
        f"{type(model).__name__} does not read its labels from the state at one position.",
        "docs/models.md lists the supported families.",
    )
