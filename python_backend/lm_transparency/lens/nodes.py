"""The vocabulary view of one node: the lens of its state, and what the update into it promotes and suppresses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..errors import TransparencyError
from ..trace.trace import Trace
from .maps import LOGIT, LensMaps
from .projection import Lens, TopTokens


@dataclass(frozen=True)
class NodeTokens:
    """`top`: the lens of a state, None for an update. `rank_change`: ranks gained since the node before.

    `promoted`, `suppressed`: of the update that leads into the node; None for an embedding.
    """

    top: TopTokens | None
    rank_change: Int[Tensor, "k"] | None
    promoted: TopTokens | None
    suppressed: TopTokens | None


def node_tokens(
    trace: Trace,
    kind: str,
    layer: int,
    position: int,
    *,
    top_k: int = 15,
    update_k: int | None = None,
    normalize: bool = True,
    maps: LensMaps = LOGIT,
) -> NodeTokens:
    """Read node `kind` ∈ {X, A, M, I} of `layer` at `position`: `top_k` tokens of a state, `update_k` of an update.

    The update into A is all that attention wrote (mid − pre). The update into I, and M itself, is what the feed-forward
    block wrote. In a parallel block I follows the previous I directly, and its update is the whole layer's. A state
    between two sublayers is read by its layer's map. Raises `TransparencyError("invalidParams")` for a node that this
    model does not have.
    """
    vectors = _vectors(trace, kind, layer, position, maps)
    lens = Lens(trace.anatomy)
    # one product with the unembedding for all of them
    rows = iter(lens.logits(torch.stack([v.float() for v in vectors if v is not None]), normalize=normalize))
    state, before, update = (None if vector is None else next(rows) for vector in vectors)
    top = change = promoted = suppressed = None
    if state is not None:
        top = lens.top(state, top_k, readout=trace.anatomy.readout)
        change = (
            torch.zeros_like(top.ids) if before is None else lens.ranks(before, top.ids) - lens.ranks(state, top.ids)
        )
    if update is not None:
        promoted = lens.top(update, update_k or top_k)
        suppressed = lens.top(update, update_k or top_k, largest=False)
    return NodeTokens(top, change, promoted, suppressed)


_Vector = Float[Tensor, "d_model"]


def _vectors(
    trace: Trace, kind: str, layer: int, position: int, maps: LensMaps
) -> tuple[_Vector | None, _Vector | None, _Vector | None]:
    """(state, state of the node before, update into the node), as the unembedding is to see them."""
    parallel = trace.anatomy.parallel
    if not (0 <= layer < trace.n_layers and 0 <= position < trace.n_tokens):
        raise TransparencyError(
            "invalidParams",
            f"There is no node {kind}{layer}_{position}: the model has {trace.n_layers} layers, "
            f"the prompt {trace.n_tokens} tokens.",
            "Choose another node.",
        )
    record = trace.layers[layer]
    pre, mid, ffn, post = (x[position] for x in (record.pre, record.mid, record.ffn, record.post))
    before, own, written = partial(maps.read, row=layer), partial(maps.read, row=layer + 1), maps.read_update
    if kind == "X" and layer == 0:
        return before(pre), None, None
    if kind == "A" and not parallel:
        return own(mid), before(pre), written(mid.float() - pre.float(), layer)
    if kind == "M":
        return None, None, written(ffn, layer)
    if kind == "I" and parallel:
        return own(post), before(pre), written(post.float() - pre.float(), layer)
    if kind == "I":
        return own(post), own(mid), written(ffn, layer)
    raise TransparencyError(
        "invalidParams", f"This model has no node {kind}{layer}_{position}.", "Choose another node."
    )
