"""The logits of a run at every position, also of a classifier, which hands out those of one position."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..errors import TransparencyError
from ..model.anatomy import Anatomy
from ..model.linear import device_of


def run(
    model: PreTrainedModel,
    anatomy: Anatomy,
    token_ids: Int[Tensor, "position"],
    positions: Int[Tensor, "position"] | None = None,
) -> tuple[Float[Tensor, "position output"], int | None]:
    """Run `model` once: its logits at every position, and the position that a classifier reads (None: no classifier).

    Raises `TransparencyError("modelUnsupported")` for a classifier that does not read one position.
    """
    if not anatomy.readout.classifies:
        return _run(model, token_ids, positions)[0], None
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


def pooled_position(
    model: PreTrainedModel,
    token_ids: Int[Tensor, "position"],
    rows: Float[Tensor, "position label"],
    pooled: Float[Tensor, "label"],
) -> int:
    """The position whose logits the model handed out: by transformers' rule the last that is no padding.

    The rule is checked against the run, which is right where they differ. Raises `TransparencyError`.
    """
    # an overflow is for the analysis to tell of
    same = ((rows == pooled) | (rows.isnan() & pooled.isnan())).all(dim=-1).nonzero().flatten().tolist()
    if not same:
        raise _unreadable(model)
    padding = model.config.get_text_config().pad_token_id
    kept = [i for i, token in enumerate(token_ids.tolist()) if token != padding]
    wanted = kept[-1] if kept else 0
    return wanted if wanted in same else int(same[-1])


def _run(
    model: PreTrainedModel, token_ids: Int[Tensor, "position"], positions: Int[Tensor, "position"] | None = None
) -> Tensor:
    place = device_of(model.get_input_embeddings())
    given = {} if positions is None else {"position_ids": positions[None].to(place)}
    return model(input_ids=token_ids[None].to(place), use_cache=False, **given).logits


def _unreadable(model: PreTrainedModel) -> TransparencyError:
    return TransparencyError(
        "modelUnsupported",
        f"{type(model).__name__} does not read its labels from the state at one position.",
        "docs/models.md lists what is supported.",
    )
