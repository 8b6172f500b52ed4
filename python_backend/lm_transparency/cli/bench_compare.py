"""Alternatives to compare an analysis with: the definition computed directly, and patching every head at every
position.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from ..model.loading import LoadedModel
from ..routes.contributions import LayerContributions, Near, contributions, inverse
from ..trace.proof import layer_error
from ..trace.sums import sums_of
from ..trace.trace import Trace

#: Heads and positions that are patched and timed, two at least and then for so many seconds; the rest is their mean
#: times their number.
PATCHED, PATCHING_S = 8, 10.0
#: Bytes for the parts of one layer and two tensors of their size.
_ROOM = 6 * 1024**3
#: With longer prompts only some layers are timed: every fourth at 128, every eighth at 256.
ALL_LAYERS_UP_TO = 64

#: `parts`: every α · v of a (query, key, head) goes through W_O, as the definition is written; `keys`: v · W_O is
#: computed once for a key and head, and scaled.
Projected = Literal["parts", "keys"]


@dataclass(frozen=True)
class Compared:
    """Seconds of the definition and of our code for the same figures: contributions and proof of all layers."""

    definition: float
    ours: float

    @property
    def ratio(self) -> float:
        return self.definition / self.ours


def definition_beside_ours(trace: Trace, projected: Projected) -> Compared | None:
    """The contributions of all layers and their proof, by the definition (`by_definition`) and by `contributions`.

    A layer of the definition and all of ours take turns, so that anything that slows the machine down slows both;
    medians. Past `ALL_LAYERS_UP_TO` tokens on a sample of layers. None where one layer does not fit into memory.
    """
    n, heads, d_model = trace.n_tokens, trace.n_heads, trace.anatomy.d_model
    if 3 * 4 * n * n * heads * d_model > _ROOM:
        return None
    layers = [i for i, layer in enumerate(trace.layers) if layer.heads is not None]
    sample = layers if n <= ALL_LAYERS_UP_TO else layers[:: n // 32]
    device, turns = trace.layers[0].post.device, list[tuple[float, float]]()
    for index in sample:
        one = seconds_of(lambda index=index: by_definition(trace, index, projected), device)
        turns.append((one, seconds_of(lambda: contributions(trace), device)))
    definition, ours = (statistics.median(times) for times in zip(*turns, strict=True))
    return Compared(definition * len(layers), ours)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """The time of `work`, including what it leaves to a GPU."""
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def by_definition(trace: Trace, index: int, projected: Projected) -> LayerContributions:
    """The values of `layer_contributions` for a layer with attention, by the definition: every part a tensor.

    See docs/method.md#attention.
    """
    record, w_o, sums = trace.layers[index], trace.anatomy.blocks[index].w_o(trace.n_heads), sums_of(trace, index)
    values, weights = record.attention.values(), record.weights()[..., None]
    by_key = projected == "keys"
    parts = weights * (values @ w_o)[:, None] if by_key else (weights * values[:, None]) @ w_o[:, None]
    attention = _proximities(sums.whole[None, :, None], parts)

    def beside(whole: Tensor, part: Tensor | None) -> Float64[np.ndarray, "position"]:
        return np.zeros(trace.n_tokens) if part is None else _proximities(whole, part).double().cpu().numpy()

    near = Near(
        residual=beside(sums.whole, sums.entered),
        bias=beside(sums.whole, sums.bias),
        mixer=beside(sums.whole, sums.mixer),
        ffn=beside(sums.post, sums.ffn if trace.anatomy.blocks[index].has_ffn else None),
        ffn_residual=None if sums.parallel else beside(sums.post, sums.carried),
    )
    total = attention.sum(dim=(0, 2), dtype=torch.float64)
    rows = near.rows(total.cpu().numpy() + near.beside_heads)
    share = torch.from_numpy(inverse(rows.attention_total)).to(attention)
    shares = (attention * share[:, None]).permute(1, 2, 0).cpu().numpy()
    return LayerContributions(**vars(rows), attention=shares, error=layer_error(sums, parts.sum(dim=(0, 2))))


def _proximities(whole: Tensor, part: Tensor) -> Tensor:
    return (whole.abs().sum(dim=-1) - (whole - part).abs().sum(dim=-1)).clamp_min(0)


def patching_seconds(model: LoadedModel, tokens: torch.Tensor) -> float:
    """Seconds to zero every head of every layer at every position, one forward pass each.

    Timed on a sample and multiplied.
    """
    anatomy, n_tokens = model.anatomy, len(tokens)
    blocks = [block for block in anatomy.blocks if block.has_attention]
    times: list[float] = []
    for i in range(PATCHED):
        block, head, position = blocks[i * len(blocks) // PATCHED], i % anatomy.n_heads, i * n_tokens // PATCHED

        def zero(_module: Any, inputs: tuple[torch.Tensor, ...], head: int = head, position: int = position) -> Any:
            given = inputs[0].clone()
            given.unflatten(-1, (anatomy.n_heads, -1))[:, position, head] = 0
            return (given, *inputs[1:])

        handle = block.output_projection.register_forward_pre_hook(zero)
        try:
            started = time.perf_counter()
            with torch.no_grad():
                model.model(input_ids=tokens[None].to(model.input_device), use_cache=False)
            times.append(time.perf_counter() - started)
        finally:
            handle.remove()
        if len(times) > 1 and sum(times) > PATCHING_S:
            break
    return sum(times) / len(times) * len(blocks) * anatomy.n_heads * n_tokens
