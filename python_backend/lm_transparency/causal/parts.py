"""The part of a unit in a run, and the baseline that it is set to when the unit is removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import TransparencyError
from ..protocol.effects import How
from ..routes.expert_states import expert_neuron_states, expert_states
from ..routes.heads import head_part
from ..routes.neurons import activations
from ..trace.sums import attention_bias
from ..trace.trace import Trace
from .sites import EMBEDDING, Site, attention_site
from .units import Unit

#: The kinds that are set to a mean by default. Edges, heads of edges and biases are set to zero.
_TO_MEAN = {"head", "head_all", "ffn", "neuron", "expert", "token"}


@dataclass(frozen=True)
class Part:
    """The vectors that a unit adds to `site`, by position, and the baseline that replaces them. float32."""

    site: Site
    positions: tuple[int, ...]
    vectors: Float[Tensor, "position d_model"]
    baseline: Float[Tensor, "position d_model"]
    #: "zero" or "mean": what the baseline is at these positions.
    how: str

    @property
    def change(self) -> Float[Tensor, "position d_model"]:
        """The vector that removing the unit adds to the site."""
        return self.baseline - self.vectors


class Parts:
    """The parts of one run. `references`: the runs whose positions a mean is over; without any, the run itself."""

    def __init__(self, trace: Trace, references: Sequence[Trace] = ()) -> None:
        self.trace = trace
        self._others = tuple(references)
        # one layer's: units come in the order of layers
        self._kept: dict[str, tuple[int, list[Tensor]]] = {}

    def of(self, unit: Unit, how: How = "default") -> Part:
        """The part of a unit (`checking.checked`), as the run has it. Raises `TransparencyError`."""
        if unit.kind in ("edge", "edge_head"):
            vector = _edge(self.trace, unit)
            return _removed(site_of(self.trace, unit), (unit.position or 0,), vector[None])
        site = site_of(self.trace, unit)
        positions = tuple(range(self.trace.n_tokens)) if unit.position is None else (unit.position,)
        own, *others = self._states(unit, how)
        vectors = own[list(positions)]
        mean = _mean(others or [own]) if how == "mean" or (how == "default" and unit.kind in _TO_MEAN) else None
        if mean is None:
            return _removed(site, positions, vectors)
        baseline = mean.expand(len(positions), -1).clone()
        # the first position of most models holds an attention sink, which is like no other
        baseline[[i for i, position in enumerate(positions) if position == 0]] = 0
        return Part(site, positions, vectors, baseline, "zero" if positions == (0,) else "mean")

    def mean_heads(self, layer: int) -> Float[Tensor, "head d_value"] | None:
        """The mean of each head's output before W_O; None where there is one position only."""
        outputs = self._of_layer("heads", layer, head_outputs)
        return _mean([one.transpose(0, 1) for one in outputs[1:] or outputs])

    def activations(self, layer: int) -> tuple[Float[Tensor, "position neuron"], Float[Tensor, "neuron"] | None]:
        """The factor of each neuron's output weights, and its mean."""
        found = self._of_layer("neurons", layer, _activations)
        return found[0], _mean(found[1:] or found)

    def mean_ffn(self, layer: int) -> Float[Tensor, "d_model"] | None:
        return _mean([trace.layers[layer].ffn.float() for trace in self._others or (self.trace,)])

    def mean_residual(self, layer: int) -> Float[Tensor, "d_model"] | None:
        return _mean([trace.layers[layer].post.float() for trace in self._others or (self.trace,)])

    def bias(self, layer: int) -> tuple[Float[Tensor, "position d_model"], Float[Tensor, "d_model"] | None] | None:
        """What the biases of attention add, and its mean; None where there are none."""
        found = attention_bias(self.trace, layer)
        return None if found is None else (found.float(), _mean([found.float()]))

    def mean_embedding(self) -> Float[Tensor, "d_model"] | None:
        return _mean([trace.layers[0].pre.float() for trace in self._others or (self.trace,)])

    def _states(self, unit: Unit, how: How) -> list[Float[Tensor, "position d_model"]]:
        """What the unit adds at every position: in the run, then in the references if these are others."""
        layer = unit.layer
        match unit.kind:
            case "head" | "head_all":
                w_o = self.trace.anatomy.blocks[layer].w_o(self.trace.n_heads)[unit.head]
                return [outputs[unit.head] @ w_o for outputs in self._of_layer("heads", layer, head_outputs)]
            case "neuron" if unit.expert is None:
                w_out = self.trace.anatomy.blocks[layer].w_out()[unit.neuron]
                return [one[:, unit.neuron, None] * w_out for one in self._of_layer("neurons", layer, _activations)]
            case "neuron":
                return [expert_neuron_states(t, layer, unit.expert or "", unit.neuron or 0) for t in self._runs(how)]
            case "expert":
                return [expert_states(t, layer, unit.expert or "") for t in self._runs(how)]
            case "bias":
                found = self.bias(layer)
                if found is None:
                    raise TransparencyError(
                        "invalidParams", f"The attention of layer {layer} adds no bias.", "Name another unit."
                    )
                return [found[0]]
            case "ffn":
                return [trace.layers[layer].ffn.float() for trace in self._runs(how)]
            case _:
                states = (t.layers[0].pre if layer < 0 else t.layers[layer].post for t in self._runs(how))
                return [one.float() for one in states]

    def _runs(self, how: How) -> tuple[Trace, ...]:
        return (self.trace,) if how == "zero" else (self.trace, *self._others)

    def _of_layer(self, name: str, layer: int, make: Callable[[Trace, int], Tensor]) -> list[Tensor]:
        if self._kept.get(name, (-1,))[0] != layer:
            self._kept[name] = layer, [make(trace, layer) for trace in self._runs("mean")]
        return self._kept[name][1]


def head_outputs(trace: Trace, layer: int) -> Float[Tensor, "head position d_value"]:
    """Σ_s w · v of every head before W_O, gated and scaled as the run did (`LayerRecord.weights`)."""
    record = trace.layers[layer]
    outputs = record.weights() @ record.attention.values()
    return outputs if record.gate is None else outputs * record.gate.channels.transpose(0, 1)


def _activations(trace: Trace, layer: int) -> Float[Tensor, "position neuron"]:
    """The factor of each neuron's output weights, with the run's scale of a norm behind the block."""
    found, scale = activations(trace, layer), trace.layers[layer].ffn_scale
    return found if scale is None else found * scale[:, None]


def _edge(trace: Trace, unit: Unit) -> Float[Tensor, "d_model"]:
    assert unit.position is not None and unit.key is not None
    if unit.head is not None:
        return head_part(trace, unit.layer, unit.head, unit.position, unit.key)
    record, block = trace.layers[unit.layer], trace.anatomy.blocks[unit.layer]
    weights = record.weights(queries=slice(unit.position, unit.position + 1))[:, 0, unit.key]
    return torch.einsum("h,hv,hvd->d", weights, record.read_from(unit.key, unit.position), block.w_o(trace.n_heads))


def site_of(trace: Trace, unit: Unit) -> Site:
    """The site that a unit's part is summed to."""
    if unit.kind in ("edge", "edge_head", "head", "head_all", "bias"):
        return attention_site(trace.anatomy, unit.layer)
    return EMBEDDING if unit.layer < 0 else Site(unit.layer, "post")


def _mean(states: Sequence[Float[Tensor, "position *d"]]) -> Float[Tensor, "*d"] | None:
    """The mean over all positions but the first of each run; None where there are no others."""
    rows = torch.cat([one[1:] for one in states])
    return rows.mean(dim=0) if len(rows) else None


def _removed(site: Site, positions: tuple[int, ...], vectors: Tensor) -> Part:
    return Part(site, positions, vectors, torch.zeros_like(vectors), "zero")
