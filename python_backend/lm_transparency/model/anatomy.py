"""The places of blocks, heads, W_O, feed-forward blocks, norms and unembedding in a loaded model."""

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
from .block import ABSENT, Block, Carried, Mixer, Sublayer
from .context import context_length
from .experts import find_experts
from .facts import (
    ATTENTION_MULTIPLIERS,
    BLOCKS,
    CARRIED_MID_MULTIPLIERS,
    CARRIED_MULTIPLIERS,
    DOWN_PROJECTIONS,
    FFN_MULTIPLIERS,
    KV_HEADS,
    LAYER_TYPE,
    LAYER_TYPES,
    LOGIT_DIVISORS,
    LOGIT_MULTIPLIERS,
    LOGIT_SOFTCAPS,
    MIXER_MULTIPLIERS,
    MIXER_TYPES,
    MIXERS,
    OUTPUT_PROJECTIONS,
    RESIDUAL_MULTIPLIERS,
    TRUNKS,
    BlockFacts,
)
from .linear import is_linear, like_input, sizes
from .norms import freeze
from .readout import TOKENS, Readout, output_layer, readout

_ONE = 1.0


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
    readout: Readout = TOKENS

    @property
    def n_layers(self) -> int:
        return len(self.blocks)

    @property
    def n_outputs(self) -> int:
        """How many outputs, tokens or labels, a state is read as."""
        return len(self.readout.labels) or self.n_vocab


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
    unembedding, reads = output_layer(model), readout(model)
    if unembedding is None:
        raise _unsupported(model, "it has neither an output embedding nor a linear map to labels")
    kinds = _kinds(layers, config)
    matched = _match(model, layers, kinds)
    rows = list(zip(layers.children(), matched, kinds, strict=True))
    projection = next((found for row in rows if (found := _w_o(*row)) is not None), None)
    if projection is None:
        raise _unsupported(
            model, "it has no attention that writes to the residual stream, so there are no routes between tokens"
        )
    facts = matched[0]
    _, d_model = sizes(projection)
    blocks = tuple(_open(*row, d_model) for row in rows)
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
        n_vocab=_n_vocab(model, unembedding, reads),
        n_context=context_length(config),
        parallel=_parallel(facts, layers, config),
        # a classifier returns the result of its map unchanged
        logit_scale=1.0 if reads.classifies else _product(config, LOGIT_MULTIPLIERS) / _product(config, LOGIT_DIVISORS),
        logit_softcap=None if reads.classifies else _softcap(config),
        readout=reads,
    )


def _n_vocab(model: PreTrainedModel, unembedding: nn.Module, reads: Readout) -> int:
    if not reads.classifies:
        return sizes(unembedding)[1]
    rows = model.get_input_embeddings().weight
    assert isinstance(rows, torch.Tensor)
    return int(rows.shape[0])


def _softcap(config: Any) -> float | None:
    return next((float(v) for name in LOGIT_SOFTCAPS if (v := getattr(config, name, None))), None)


def _product(holder: Any, names: tuple[str, ...]) -> float:
    """The product of the numbers with these names; a missing one, or one that is not a number, counts as 1."""
    values = (getattr(holder, name, None) for name in names)
    return math.prod(
        float(value)
        for value in values
        if isinstance(value, int | float) or (isinstance(value, Tensor) and value.numel() == 1)
    )


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


def _kinds(layers: nn.Module, config: Any) -> list[str]:
    """The type of every layer, from its own attribute or the configuration's list; empty where neither says."""
    listed = next((v for name in LAYER_TYPES if isinstance(v := getattr(config, name, None), list | tuple)), ())
    kinds: list[str] = []
    for index, layer in enumerate(layers.children()):
        own = next((v for name in LAYER_TYPE if isinstance(v := getattr(layer, name, None), str)), "")
        kinds.append(own or (str(listed[index]) if index < len(listed) else ""))
    return kinds


def _match(model: PreTrainedModel, layers: nn.Module, kinds: list[str]) -> list[BlockFacts]:
    """The matching row for every block. Blocks of one model may match different rows, but are connected the same
    way.
    """
    found: list[BlockFacts] = []
    for layer, kind in zip(layers.children(), kinds, strict=True):
        reasons: list[tuple[int, str]] = []
        for facts in BLOCKS:
            missed = list(_mismatches(layer, facts, kind))
            if not missed:
                found.append(facts)
                break
            reasons.append((len(missed), f"its blocks are not {facts.name}: {', '.join(missed)}"))
        else:
            # the row that comes nearest explains most
            raise _unsupported(model, min(reasons, key=lambda reason: reason[0])[1])
    return found


def _mismatches(layer: nn.Module, facts: BlockFacts, kind: str) -> Iterator[str]:
    for name in facts.needs:
        if not hasattr(layer, name):
            yield f"no {name}"
    if facts.kinds and kind not in facts.kinds:
        yield f"its layer type is {kind or 'unknown'}"
    children = dict(layer.named_children())
    attention, mixer = _token_mixing(layer, facts, kind)
    paths = {facts.ffn, facts.ffn_norm, facts.attention_norm_after, facts.ffn_norm_after}
    paths |= {facts.mixer, facts.ffn_beside}
    needed = {path.partition(".")[0] for path in paths - {""}} | facts.norms
    if mixer is None and facts.attention:
        needed.add(facts.attention.partition(".")[0])
    for name in sorted(needed - children.keys()):
        yield f"no {name}"
    known = needed | {facts.attention.partition(".")[0]} | (set(MIXERS) if mixer is not None else set())
    # a child without parameters (dropout) changes nothing in evaluation
    for name in sorted(children.keys() - known):
        if any(True for _ in children[name].parameters()):
            yield f"an additional {name}"
    if mixer is None and facts.attention and attention is None:
        yield f"no {facts.attention}"
    if attention is not None and _projection(attention, OUTPUT_PROJECTIONS) is None:
        yield f"no output projection in {facts.attention}"
    if facts.ffn and _find(layer, facts.ffn) is None:
        yield f"no {facts.ffn}"


def _token_mixing(layer: nn.Module, facts: BlockFacts, kind: str) -> tuple[nn.Module | None, nn.Module | None]:
    """(attention, mixer) of a block; what the layer's type says is not attention is a mixer, whatever its name."""
    attention = _find(layer, facts.attention) if facts.attention else None
    mixer = _find(layer, facts.mixer) if facts.mixer else next((m for n in MIXERS if (m := _find(layer, n))), None)
    if attention is not None and mixer is None and kind in MIXER_TYPES:
        return None, attention
    return attention, mixer


def _w_o(layer: nn.Module, facts: BlockFacts, kind: str) -> nn.Module | None:
    """The output projection of a block with attention."""
    attention, _ = _token_mixing(layer, facts, kind)
    return None if attention is None else _projection(attention, OUTPUT_PROJECTIONS)


def _open(layer: nn.Module, facts: BlockFacts, kind: str, d_model: int) -> Block:
    multiplier = _product(layer, RESIDUAL_MULTIPLIERS)
    attention, mixer = _token_mixing(layer, facts, kind)
    projection = _w_o(layer, facts, kind)
    ffn = _find(layer, facts.ffn) if facts.ffn else None
    beside = _find(layer, facts.ffn_beside) if facts.ffn_beside else None

    def after(name: str, multiplier: float) -> Sublayer:
        module = _find(layer, name) if name else None
        if isinstance(module, nn.Identity):
            module = None
        return Sublayer(module, None if module is None else freeze(module, d_model, like_input(layer)), multiplier)

    return Block(
        module=layer,
        attention=attention or ABSENT,
        output_projection=projection or ABSENT,
        ffn=ffn or ABSENT,
        ffn_norm=(_find(layer, facts.ffn_norm) if facts.ffn_norm else None) or ABSENT,
        # with two modules side by side, neither has all neurons
        down_projection=None if ffn is None or beside is not None else _output_layer(ffn),
        after_attention=after(facts.attention_norm_after, multiplier * _product(layer, ATTENTION_MULTIPLIERS)),
        after_ffn=after(facts.ffn_norm_after, multiplier * _product(layer, FFN_MULTIPLIERS)),
        mixer=None if mixer is None else Mixer(mixer, multiplier * _product(layer, MIXER_MULTIPLIERS)),
        ffn_beside=beside,
        experts=None if ffn is None else find_experts(ffn, beside),
        carried=_carried(layer, facts),
    )


def _output_layer(ffn: nn.Module) -> nn.Module | None:
    """The output weights of a feed-forward block: a child of it, the last of a sequence, or the block itself."""
    if isinstance(getattr(ffn, "base_layer", ffn), nn.Linear):
        return ffn
    if isinstance(ffn, nn.Sequential) and isinstance(ffn[-1], nn.Linear):
        return ffn[-1]
    return _projection(ffn, DOWN_PROJECTIONS)


def _carried(layer: nn.Module, facts: BlockFacts) -> Carried | None:
    norm = _find(layer, facts.carries) if facts.carries else None
    multiplier, mid_multiplier = _gain(layer, CARRIED_MULTIPLIERS), _gain(layer, CARRIED_MID_MULTIPLIERS)
    if norm is None and multiplier is mid_multiplier is _ONE:
        return None
    return Carried(norm, multiplier, mid_multiplier)


def _gain(layer: nn.Module, names: tuple[str, ...]) -> float | Float[Tensor, "d_model"]:
    """The value of the first of these attributes that the block has, a number or a gain per channel; else 1."""
    found = next((v for name in names if (v := getattr(layer, name, None)) is not None), _ONE)
    return found.detach().float() if isinstance(found, Tensor) else found


def _projection(parent: nn.Module, names: tuple[str, ...]) -> nn.Module | None:
    """The child of `parent` with one of `names` that is one matrix."""
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
        "docs/models.md lists the supported families. The logit lens may still work: "
        "lm-transparency lens FILE --model M.",
    )
