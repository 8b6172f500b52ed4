"""How much of a prediction some attention edges carry: the others are set to their mean in one changed run.

An edge at its mean reads, at the attention of the changed run, the mean of the head's values over the clean run's
positions. The first position is apart from the others, as in `parts`: its value stays. Feed-forward blocks, mixers and
residuals run on. (The baseline of Mueller et al., MIB, arXiv 2504.13151; f as there in section 3.)
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..model.anatomy import Anatomy
from ..model.context import forget_lengths
from ..trace.outputs import logits_at
from ..trace.recording import attention_recorded
from ..trace.trace import LayerRecord, Trace
from ..watch import Watch
from .metric import Metric
from .reading import n_read, read_at
from .sites import Site, attention_site, changed

#: Below this change of m between all edges and none, a share of it means nothing.
_LEAST = 1e-3


@dataclass(frozen=True)
class Carried:
    """f = (m(some edges) − m(none)) / (m(all) − m(none)); None where all edges together change m by nothing.

    `kept`: of the edges alone, `removed`: of all others.
    """

    kept: float | None
    removed: float | None


def carried(
    model: PreTrainedModel, trace: Trace, metric: Metric, edges: Iterable[tuple[int, int, int]], watch: Watch
) -> Carried:
    """How much `edges` (layer, query, key) carry of m, in three changed runs. Raises `Cancelled` between layers."""
    n = metric.position + 1
    alone = torch.zeros(trace.n_layers, n, n, dtype=torch.bool)
    for layer, query, key in edges:
        alone[layer, query, key] = True
    runs = [torch.zeros_like(alone), alone, ~alone]
    none, kept, removed = (value_with(model, trace, metric, run, watch) for run in runs)
    whole = float(metric.of(logits_at(model, trace, metric.position)))
    if abs(whole - none) < _LEAST:
        return Carried(None, None)
    return Carried((kept - none) / (whole - none), (removed - none) / (whole - none))


def value_with(
    model: PreTrainedModel, trace: Trace, metric: Metric, kept: Bool[Tensor, "layer query key"], watch: Watch
) -> float:
    """m of a run in which all edges but the `kept` ones are at their mean. Positions end at the metric's."""
    return float(metric.of(_limited(model, trace, metric.position + 1, kept, watch)))


def _limited(
    model: PreTrainedModel, trace: Trace, n: int, kept: Bool[Tensor, "layer query key"], watch: Watch
) -> Float[Tensor, "output"]:
    """The logits at position n − 1 of a run in which all edges but the `kept` ones are at their mean."""
    anatomy = trace.anatomy
    layers = {attention_site(anatomy, i): i for i, block in enumerate(anatomy.blocks) if block.has_attention}
    # read before there are hooks on the module
    w_o = {layer: anatomy.blocks[layer].w_o(anatomy.n_heads) for layer in layers.values()}
    scales: dict[nn.Module, Tensor] = {}
    n_all = n_read(model, trace.n_tokens, n - 1)
    # later positions change nothing before them
    kept = nn.functional.pad(kept, (0, n_all - n, 0, n_all - n))
    forget_lengths(model, model.config.get_text_config(decoder=True))
    with torch.no_grad(), attention_recorded(model, anatomy) as (attention, gates), _scales(anatomy, scales):

        def change(site: Site, states: Tensor, factor: float) -> Tensor | None:
            layer = layers.get(site)
            if layer is None:
                return None
            watch.step("circuit", layer, anatomy.n_layers)
            block = anatomy.blocks[layer]
            record = replace(
                trace.layers[layer],
                heads=attention[block.attention],
                gate=gates.get(block.attention),
                attention_scale=scales.get(block.module),
            )
            moved = _to_mean(trace, layer, record, kept[layer].to(states.device)) @ w_o[layer].flatten(0, 1)
            return states + (moved / factor).to(states).reshape(states.shape)

        with changed(anatomy, change):
            return read_at(model, anatomy, trace.token_ids[:n_all], n - 1)[0]


def _to_mean(
    trace: Trace, layer: int, record: LayerRecord, kept: Bool[Tensor, "query key"]
) -> Float[Tensor, "query head_d_value"]:
    """What the heads of a layer would read more if all edges but the `kept` ones were at their mean, side by side."""
    values, clean = record.attention.values(), trace.layers[layer].attention.values()
    mean = values.clone()
    if clean.shape[1] > 1:
        mean[:, 1:] = clean[:, 1:].mean(dim=1, keepdim=True)
    mean[:, 0] = clean[:, 0]
    outputs = (record.weights() * ~kept) @ (mean - values)
    if record.gate is not None:
        outputs = outputs * record.gate.channels.transpose(0, 1)
    return outputs.transpose(0, 1).flatten(1)


@contextmanager
def _scales(anatomy: Anatomy, scales: dict[nn.Module, Tensor]) -> Generator[None]:
    """Fill `scales` with the run's scale of each norm behind attention."""

    def keep(block: Any) -> Any:
        def hook(_module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
            scales[block.module] = block.after_attention.norm.scale(args[0][0], output[0])

        return hook

    with ExitStack() as stack:
        for block in anatomy.blocks:
            if block.after_attention.norm_module is not None:
                stack.callback(block.after_attention.norm_module.register_forward_hook(keep(block)).remove)
        yield
