"""Families of the installed transformers that have experts, tiny and random: opened exactly, or with a reason.

`make test` tries every fourth and those that a person is most likely to look at, `make test-more` all.
`pytest tests/conformance/test_family_experts.py -s` prints the table.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoConfig

from families import CAUSAL, IDS, TRIED, WHOLE, build, unwarned
from lm_transparency import Trace, TransparencyError, Watch
from lm_transparency.model.anatomy import dissect
from lm_transparency.routes import experts
from lm_transparency.routes.contributions import Contributions, contributions
from lm_transparency.trace.recording import record

#: Families whose experts open exactly with the transformers version that the constraints name.
LEAST_OPENED = 44
#: They must: what a person is most likely to look at.
WANTED = {"mixtral", "qwen3_moe", "olmoe", "gpt_oss", "deepseek_v3", "qwen2_moe", "llama4_text", "minimax_m2"}
#: Experts in the second of two layers, and more than one that is active.
CHANGES = {"first_k_dense_replace": 1, "moe_topk": 2}

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Outcome:
    """The largest errors over layers, positions and experts; `removed`: of the block without an expert."""

    family: str
    why: str
    n_shared: int = 0
    parts: float = 0.0
    neurons: float = 0.0
    removed: float = 0.0
    shares: float = 0.0
    gates: float = 0.0


def with_experts() -> list[str]:
    """Families to try whose configuration speaks of experts."""
    found: list[str] = []
    for family in CAUSAL:
        if family not in TRIED and family not in WANTED:
            continue
        try:
            names = AutoConfig.for_model(family).get_text_config(decoder=True).to_dict()
        except Exception:  # what a configuration objects to is as varied as the families
            continue
        if any("expert" in name for name in names):
            found.append(family)
    return found


def tiny(family: str) -> Any:
    names = AutoConfig.for_model(family).get_text_config(decoder=True).to_dict()
    return build(family, {name: value for name, value in CHANGES.items() if name in names})


@pytest.fixture(scope="module")
def outcomes() -> Iterator[list[Outcome]]:
    with unwarned():
        yield [outcome(family) for family in with_experts()]


def outcome(family: str) -> Outcome:
    try:
        model = tiny(family)
        anatomy = dissect(model)
        gates = watched_gates(model, anatomy)
        trace = record(model, anatomy, IDS, Watch())
    except TransparencyError as error:
        return Outcome(family, error.message)
    except Exception as error:
        return Outcome(family, f"not built: {type(error).__name__}: {error}".splitlines()[0][:90])
    kept, proof = contributions(trace)
    if not proof.holds:
        return Outcome(family, proof.sentence())
    layers = [i for i, block in enumerate(anatomy.blocks) if block.experts is not None]
    if not layers:
        return Outcome(family, "no block of it has experts that can be opened")
    found = [opened(model, trace, kept, layer, gates[layer]) for layer in layers]
    n_shared = len(anatomy.blocks[layers[-1]].experts.shared)
    return Outcome(family, "", n_shared, *(max(column) for column in zip(*found, strict=True)))


def opened(model: Any, trace: Trace, kept: Contributions, layer: int, watched: Any) -> tuple[float, ...]:
    parts_error = neurons_error = removed_error = shares_error = gates_error = 0.0
    for position in (0, 4, 9):
        parts = experts.expert_parts(trace, layer, position)
        shares = experts.expert_shares(trace, kept, layer, position, parts)
        parts_error = max(parts_error, parts.error)
        shares_error = max(shares_error, abs(shares.contribution.sum() + shares.residual + shares.bias - 1))
        for expert, gate in zip(parts.experts, parts.gates, strict=False):
            gates_error = max(gates_error, float(abs(watched[position][expert] - gate)))
        for part in range(len(parts.parts)):
            neurons = experts.expert_neurons(trace, kept, layer, position, part, parts)
            total = neurons.contribution.sum() + neurons.others + neurons.residual + neurons.bias
            neurons_error = max(neurons_error, neurons.error)
            shares_error = max(shares_error, abs(total - 1))
    block = trace.anatomy.blocks[layer]
    if block.after_ffn.norm is None:
        parts = experts.expert_parts(trace, layer, 9)
        for part in range(len(parts.parts)):
            without = record_without(model, layer, part, parts)
            wrote = (trace.layers[layer].ffn[9] - without).float()
            removed_error = max(removed_error, float((wrote - parts.parts[part]).norm() / parts.parts[part].norm()))
    return parts_error, neurons_error, removed_error, shares_error, gates_error


def record_without(model: Any, layer: int, part: int, parts: experts.ExpertParts) -> Tensor:
    """What the block writes when the output weights of one expert are 0: no hook, another model."""
    other = copy.deepcopy(model)
    anatomy = dissect(other)
    found = anatomy.blocks[layer].experts
    assert found is not None
    with torch.no_grad():
        if part < len(parts.experts):
            for name, weight in found.module.named_parameters():
                if name.startswith("down_proj"):
                    weight[parts.experts[part]] = 0
        else:
            for weight in found.shared_output(part - len(parts.experts)).parameters():
                weight.zero_()
    return record(other, anatomy, IDS, Watch()).layers[layer].ffn[9]


def watched_gates(model: Any, anatomy: Any) -> dict[int, np.ndarray]:
    """The gates [position, expert] as an untouched pass computes them, read off the router's own output."""
    caught: dict[int, Any] = {}
    handles = [
        block.experts.router.register_forward_hook(
            lambda _module, _args, output, layer=layer: caught.__setitem__(layer, output)
        )
        for layer, block in enumerate(anatomy.blocks)
        if block.experts is not None
    ]
    with torch.no_grad():
        model(input_ids=IDS[None], use_cache=False)
    for handle in handles:
        handle.remove()
    return {layer: dense(output) for layer, output in caught.items()}


def dense(output: Any) -> np.ndarray:
    index = next((x for x in output if not x.is_floating_point()), None)
    if index is None:
        # Llama 4 returns the gates of all experts, 0 where they are not chosen
        return output[0].reshape(len(IDS), -1).float().numpy()
    _, gate, _ = output
    n_experts = output[0].shape[-1]
    return torch.zeros(len(IDS), n_experts).scatter(1, index, gate.float()).numpy()


def test_experts_open_exactly_in_as_many_families_as_ever(outcomes: list[Outcome]) -> None:
    print(table(outcomes))
    exact = [o for o in outcomes if not o.why]
    for o in exact:
        assert o.parts <= 1e-4, o
        assert o.neurons <= 1e-4, o
        assert o.removed <= 1e-4, o
        assert o.shares <= 1e-5, o
        assert o.gates <= 1e-6, o
    assert {o.family for o in exact} >= WANTED
    assert any(o.n_shared for o in exact)
    assert not WHOLE or len(exact) >= LEAST_OPENED


def table(outcomes: list[Outcome]) -> str:
    lines = ["", f"experts open exactly in {sum(not o.why for o in outcomes)} families of {len(outcomes)}", ""]
    for o in outcomes:
        figures = f"parts {o.parts:.0e}, neurons {o.neurons:.0e}, removed {o.removed:.0e}, gates {o.gates:.0e}"
        lines.append(f"{o.family:<24} {o.why[:100] or figures}")
    return "\n".join(lines)
