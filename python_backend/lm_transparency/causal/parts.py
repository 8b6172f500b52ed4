"""The part of a unit in a run, and the baseline that it is set to when the unit is removed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import TransparencyError
from ..routes.expert_states import expert_neuron_states, expert_states
from ..routes.neurons import activations
from ..trace.sums import attention_bias
from ..trace.trace import Trace
from .sites import EMBEDDING, Site, attention_site
from .units import Unit

#: What a unit is set to: the default of its kind, nothing, or its mean over the prompt's positions after the first.
How = Literal["default", "zero", "mean"]

#: The kinds that are set to a mean by default. Edges, heads of edges and biases are set to zero.
_TO_MEAN = {"head", "head_all", "ffn", "neuron", "expert", "token"}


@dataclass(frozen=True)
class Part:
    """What a unit adds to `site` at some positions, and what it is set to instead. float32."""

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


@dataclass
class Parts:
    """The parts of one run."""

    trace: Trace
    _heads: dict[int, Tensor] = field(default_factory=dict[int, Tensor])
    _neurons: dict[int, Tensor] = field(default_factory=dict[int, Tensor])

    def of(self, unit: Unit, how: How = "default") -> Part:
        """The part of a unit. Raises `TransparencyError("invalidParams")` for one that the run does not have."""
        match unit.kind:
            case "edge" | "edge_head":
                return self._edge(unit, how)
            case "head" | "head_all":
                return self._head(unit, how)
            case "ffn":
                return self._at_positions(unit, Site(unit.layer, "post"), self.trace.layers[unit.layer].ffn, how)
            case "neuron":
                return self._neuron(unit, how)
            case "expert":
                return self._expert(unit, how)
            case "bias":
                return self._bias(unit, how)
            case "residual":
                return self._at_positions(unit, *self._state(unit.layer), how)
            case "token":
                return self._at_positions(unit, *self._state(-1), how)

    def head_outputs(self, layer: int) -> Float[Tensor, "head position d_value"]:
        """Σ_s w · v of every head before W_O, gated and scaled as the run did (`LayerRecord.weights`)."""
        if layer not in self._heads:
            self._heads = {layer: head_outputs(self.trace, layer)}
        return self._heads[layer]

    def activations(self, layer: int) -> Float[Tensor, "position neuron"]:
        """The factor of each neuron's output weights, with the run's scale of a norm behind the block."""
        if layer not in self._neurons:
            found, scale = activations(self.trace, layer), self.trace.layers[layer].ffn_scale
            self._neurons = {layer: found if scale is None else found * scale[:, None]}
        return self._neurons[layer]

    def _state(self, layer: int) -> tuple[Site, Tensor]:
        if layer < 0:
            return EMBEDDING, self.trace.layers[0].pre
        return Site(layer, "post"), self.trace.layers[layer].post

    def _edge(self, unit: Unit, how: How) -> Part:
        assert unit.position is not None and unit.key is not None
        record, block = self.trace.layers[unit.layer], self.trace.anatomy.blocks[unit.layer]
        heads = slice(None) if unit.head is None else slice(unit.head, unit.head + 1)
        at = slice(unit.position, unit.position + 1)
        weights = record.weights(heads, at)[:, 0, unit.key]
        read = record.read_from(unit.key, unit.position)[heads]
        vector = torch.einsum("h,hv,hvd->d", weights, read, block.w_o(self.trace.n_heads)[heads])
        _only_zero(unit, how)
        return _removed(attention_site(self.trace.anatomy, unit.layer), (unit.position,), vector[None])

    def _head(self, unit: Unit, how: How) -> Part:
        assert unit.head is not None
        outputs = self.head_outputs(unit.layer)[unit.head]
        w_o = self.trace.anatomy.blocks[unit.layer].w_o(self.trace.n_heads)[unit.head]
        return self._at_positions(unit, attention_site(self.trace.anatomy, unit.layer), outputs @ w_o, how)

    def _neuron(self, unit: Unit, how: How) -> Part:
        assert unit.neuron is not None
        if unit.expert is not None:
            states = expert_neuron_states(self.trace, unit.layer, unit.expert, unit.neuron)
            return self._at_positions(unit, Site(unit.layer, "post"), states, how)
        w_out = self.trace.anatomy.blocks[unit.layer].w_out()[unit.neuron]
        states = self.activations(unit.layer)[:, unit.neuron, None] * w_out
        return self._at_positions(unit, Site(unit.layer, "post"), states, how)

    def _expert(self, unit: Unit, how: How) -> Part:
        assert unit.expert is not None
        states = expert_states(self.trace, unit.layer, unit.expert)
        return self._at_positions(unit, Site(unit.layer, "post"), states, how)

    def _bias(self, unit: Unit, how: How) -> Part:
        found = attention_bias(self.trace, unit.layer)
        if found is None:
            raise TransparencyError("invalidParams", f"The attention of layer {unit.layer} adds no bias.")
        return self._at_positions(unit, attention_site(self.trace.anatomy, unit.layer), found, how)

    def _at_positions(self, unit: Unit, site: Site, states: Float[Tensor, "position d_model"], how: How) -> Part:
        """A part that every position has one of: to be set to its mean or to zero."""
        states = states.float()
        positions = tuple(range(self.trace.n_tokens)) if unit.position is None else (unit.position,)
        vectors = states[list(positions)]
        if not _to_mean(unit, how) or len(states) < 2:
            return _removed(site, positions, vectors)
        baseline = states[1:].mean(dim=0).expand(len(positions), -1).clone()
        # the first position of most models holds an attention sink, which is like no other
        baseline[[i for i, position in enumerate(positions) if position == 0]] = 0
        return Part(site, positions, vectors, baseline, "zero" if positions == (0,) else "mean")


def head_outputs(trace: Trace, layer: int) -> Float[Tensor, "head position d_value"]:
    """Σ_s w · v of every head of a layer before W_O."""
    record = trace.layers[layer]
    weights, values, gate = record.weights(), record.attention.values(), record.gate
    outputs = weights @ values
    return outputs if gate is None else outputs * gate.channels.transpose(0, 1)


def _to_mean(unit: Unit, how: How) -> bool:
    return how == "mean" or (how == "default" and unit.kind in _TO_MEAN)


def _only_zero(unit: Unit, how: How) -> None:
    if how == "mean":
        raise TransparencyError(
            "invalidParams", f"{unit} is an edge, which has no mean over positions.", "Set it to zero."
        )


def _removed(site: Site, positions: tuple[int, ...], vectors: Tensor) -> Part:
    return Part(site, positions, vectors, torch.zeros_like(vectors), "zero")
