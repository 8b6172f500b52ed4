"""What one forward pass leaves behind: enough to recompute every part, and no attention map of any head."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..model.anatomy import Anatomy


@lru_cache(maxsize=1)
def _causal(n_query: int, n_key: int, device: torch.device) -> Bool[Tensor, "query key"]:
    return torch.ones(n_query, n_key, dtype=torch.bool, device=device).tril_()


@dataclass(frozen=True)
class AttentionRecord:
    """What one attention block was given: enough to recompute its probabilities.

    `mask` is what transformers built: None (causal), bool (True: may look) or additive. `sinks`: a score a head that
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
        self, heads: slice = slice(None), queries: slice = slice(None)
    ) -> Float[Tensor, "head query key"]:
        """Attention probabilities α, float32; 0 above the diagonal. A row sums to 1, to less where there are sinks."""
        scores = self.scores(heads, queries)
        if self.sinks is None:
            return scores.softmax(dim=-1)
        sinks = self.sinks[heads].float()[:, None, None].expand(*scores.shape[:2], 1)
        return torch.cat([scores, sinks], dim=-1).softmax(dim=-1)[..., :-1]

    def scores(self, heads: slice = slice(None), queries: slice = slice(None)) -> Float[Tensor, "head query key"]:
        """What the softmax is taken of, float32: scaled q·k with the mask, −inf where a query may not look."""
        query = self.query[heads, queries].float() * self.scaling
        key = self.key.float()
        group = self.query.shape[0] // self.key.shape[0]
        if heads == slice(None):
            # the query heads of one key-value head (GQA) are one matrix product
            grouped = query.reshape(self.key.shape[0], -1, query.shape[-1])
            scores = (grouped @ key.transpose(-1, -2)).reshape(*query.shape[:2], -1)
        else:
            own = torch.arange(self.query.shape[0], device=key.device)[heads] // group
            scores = query @ key[own].transpose(-1, -2)
        if self.softcap is not None:
            scores = self.softcap * (scores / self.softcap).tanh()
        mask = self.mask
        if mask is None:
            mask = _causal(self.query.shape[1], self.key.shape[1], scores.device)
        elif mask.shape[0] > 1:
            mask = mask[heads]
        mask = mask[..., queries, :]
        if mask.dtype == torch.bool:
            scores.masked_fill_(~mask, float("-inf"))
        else:
            scores += mask.float()
        return scores

    def tensors(self) -> list[Tensor]:
        """What is held."""
        return [self.query, self.key, self.value]

    def values(self) -> Float[Tensor, "head key d_value"]:
        """The value each query head reads, float32; key-value heads repeated for their query heads (GQA)."""
        return self.value.float().repeat_interleave(self.query.shape[0] // self.value.shape[0], dim=0)

    def values_at(self, key: int) -> Float[Tensor, "head d_value"]:
        """`values` at one key position."""
        return self.value[:, key].float().repeat_interleave(self.query.shape[0] // self.value.shape[0], dim=0)

    def values_of(self, head: int) -> Float[Tensor, "key d_value"]:
        """`values` of one query head."""
        return self.value[head * self.value.shape[0] // self.query.shape[0]].float()


@dataclass(frozen=True)
class LayerRecord:
    """The residual stream around one decoder block, in the model's own precision.

    `pre` enters the block, `mid` is the residual after attention (in a parallel block the same tensor as `pre`),
    `ffn` what the feed-forward block adds, `post` leaves the block. `attention_scale`, `ffn_scale`: the run's scale s_t
    of a norm between the sublayer and the stream (`model.norms`), None where there is none.
    """

    pre: Float[Tensor, "position d_model"]
    mid: Float[Tensor, "position d_model"]
    ffn: Float[Tensor, "position d_model"]
    post: Float[Tensor, "position d_model"]
    attention: AttentionRecord
    attention_scale: Float[Tensor, "position"] | None = None
    ffn_scale: Float[Tensor, "position"] | None = None

    def weights(self, heads: slice = slice(None), queries: slice = slice(None)) -> Float[Tensor, "head query key"]:
        """What v · W_O (`Block.w_o`) is multiplied by to be a part: α, and the norm's scale behind it."""
        probabilities = self.attention.probabilities(heads, queries)
        return self.weigh(probabilities, queries)

    def weigh(
        self, probabilities: Float[Tensor, "head query key"], queries: slice = slice(None)
    ) -> Float[Tensor, "head query key"]:
        """`weights` of probabilities that are known."""
        if self.attention_scale is None:
            return probabilities
        return probabilities * self.attention_scale[queries][None, :, None]


@dataclass(frozen=True)
class Trace:
    """One recorded forward pass over one prompt. `layers[0].pre` is the token embedding (with learned positions).

    `logits`: of the vocabulary's tokens, or of a classifier's labels, as they would be if the text ended at a position;
    `pooled` is the position that the classifier reads, None where the model is none.
    """

    anatomy: Anatomy
    token_ids: Int[Tensor, "position"]
    layers: tuple[LayerRecord, ...]
    logits: Float[Tensor, "position output"]
    pooled: int | None = None

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
        """The position that the model's answer comes from: a classifier's pooled one, else the last."""
        return self.n_tokens - 1 if self.pooled is None else self.pooled

    def memory_bytes(self) -> int:
        """What the recorded tensors hold; one that several records share is counted once."""
        held: dict[int, int] = {}
        tensors = [self.token_ids, self.logits]
        for layer in self.layers:
            tensors += [layer.pre, layer.mid, layer.ffn, layer.post]
            tensors += layer.attention.tensors()
        for tensor in tensors:
            storage = tensor.untyped_storage()
            held[storage.data_ptr()] = storage.nbytes()
        return sum(held.values())
