"""The experts of a feed-forward block: each active one is a part of the residual (docs/method.md#experts)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..errors import TransparencyError
from ..model.experts import Experts
from ..trace.experts import Opened, open_expert, open_shared, route, run_experts
from ..trace.proof import TOLERANCES
from ..trace.trace import Trace
from .contributions import Contributions, inverse
from .kernels import part_proximities, row_proximities

#: How a router turns logits into gates, up to a divisor.
Scoring = Literal["softmax", "sigmoid", "unknown"]


@dataclass(frozen=True)
class Routing:
    """The active experts at each position, and their gates as the model computed them.

    `logits`: the router's, None where it does not return them. `scoring` is measured: the function of the logits that
    the gates are proportional to.
    """

    index: Int[np.ndarray, "position active"]
    gate: Float[np.ndarray, "position active"]
    logits: Float[np.ndarray, "position expert"] | None
    scoring: Scoring

    def gates_of(self, expert: int) -> Float[np.ndarray, "position"]:
        """The gate of one expert at every position; 0 where it is not active."""
        return np.where(self.index == expert, self.gate, 0.0).sum(axis=-1)

    def active(self, position: int) -> list[int]:
        """The active experts of a position, largest gate first."""
        order = np.argsort(-self.gate[position], kind="stable")
        return [int(self.index[position, i]) for i in order if self.gate[position, i] != 0]

    def probabilities(self) -> Float[np.ndarray, "position expert"] | None:
        """The scores that the gates are proportional to, for every expert; None where unknown."""
        if self.logits is None or self.scoring == "unknown":
            return None
        return _score(torch.from_numpy(self.logits), self.scoring).numpy()


@dataclass(frozen=True)
class ExpertParts:
    """Experts and shared experts at one position: `parts` + `bias` is what the block adds to the residual stream.

    `experts` names the first rows of `parts`; the remaining rows are the shared experts. `gates`: the router's, or the
    factor of a shared expert. `factors`: the factor that the block applies to each expert's own output. `error`: ‖whole
    − Σ parts‖₂ / ‖whole‖₂ against the recorded block.
    """

    experts: tuple[int, ...]
    gates: tuple[float, ...]
    factors: tuple[float, ...]
    parts: Float[Tensor, "part d_model"]
    bias: Float[Tensor, "1 d_model"] | None
    error: float
    tolerance: float

    @property
    def holds(self) -> bool:
        return self.error <= self.tolerance


@dataclass(frozen=True)
class ExpertShares:
    """Every part of `ExpertParts` as a part of the residual after the layer: contributions + residual + bias = 1."""

    contribution: Float[np.ndarray, "part"]
    residual: float
    bias: float


@dataclass(frozen=True)
class ExpertNeurons:
    """The neurons of one expert: `activation` at every position (0 where the expert is not active), and at one position
    contributions + others + residual + bias = 1, where `others` are the other experts, each a part of its own.

    `vectors`: what each neuron adds to the residual stream at activation 1, at this position. `error`: of the neurons
    and the expert's bias against the expert's part.
    """

    activation: Float[np.ndarray, "position neuron"]
    contribution: Float[np.ndarray, "neuron"]
    vectors: Float[Tensor, "neuron d_model"]
    others: float
    residual: float
    bias: float
    error: float


def experts_of(trace: Trace, layer: int) -> Experts:
    """The experts of a layer. Raises `TransparencyError("invalidParams")` for a layer without experts."""
    found = trace.anatomy.blocks[layer].experts
    if found is None:
        raise TransparencyError(
            "invalidParams", f"The feed-forward block of layer {layer} has no experts.", "Ask for its neurons instead."
        )
    return found


def routing(trace: Trace, layer: int, positions: slice = slice(None)) -> Routing:
    """The router's choices for the recorded residual of a layer. Raises `TransparencyError` without experts."""
    experts, states = experts_of(trace, layer), trace.layers[layer].mid[positions]
    routed = route(experts, lambda: run_block(trace, layer, states), len(states))
    index, gate = routed.index.cpu(), routed.gate.cpu()
    logits = None if routed.logits is None else routed.logits.cpu()
    scoring = "unknown" if logits is None else _scoring(logits, index, gate)
    return Routing(index.numpy(), gate.numpy(), None if logits is None else logits.numpy(), scoring)


def expert_parts(trace: Trace, layer: int, position: int) -> ExpertParts:
    """The part of each active and each shared expert in the residual stream at `position`.

    The block runs once more on copies of this position, each with all experts but one closed. Gates, factors and means
    are therefore applied by the model's own code. Raises `TransparencyError` without experts.
    """
    experts, record, block = experts_of(trace, layer), trace.layers[layer], trace.anatomy.blocks[layer]
    here = routing(trace, layer, slice(position, position + 1))
    active, n_shared = here.active(0), len(experts.shared)
    # the first copy has no expert open: what the block writes then is its own bias
    n_copies = 1 + len(active) + n_shared
    copies = record.mid[position].expand(n_copies, -1)
    keep = torch.zeros(n_copies, experts.n_experts, dtype=torch.bool, device=copies.device)
    keep_shared = torch.zeros(n_copies, n_shared, dtype=torch.bool, device=copies.device)
    for copy, expert in enumerate(active, start=1):
        keep[copy, expert] = True
    for shared in range(n_shared):
        keep_shared[1 + len(active) + shared, shared] = True
    returned: list[Tensor] = []
    routed = run_experts(experts, lambda: returned.append(run_block(trace, layer, copies)), n_copies, keep, keep_shared)
    assert routed.output is not None
    nothing, written = returned[0][0], returned[0][1:] - returned[0][:1]
    scale = None if record.ffn_scale is None else record.ffn_scale[position : position + 1]
    parts = block.after_ffn.linear(written)
    parts = parts if scale is None else parts * scale
    bias = block.after_ffn.bias(nothing if bool(nothing.any()) else None, scale, 1)
    tolerance = TOLERANCES.get(record.post.dtype, TOLERANCES[torch.float32])
    sum_of_parts = parts.sum(dim=0) if bias is None else parts.sum(dim=0) + bias[0]
    # all experts go through the same factor after them, each shared expert through its own
    of_experts = _ratio(written[: len(active)], routed.output[1 : 1 + len(active)], tolerance)
    gates = [float(here.gates_of(expert)[0]) for expert in active]
    of_shared = [
        _ratio(written[len(active) + i], output[1 + len(active) + i], tolerance)
        for i, output in enumerate(routed.shared)
    ]
    return ExpertParts(
        experts=tuple(active),
        gates=(*gates, *of_shared),
        factors=(*(of_experts * (1 if routed.gates_input else gate) for gate in gates), *of_shared),
        parts=parts,
        bias=bias,
        error=_error(record.ffn[position].float(), sum_of_parts),
        tolerance=tolerance,
    )


def expert_shares(
    trace: Trace, contributions: Contributions, layer: int, position: int, parts: ExpertParts
) -> ExpertShares:
    """The contribution of each part to the residual after the layer."""
    near, bias, rest = _proximities(trace, contributions, layer, position, parts)
    share = float(inverse(np.asarray(near.sum() + bias + rest)))
    return ExpertShares(near * share, rest * share, bias * share)


def shared_gates(trace: Trace, layer: int, number: int, tolerance: float) -> Float[np.ndarray, "position"]:
    """The factor of a shared expert at every position: 1, or a gate of its own."""
    experts, states = experts_of(trace, layer), trace.layers[layer].mid
    closed = torch.zeros(len(states), experts.n_experts, dtype=torch.bool, device=states.device)
    only = torch.zeros(len(states), len(experts.shared), dtype=torch.bool, device=states.device)
    only[:, number] = True
    made: list[Tensor] = []
    routed = run_experts(experts, lambda: made.append(run_block(trace, layer, states)), len(states), closed, only)
    rows = zip(made[0], routed.shared[number], strict=True)
    return np.array([_ratio(row, given, tolerance) for row, given in rows], np.float32)


def expert_activations(trace: Trace, layer: int, part: int, parts: ExpertParts) -> Opened:
    """The neurons of row `part` of `parts` wherever its expert is active in the prompt; shared ones are everywhere."""
    experts, states = experts_of(trace, layer), trace.layers[layer].mid
    if part < len(parts.experts):
        return open_expert(experts, lambda: run_block(trace, layer, states), len(states), parts.experts[part])
    return open_shared(experts, lambda: run_block(trace, layer, states), part - len(parts.experts))


def expert_neurons(
    trace: Trace, contributions: Contributions, layer: int, position: int, part: int, parts: ExpertParts
) -> ExpertNeurons:
    """The neurons of row `part` of `parts`, and their contributions to the residual after the layer.

    Raises `TransparencyError("modelUnsupported")` where the neurons cannot be separated.
    """
    after, record = trace.anatomy.blocks[layer].after_ffn, trace.layers[layer]
    opened = expert_activations(trace, layer, part, parts)
    at = int((opened.rows == position).nonzero()[0, 0])
    factor = parts.factors[part] * (1.0 if record.ffn_scale is None else float(record.ffn_scale[position]))
    activation, vectors = opened.activation[at], after.linear(opened.w_out) * factor
    post = record.post[position].float()
    near = part_proximities(post, activation, vectors)
    by_part, bias, rest = _proximities(trace, contributions, layer, position, parts)
    others = float(by_part.sum() - by_part[part])
    whole = activation @ vectors
    if opened.bias is not None:
        own_bias = after.linear(opened.bias) * factor
        bias += float(row_proximities(post[None], own_bias[None])[0])
        whole = whole + own_bias
    share = float(inverse(np.asarray(near.sum() + others + bias + rest)))
    everywhere = np.zeros((trace.n_tokens, len(activation)), np.float32)
    everywhere[opened.rows.cpu().numpy()] = opened.activation.cpu().numpy()
    return ExpertNeurons(
        activation=everywhere,
        contribution=near * share,
        vectors=vectors,
        others=others * share,
        residual=rest * share,
        bias=bias * share,
        error=_error(parts.parts[part], whole),
    )


def run_block(trace: Trace, layer: int, states: Float[Tensor, "row d_model"]) -> Float[Tensor, "row d_model"]:
    """The output of the feed-forward block for given residual states, before any norm behind it."""
    block = trace.anatomy.blocks[layer]
    with torch.no_grad():
        given = states[None] if block.ffn_norm is block.ffn else block.ffn_norm(states[None])
        blocks = [block.ffn] if block.ffn_beside is None else [block.ffn, block.ffn_beside]
        made: list[Any] = [module(given) for module in blocks]
    wrote = [(x[0] if isinstance(x, tuple) else x).reshape(states.shape).float() for x in made]
    return sum(wrote[1:], wrote[0])


def _proximities(
    trace: Trace, contributions: Contributions, layer: int, position: int, parts: ExpertParts
) -> tuple[Float[np.ndarray, "part"], float, float]:
    """Proximities of each expert, of the block's own bias, and of all else in the row."""
    record = trace.layers[layer]
    post = record.post[position].float()
    near = part_proximities(post, torch.ones(len(parts.parts), device=post.device), parts.parts)
    bias = 0.0 if parts.bias is None else float(row_proximities(post[None], parts.bias)[0])
    block_near = float(row_proximities(post[None], record.ffn[position].float()[None])[0])
    return near, bias, max(0.0, float(contributions.ffn_total[layer, position]) - block_near)


def _error(whole: Float[Tensor, "d_model"], parts: Float[Tensor, "d_model"]) -> float:
    return float((whole - parts).norm() / whole.norm().clamp_min(torch.finfo(torch.float32).tiny))


def _ratio(made: Float[Tensor, "..."], given: Float[Tensor, "..."], tolerance: float) -> float:
    """The factor between the two by least squares; 1 where rounding explains the difference."""
    square = float((given * given).sum())
    ratio = float((made * given).sum()) / square if square > 0 else 1.0
    return 1.0 if abs(ratio - 1) <= tolerance else ratio


def _score(logits: Float[Tensor, "row expert"], scoring: Scoring) -> Float[Tensor, "row expert"]:
    return logits.softmax(dim=-1) if scoring == "softmax" else logits.sigmoid()


def _scoring(
    logits: Float[Tensor, "row expert"],
    index: Int[Tensor, "row active"],
    gate: Float[Tensor, "row active"],
    tolerance: float = 2e-2,
) -> Scoring:
    """The function of the logits that the gates are proportional to, within each row (over the rows where k = 1)."""

    def spread(scoring: Scoring) -> float:
        ratio = gate / _score(logits, scoring).gather(1, index).clamp_min(torch.finfo(torch.float32).tiny)
        ratio = ratio if ratio.shape[1] > 1 else ratio.T
        return float(((ratio.amax(-1) - ratio.amin(-1)) / ratio.abs().amax(-1).clamp_min(1e-30)).max())

    if gate.numel() < 2:
        return "unknown"
    kinds: tuple[Scoring, ...] = ("softmax", "sigmoid")
    best = min(kinds, key=spread)
    return best if spread(best) <= tolerance else "unknown"
