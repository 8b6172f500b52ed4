"""What one expert, or one neuron of it, adds to the residual stream at every position (docs/method.md#experts)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import TransparencyError, out_of_range
from ..model.linear import sizes
from ..trace.experts import open_expert, open_shared, run_experts
from ..trace.trace import Trace
from .experts import experts_of, routing, run_block

SHARED = "shared"


def shared_names(count: int) -> list[str]:
    """The names of `count` shared experts: shared, shared2 …"""
    return [SHARED if i == 0 else f"{SHARED}{i + 1}" for i in range(count)]


def expert_named(trace: Trace, layer: int, expert: int | str) -> str:
    """The name of an expert, after a check that it exists. Raises `TransparencyError("invalidParams")`."""
    found = experts_of(trace, layer)
    name, shared = str(expert), shared_names(len(found.shared))
    if name in shared:
        return name
    remedy = f"Experts are 0 to {found.n_experts - 1}" + "".join(f", {other}" for other in shared) + "."
    if not name.isdecimal():
        raise TransparencyError("invalidParams", f"There is no expert {name!r} in layer {layer}.", remedy)
    if int(name) >= found.n_experts:
        raise out_of_range("expert", int(name), found.n_experts)
    return str(int(name))


def expert_states(trace: Trace, layer: int, expert: str) -> Float[Tensor, "position d_model"]:
    """The part of an expert, by number or as `shared`, at every position; 0 where it is not active.

    Raises `TransparencyError("invalidParams")` for a layer without experts.
    """
    return _added(trace, layer, _written(trace, layer, expert))


def expert_neuron_states(trace: Trace, layer: int, expert: str, neuron: int) -> Float[Tensor, "position d_model"]:
    """The part of one neuron of an expert at every position; 0 where the expert is not active.

    Raises `TransparencyError`: `invalidParams` without experts, `modelUnsupported` where neurons cannot be separated.
    """
    experts, states = experts_of(trace, layer), trace.layers[layer].mid
    names = shared_names(len(experts.shared))

    def block() -> Tensor:
        return run_block(trace, layer, states)

    written = _written(trace, layer, expert)
    if expert not in names and not routing(trace, layer).gates_of(int(expert)).any():
        return written.zero_()
    if expert in names:
        opened = open_shared(experts, block, names.index(expert))
    else:
        opened = open_expert(experts, block, len(states), int(expert))
    whole = opened.activation @ opened.w_out
    whole = whole if opened.bias is None else whole + opened.bias
    rows = written[opened.rows]
    # the block's own gates and factors, one for each position
    factor = (rows * whole).sum(dim=-1) / (whole * whole).sum(dim=-1).clamp_min(torch.finfo(torch.float32).tiny)
    found = torch.zeros_like(written)
    found[opened.rows] = (factor * opened.activation[:, neuron])[:, None] * opened.w_out[neuron]
    return _added(trace, layer, found)


def n_neurons(trace: Trace, layer: int, expert: str) -> int:
    """The number of neurons of an expert."""
    experts = experts_of(trace, layer)
    names = shared_names(len(experts.shared))
    if expert in names:
        return sizes(experts.shared_output(names.index(expert)))[0]
    weights = experts.output_weights[0]
    return int(weights.numel() // trace.anatomy.d_model)


def _written(trace: Trace, layer: int, expert: str) -> Float[Tensor, "position d_model"]:
    """What the block writes with this expert alone, less what it writes with none, before any step behind it."""
    experts, states = experts_of(trace, layer), trace.layers[layer].mid
    n, names = len(states), shared_names(len(experts.shared))
    keep = torch.zeros(2 * n, experts.n_experts, dtype=torch.bool, device=states.device)
    keep_shared = torch.zeros(2 * n, len(names), dtype=torch.bool, device=states.device)
    if expert in names:
        keep_shared[:n, names.index(expert)] = True
    else:
        keep[:n, int(expert)] = True
    made: list[Tensor] = []
    run_experts(experts, lambda: made.append(run_block(trace, layer, states.repeat(2, 1))), 2 * n, keep, keep_shared)
    return made[0][:n] - made[0][n:]


def _added(trace: Trace, layer: int, written: Float[Tensor, "position d_model"]) -> Float[Tensor, "position d_model"]:
    scale = trace.layers[layer].ffn_scale
    parts = trace.anatomy.blocks[layer].after_ffn.linear(written)
    return parts if scale is None else parts * scale[:, None]
