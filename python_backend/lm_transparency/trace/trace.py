"""The record of one forward pass: enough to recompute every part, without storing any attention map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..ambient import pinned
from ..errors import TransparencyError
from ..model.anatomy import Anatomy

#: Positions of a prompt: a slice, or each by its number.
Positions: TypeAlias = slice | Tensor
EVERYWHERE = slice(None)


def position_of(position: int, n_tokens: int) -> int:
    """A position of the prompt, counted from its beginning or, where negative, from its end.

    Raises `TransparencyError("invalidPosition")` out of range.
    """
    if not -n_tokens <= position < n_tokens:
        raise TransparencyError(
            "invalidPosition",
            f"Position {position} is out of range: the prompt has {n_tokens} tokens.",
            f"Choose 0 to {n_tokens - 1}, or -1 for the last.",
        )
    return position % n_tokens


def as_float32(states: Tensor) -> Tensor:
    """`states.float()` without a torch call for float32: each call would hand Python to another layer's thread."""
    return states if states.dtype == torch.float32 else states.float()


@lru_cache(maxsize=1)
@pinned()
def _causal(queries: tuple[int, int], n_keys: int, device: torch.device) -> Float[Tensor, "1 query key"]:
    """The causal mask of a run of queries, added to scores: 0 where a query may look, else −inf."""
    first, stop = queries
    return torch.full((1, stop - first, n_keys), float("-inf"), dtype=torch.float32, device=device).triu_(first + 1)


@dataclass(frozen=True)
class AttentionRecord:
    """The inputs of one attention block: enough to recompute its probabilities.

    `mask` is what transformers built: None (causal), bool (True: may look) or additive. `sinks`: a score per head that
    takes its share of every row and stands for no key (gpt-oss). `softcap`: scores are cap · tanh(score / cap).
    """

    query: Float[Tensor, "head query d_head"]
    key: Float[Tensor, "kv_head key d_head"]
    value: Float[Tensor, "kv_head key d_value"]
    mask: Float[Tensor, "#head query key"] | Bool[Tensor, "#head query key"] | None
    scaling: float
    sinks: Float[Tensor, "head"] | None = None
    softcap: float | None = None

    def probabilities(
        self, heads: slice = EVERYWHERE, queries: Positions = EVERYWHERE, *, n_keys: int | None = None
    ) -> Float[Tensor, "head query key"]:
        """Attention probabilities α, float32; 0 above the diagonal. A row sums to 1, or to less where there are sinks.

        `n_keys`: leave out the keys after these, where no query looks that far.
        """
        scores = self.scores(heads, queries, n_keys=n_keys)
        if self.sinks is None:
            return scores.softmax(dim=-1)
        sinks = self.sinks[heads].float()[:, None, None].expand(*scores.shape[:2], 1)
        return torch.cat([scores, sinks], dim=-1).softmax(dim=-1)[..., :-1]

    def scores(
        self, heads: slice = EVERYWHERE, queries: Positions = EVERYWHERE, *, n_keys: int | None = None
    ) -> Float[Tensor, "head query key"]:
        """The input of the softmax, float32: scaled q·k with the mask, −inf where a query may not look."""
        everything = heads is EVERYWHERE and queries is EVERYWHERE
        query = as_float32(self.query if everything else self.query[heads, queries])
        key = as_float32(self.key if n_keys is None or n_keys == self.key.shape[1] else self.key[:, :n_keys])
        group = self.query.shape[0] // self.key.shape[0]
        if heads == slice(None):
            # the query heads of one key-value head (GQA) are one matrix product
            grouped = query.reshape(self.key.shape[0], -1, query.shape[-1])
            scores = (grouped @ key.transpose(-1, -2)).reshape(*query.shape[:2], -1)
        else:
            own = torch.arange(self.query.shape[0], device=key.device)[heads] // group
            scores = query @ key[own].transpose(-1, -2)
        mask = self._added(heads, queries, key.shape[1])
        if self.softcap is not None:
            return (scores * (self.scaling / self.softcap)).tanh_().mul_(self.softcap).add_(mask)
        # scaled and masked in one pass
        return torch.add(mask, scores, alpha=self.scaling, out=scores)

    def _added(self, heads: slice, queries: Positions, n_keys: int) -> Float[Tensor, "#head query key"]:
        """The mask as added to scores."""
        if self.mask is None:
            if isinstance(queries, slice):
                return _causal(queries.indices(self.query.shape[1])[:2], n_keys, self.key.device)
            ahead = torch.arange(n_keys, device=self.key.device) > queries[:, None]
            return torch.zeros(ahead.shape, device=ahead.device).masked_fill_(ahead, float("-inf"))[None]
        mask = (self.mask if self.mask.shape[0] == 1 else self.mask[heads])[..., queries, :n_keys]
        if mask.dtype == torch.bool:
            return torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, float("-inf"))
        return mask.float()

    def tensors(self) -> list[Tensor]:
        """The tensors that the record holds."""
        return [self.query, self.key, self.value]

    def values(self) -> Float[Tensor, "head key d_value"]:
        """The value each query head reads, float32; key-value heads repeated for their query heads (GQA)."""
        values, group = as_float32(self.value), self.query.shape[0] // self.value.shape[0]
        return values if group == 1 else values.repeat_interleave(group, dim=0)

    def values_at(self, key: int) -> Float[Tensor, "head d_value"]:
        """`values` at one key position."""
        return self.value[:, key].float().repeat_interleave(self.query.shape[0] // self.value.shape[0], dim=0)

    def values_of(self, head: int) -> Float[Tensor, "key d_value"]:
        """`values` of one query head."""
        return self.value[head * self.value.shape[0] // self.query.shape[0]].float()


@dataclass(frozen=True)
class HeadGate:
    """The factor of Σ_s α · v of a head, channel by channel, before W_O.

    An output gate, an RMSNorm with its scale frozen at the run's value, or both. `scale`: the factor that all channels
    of a head share. `channels`: the rest, with one row where it is the same for every query.
    """

    scale: Float[Tensor, "query head"]
    channels: Float[Tensor, "#query head d_value"]

    @property
    def by_query(self) -> bool:
        """Whether a head's output from a key depends on the query by more than a factor."""
        return self.channels.shape[0] > 1

    def at(self, query: int) -> Float[Tensor, "head d_value"]:
        """`channels` at one query."""
        return self.channels[query if self.by_query else 0]


@dataclass(frozen=True)
class LayerRecord:
    """The residual stream around one decoder block, in the model's own precision.

    `pre` enters the block, `mid` is the residual after attention (in a parallel block the same tensor as `pre`), `ffn`
    is what the feed-forward block adds, `post` leaves the block. `heads`: None where the block has no attention.
    `attention_scale`, `ffn_scale`: the run's scale s_t of a norm between sublayer and stream (`model.norms`), None
    where there is none. `mixer`: what linear attention or a state space adds, or None. `gate`: the step between the
    heads and W_O. `carried`, `carried_mid`: what enters the sum in place of `pre` and `mid`, where that is not the
    state itself. `activation`: of the neurons, kept only where `Block.ffn` is their output layer alone and cannot
    compute them again (OPT, BLOOM, MPT).
    """

    pre: Float[Tensor, "position d_model"]
    mid: Float[Tensor, "position d_model"]
    ffn: Float[Tensor, "position d_model"]
    post: Float[Tensor, "position d_model"]
    heads: AttentionRecord | None
    attention_scale: Float[Tensor, "position"] | None = None
    ffn_scale: Float[Tensor, "position"] | None = None
    mixer: Float[Tensor, "position d_model"] | None = None
    gate: HeadGate | None = None
    carried: Float[Tensor, "position d_model"] | None = None
    carried_mid: Float[Tensor, "position d_model"] | None = None
    activation: Float[Tensor, "position neuron"] | None = None

    @property
    def attention(self) -> AttentionRecord:
        """Raises `TransparencyError` where the block has no attention."""
        if self.heads is None:
            raise TransparencyError("invalidParams", "This layer has no attention heads.", "Choose another layer.")
        return self.heads

    def weights(
        self, heads: slice = EVERYWHERE, queries: Positions = EVERYWHERE, *, n_keys: int | None = None
    ) -> Float[Tensor, "head query key"]:
        """The factor of v · W_O (`Block.w_o`) in a part: α times the scales of the gate and of the norm behind it."""
        probabilities = self.attention.probabilities(heads, queries, n_keys=n_keys)
        return self.weigh(probabilities, heads, queries)

    def weigh(
        self,
        probabilities: Float[Tensor, "head query key"],
        heads: slice = EVERYWHERE,
        queries: Positions = EVERYWHERE,
    ) -> Float[Tensor, "head query key"]:
        """`weights` from known probabilities."""
        if self.gate is not None:
            probabilities = probabilities * self.gate.scale[queries, heads].T[..., None]
        if self.attention_scale is not None:
            probabilities = probabilities * self.attention_scale[queries][None, :, None]
        return probabilities

    def read_from(self, key: int, query: int) -> Float[Tensor, "head d_value"]:
        """What `query` reads from `key` through each head at weight 1: the value, gated."""
        values = self.attention.values_at(key)
        return values if self.gate is None else values * self.gate.at(query)

    def read_by(self, head: int, query: int) -> Float[Tensor, "key d_value"]:
        """What `query` reads from each key through `head` at weight 1."""
        values = self.attention.values_of(head)
        return values if self.gate is None else values * self.gate.at(query)[head]


@dataclass(frozen=True)
class Trace:
    """One recorded forward pass over one prompt. `layers[0].pre` is the token embedding (with learned positions).

    `logits`: over the vocabulary, or over a classifier's labels as they would be if the text ended at a position.
    `pooled`: the position that a classifier reads, else None. `unread`: the unembedding's input at every position,
    where `logits` are of the last position only (`outputs.read_all`).
    """

    anatomy: Anatomy
    token_ids: Int[Tensor, "position"]
    layers: tuple[LayerRecord, ...]
    logits: Float[Tensor, "position output"]
    pooled: int | None = None
    unread: Float[Tensor, "position d_model"] | None = None

    @property
    def n_tokens(self) -> int:
        return int(self.token_ids.shape[0])

    @property
    def n_layers(self) -> int:
        return len(self.layers)

    @property
    def n_heads(self) -> int:
        return self.anatomy.n_heads

    @property
    def target(self) -> int:
        """The position of the model's answer: a classifier's pooled position, else the last."""
        return self.n_tokens - 1 if self.pooled is None else self.pooled

    def memory_bytes(self) -> int:
        """Bytes of the recorded tensors; a tensor shared by several records counts once."""
        held: dict[int, int] = {}
        tensors = [self.token_ids, self.logits] if self.unread is None else [self.token_ids, self.logits, self.unread]
        for layer in self.layers:
            tensors += [layer.pre, layer.mid, layer.ffn, layer.post]
            tensors += [x for x in (layer.mixer, layer.carried, layer.carried_mid, layer.activation) if x is not None]
            tensors += [] if layer.heads is None else layer.heads.tensors()
            tensors += [] if layer.gate is None else [layer.gate.scale, layer.gate.channels]
        for tensor in tensors:
            storage = tensor.untyped_storage()
            held[storage.data_ptr()] = storage.nbytes()
        return sum(held.values())


def check_heads(trace: Trace, layer: int) -> None:
    """Raises `TransparencyError("invalidParams")` if the layer has no attention."""
    blocks = trace.anatomy.blocks
    if blocks[layer].has_attention:
        return
    mixer = blocks[layer].mixer
    others = ", ".join(str(i) for i, block in enumerate(blocks) if block.has_attention)
    instead = (
        "."
        if mixer is None
        else f": it has {type(mixer.module).__name__} instead, linear attention or a state-space mixer, which counts "
        "as one part per position."
    )
    raise TransparencyError(
        "invalidParams", f"Layer {layer} has no attention heads{instead}", f"Layers with heads: {others}."
    )
