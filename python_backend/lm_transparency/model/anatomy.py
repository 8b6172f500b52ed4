"""Where the blocks, heads, W_O, feed-forward blocks, norms and unembedding are in a loaded model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..errors import TransparencyError
from .facts import (
    BLOCKS,
    DOWN_PROJECTIONS,
    KV_HEADS,
    LOGIT_DIVISORS,
    LOGIT_MULTIPLIERS,
    LOGIT_SOFTCAPS,
    OUTPUT_PROJECTIONS,
    RESIDUAL_MULTIPLIERS,
    TRUNKS,
    BlockFacts,
)
from .linear import bias_of, is_linear, like_input, precision_of, sizes, weight_in_out
from .norms import FrozenNorm, freeze


@dataclass(frozen=True)
class Sublayer:
    """What stands between a sublayer and the residual stream: a norm, if any, and a multiplier."""

    norm_module: nn.Module | None
    norm: FrozenNorm | None
    multiplier: float

    def linear(self, parts: Float[Tensor, "*part d_model"]) -> Float[Tensor, "*part d_model"]:
        """Parts of the sublayer's output as parts of what is added, but for the norm's scale s_t."""
        parts = parts if self.norm is None else self.norm.linear(parts)
        return parts if self.multiplier == 1 else parts * self.multiplier

    def bias(
        self, bias: Float[Tensor, "d_model"] | None, scale: Float[Tensor, "position"] | None, n_positions: int
    ) -> Float[Tensor, "position d_model"] | None:
        """What a bias of the sublayer, and the norm's own shift, add at every position; None where there is neither."""
        added = None
        if bias is not None:
            row = self.linear(bias)
            added = row.expand(n_positions, -1) if scale is None else scale[:, None] * row
        if self.norm is not None and bool(self.norm.shift.any()):
            shift = (self.norm.shift * self.multiplier).expand(n_positions, -1)
            added = shift if added is None else added + shift
        return added


@dataclass(frozen=True)
class Block:
    """One decoder block, taken apart. `down_projection` is None where the block has no neurons of its own (experts)."""

    module: nn.Module
    attention: nn.Module
    output_projection: nn.Module
    ffn: nn.Module
    ffn_norm: nn.Module
    down_projection: nn.Module | None
    after_attention: Sublayer
    after_ffn: Sublayer

    @property
    def dtype(self) -> torch.dtype:
        """The precision W_O is multiplied in; a quantised one may be coarser than the residual stream."""
        return precision_of(self.output_projection)

    def w_o(self, n_heads: int) -> Float[Tensor, "head d_head d_model"]:
        """The map from a head's value to the residual stream, float32: W_O, and what stands behind it (`Sublayer`)."""
        weight = self.after_attention.linear(weight_in_out(self.output_projection).float())
        return weight.reshape(n_heads, -1, weight.shape[-1])

    def b_o(self) -> Float[Tensor, "d_model"] | None:
        """The bias of the output projection, float32; None where there is none."""
        return bias_of(self.output_projection)

    def w_out(self) -> Float[Tensor, "neuron d_model"]:
        """What each neuron adds to the residual stream at activation 1, float32. Raises `TransparencyError`."""
        return self.after_ffn.linear(weight_in_out(self.neurons()).float())

    def b_out(self) -> Float[Tensor, "d_model"] | None:
        """The bias of the feed-forward block's output, float32; None where there is none."""
        return bias_of(self.neurons())

    def neurons(self) -> nn.Module:
        """The output weights of the neurons. Raises `TransparencyError("modelUnsupported")` where there are none."""
        if self.down_projection is None:
            raise TransparencyError(
                "modelUnsupported",
                f"The neurons of {type(self.module).__name__} cannot be told apart yet.",
                "Its contribution, and what it promotes and suppresses, are exact.",
            )
        return self.down_projection


@dataclass(frozen=True)
class Anatomy:
    """The parts of a model that the method needs, found by structure (`facts.BLOCKS`, `facts.TRUNKS`)."""

    facts: BlockFacts
    blocks: tuple[Block, ...]
    final_norm: nn.Module
    unembedding: nn.Module
    n_heads: int
    n_kv_heads: int
    d_model: int
    d_ffn: int
    n_vocab: int
    n_context: int
    parallel: bool
    logit_scale: float = 1.0
    logit_softcap: float | None = None

    @property
    def n_layers(self) -> int:
        return len(self.blocks)


def dissect(model: PreTrainedModel) -> Anatomy:
    """Find the parts of `model`.

    Raises `TransparencyError("modelUnsupported")` with the reason where the decomposition is not known to hold.
    """
    config = model.config.get_text_config(decoder=True)
    trunk = next((t for t in TRUNKS if all(_find(model, path) is not None for path in t)), None)
    if trunk is None:
        raise _unsupported(model, "its decoder blocks were not found")
    layers, final_norm = (_find(model, path) for path in trunk)
    assert layers is not None and final_norm is not None
    unembedding = model.get_output_embeddings()
    if unembedding is None:
        raise _unsupported(model, "it has no output embedding (it is no causal language model)")
    facts = _match(model, layers)
    blocks = tuple(_open(layer, facts) for layer in layers.children())
    _, d_model = sizes(blocks[0].output_projection)
    n_heads = int(config.num_attention_heads)
    return Anatomy(
        facts=facts,
        blocks=blocks,
        final_norm=final_norm,
        unembedding=unembedding,
        n_heads=n_heads,
        n_kv_heads=_n_kv_heads(config, n_heads),
        d_model=d_model,
        d_ffn=_d_ffn(config, blocks),
        n_vocab=sizes(unembedding)[1],
        n_context=int(getattr(config, "max_position_embeddings", 0) or 0),
        parallel=_parallel(facts, layers, config),
        logit_scale=_product(config, LOGIT_MULTIPLIERS) / _product(config, LOGIT_DIVISORS),
        logit_softcap=next((float(v) for name in LOGIT_SOFTCAPS if (v := getattr(config, name, None))), None),
    )


def _product(holder: Any, names: tuple[str, ...]) -> float:
    """What the numbers of these names multiply to; one that is not there, or no number, is 1."""
    values = (getattr(holder, name, None) for name in names)
    return math.prod(float(value) for value in values if isinstance(value, int | float))


def _parallel(facts: BlockFacts, layers: nn.Module, config: Any) -> bool:
    if isinstance(facts.parallel, bool):
        return facts.parallel
    first = next(layers.children())
    return bool(getattr(first, facts.parallel, getattr(config, facts.parallel, False)))


def _n_kv_heads(config: Any, n_heads: int) -> int:
    given = next((v for name in KV_HEADS if (v := getattr(config, name, None))), n_heads)
    shared = getattr(config, "multi_query", False) and not getattr(config, "new_decoder_architecture", False)
    return 1 if shared else int(given)


def _d_ffn(config: Any, blocks: tuple[Block, ...]) -> int:
    down = next((block.down_projection for block in blocks if block.down_projection is not None), None)
    if down is not None:
        return sizes(down)[0]
    told = (getattr(config, name, None) for name in ("moe_intermediate_size", "intermediate_size", "ffn_dim"))
    return int(next((size for size in told if size), 0))


def _match(model: PreTrainedModel, layers: nn.Module) -> BlockFacts:
    reasons: list[str] = []
    for facts in BLOCKS:
        reason = next((r for layer in layers.children() for r in _mismatches(layer, facts)), None)
        if reason is None:
            return facts
        reasons.append(f"not {facts.name}: {reason}")
    raise _unsupported(model, "its blocks are " + "; ".join(reasons))


def _mismatches(layer: nn.Module, facts: BlockFacts) -> Iterator[str]:
    children = dict(layer.named_children())
    paths = {facts.attention, facts.ffn, facts.ffn_norm, facts.attention_norm_after, facts.ffn_norm_after}
    needed = {path.partition(".")[0] for path in paths - {""}} | facts.norms
    for name in sorted(needed - children.keys()):
        yield f"no {name}"
    # a child that holds nothing to learn (dropout) changes nothing in evaluation
    for name in sorted(children.keys() - needed):
        if any(True for _ in children[name].parameters()):
            yield f"an additional {name}"
    attention = _find(layer, facts.attention)
    if attention is None or _projection(attention, OUTPUT_PROJECTIONS) is None:
        yield f"no output projection in {facts.attention}"
    if _find(layer, facts.ffn) is None:
        yield f"no {facts.ffn}"


def _open(layer: nn.Module, facts: BlockFacts) -> Block:
    multiplier = _product(layer, RESIDUAL_MULTIPLIERS)
    attention, ffn = _find(layer, facts.attention), _find(layer, facts.ffn)
    assert attention is not None and ffn is not None
    projection = _projection(attention, OUTPUT_PROJECTIONS)
    assert projection is not None
    _, d_model = sizes(projection)
    like = like_input(projection)

    def after(name: str) -> Sublayer:
        module = getattr(layer, name) if name else None
        return Sublayer(module, None if module is None else freeze(module, d_model, like), multiplier)

    return Block(
        module=layer,
        attention=attention,
        output_projection=projection,
        ffn=ffn,
        ffn_norm=getattr(layer, facts.ffn_norm),
        down_projection=_projection(ffn, DOWN_PROJECTIONS),
        after_attention=after(facts.attention_norm_after),
        after_ffn=after(facts.ffn_norm_after),
    )


def _projection(parent: nn.Module, names: tuple[str, ...]) -> nn.Module | None:
    """The child of `parent` that goes by one of `names` and is one matrix."""
    for name in names:
        child = getattr(parent, name, None)
        # some wrap the matrix once more
        child = getattr(child, "linear", child)
        if isinstance(child, nn.Module) and is_linear(child):
            return child
    return None


def _find(root: nn.Module, path: str) -> nn.Module | None:
    found: object = root
    for name in path.split("."):
        found = getattr(found, name, None)
    return found if isinstance(found, nn.Module) else None


def _unsupported(model: PreTrainedModel, why: str) -> TransparencyError:
    return TransparencyError(
        "modelUnsupported",
        f"{type(model).__name__} cannot be decomposed exactly: {why}.",
        "docs/models.md lists the families that are supported.",
    )
