"""Where the blocks, heads, W_O, feed-forward blocks, norms and unembedding are in a loaded model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..errors import TransparencyError
from .facts import BLOCKS, NEUTRAL, TRUNKS, BlockFacts


@dataclass(frozen=True)
class Block:
    """One decoder block, taken apart."""

    module: nn.Module
    attention: nn.Module
    output_projection: nn.Module
    ffn: nn.Module
    ffn_norm: nn.Module
    down_projection: nn.Module

    def w_o(self, n_heads: int) -> Float[Tensor, "head d_head d_model"]:
        """The output projection by head, float32, as a map from a head's value to the residual stream."""
        weight = _weight_in_out(self.output_projection).float()
        return weight.reshape(n_heads, -1, weight.shape[-1])

    def b_o(self) -> Float[Tensor, "d_model"] | None:
        """The bias of the output projection, float32; None where there is none."""
        return _bias(self.output_projection)

    def w_out(self) -> Float[Tensor, "neuron d_model"]:
        """What each neuron of the feed-forward block writes at activation 1, float32."""
        return _weight_in_out(self.down_projection).float()

    def b_out(self) -> Float[Tensor, "d_model"] | None:
        """The bias of the feed-forward block's output, float32; None where there is none."""
        return _bias(self.down_projection)


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

    @property
    def n_layers(self) -> int:
        return len(self.blocks)

    @property
    def parallel(self) -> bool:
        return self.facts.parallel


def dissect(model: PreTrainedModel) -> Anatomy:
    """Find the parts of `model`.

    Raises `TransparencyError("modelUnsupported")` with the reason where the decomposition is not known to hold.
    """
    config = model.config.get_text_config(decoder=True)
    for name, neutral in NEUTRAL.items():
        if getattr(config, name, None) not in neutral:
            raise _unsupported(model, f"it sets {name} = {getattr(config, name)}")
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
    d_model = int(_weight_in_out(blocks[0].output_projection).shape[-1])
    n_heads = int(config.num_attention_heads)
    return Anatomy(
        facts=facts,
        blocks=blocks,
        final_norm=final_norm,
        unembedding=unembedding,
        n_heads=n_heads,
        n_kv_heads=int(getattr(config, "num_key_value_heads", None) or n_heads),
        d_model=d_model,
        d_ffn=int(_weight_in_out(blocks[0].down_projection).shape[0]),
        n_vocab=int(unembedding.weight.shape[0]),  # type: ignore[union-attr, index]
        n_context=int(getattr(config, "max_position_embeddings", 0) or 0),
    )


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
    needed = {facts.attention, facts.ffn, facts.ffn_norm} | facts.norms
    for name in sorted(needed - children.keys()):
        yield f"no {name}"
    # a child that holds nothing to learn (dropout) changes nothing in evaluation
    for name in sorted(children.keys() - needed):
        if any(True for _ in children[name].parameters()):
            yield f"an additional {name}"
    for parent, name in ((facts.attention, facts.output_projection), (facts.ffn, facts.down_projection)):
        if parent in children and not hasattr(getattr(children[parent], name, None), "weight"):
            yield f"no {parent}.{name} with a weight"


def _open(layer: nn.Module, facts: BlockFacts) -> Block:
    attention = getattr(layer, facts.attention)
    ffn = getattr(layer, facts.ffn)
    return Block(
        module=layer,
        attention=attention,
        output_projection=getattr(attention, facts.output_projection),
        ffn=ffn,
        ffn_norm=getattr(layer, facts.ffn_norm),
        down_projection=getattr(ffn, facts.down_projection),
    )


def _weight_in_out(projection: nn.Module) -> Float[Tensor, "d_in d_out"]:
    """The weight as input × output; transformers' Conv1D keeps it so, nn.Linear the other way round."""
    weight = projection.weight
    assert isinstance(weight, torch.Tensor)
    return weight.detach().T if isinstance(projection, nn.Linear) else weight.detach()


def _bias(projection: nn.Module) -> Float[Tensor, "d_model"] | None:
    bias = getattr(projection, "bias", None)
    return bias.detach().float() if isinstance(bias, torch.Tensor) else None


def _find(root: nn.Module, path: str) -> nn.Module | None:
    found: object = root
    for name in path.split("."):
        found = getattr(found, name, None)
    return found if isinstance(found, nn.Module) else None


def _unsupported(model: PreTrainedModel, why: str) -> TransparencyError:
    return TransparencyError(
        "modelUnsupported",
        f"{type(model).__name__} cannot be decomposed exactly: {why}.",
        "Llama-like and GPT-2-like decoders are supported (Llama, Mistral, Qwen 2/3, SmolLM, GPT-2 …).",
    )
