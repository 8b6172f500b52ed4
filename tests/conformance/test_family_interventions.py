"""Removals measured in batches from the middle of a run, against transformers' own forward with a hook that does the
same, in every kind of family.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from families import IDS, build
from lm_transparency import Trace, Watch
from lm_transparency.causal.interventions import Interventions
from lm_transparency.causal.knockout import hides_keys, keys_hidden
from lm_transparency.causal.metric import Metric
from lm_transparency.causal.parts import Part, Parts
from lm_transparency.causal.runs import Change, HiddenKey, Start, changed_logits
from lm_transparency.causal.units import Unit, edge
from lm_transparency.model.anatomy import dissect
from lm_transparency.trace.recording import record

FAMILIES: dict[str, dict[str, Any]] = {
    **{name: {} for name in ("llama", "gpt2", "opt", "qwen2", "qwen3", "phi3", "starcoder2")},
    # norms behind sublayers
    **{name: {} for name in ("gemma2", "gemma3_text", "olmo2", "glm4")},
    # one step for attention and feed-forward block
    **{name: {} for name in ("gptj", "cohere", "phi", "codegen")},
    "gpt_neox": {"use_parallel_residual": True},
    # experts, sinks, values of a width of their own, multipliers
    **{name: {} for name in ("mixtral", "qwen2_moe", "qwen3_moe", "gpt_oss", "deepseek_v3", "llama4_text")},
    "granite": {"residual_multiplier": 0.22},
    # attention code of its own
    **{name: {} for name in ("falcon", "bloom", "mpt")},
    # a window shorter than the prompt
    "mistral": {"sliding_window": 7},
    # gates, and hybrids
    **{name: {} for name in ("qwen3_next", "laguna", "bitnet", "jamba", "lfm2", "falcon_h1", "doge", "bamba")},
}

HYBRIDS = {"qwen3_next", "jamba", "lfm2", "falcon_h1", "bamba"}

#: The metric, and positions of the units.
LAST, QUERY, KEY = 8, 5, 2


@pytest.mark.parametrize("family", FAMILIES)
def test_a_measured_removal_is_that_of_a_plain_run_with_a_hook(family: str) -> None:
    model = build(family, FAMILIES[family])
    trace = record(model, dissect(model), IDS, Watch())
    parts = Parts(trace)
    units = units_of(trace)
    assert {unit.kind for unit in units} >= {"edge", "edge_head", "head", "head_all", "ffn"}
    removed = [parts.of(unit) for unit in units]
    engine = Interventions(model, trace, LAST, Watch())
    metric = Metric(LAST, int(engine.clean.argmax()), int(engine.clean.argmin()))
    clean = metric.of(engine.clean)
    runs = [(Change(part.site, part.positions, part.change),) for part in removed]
    together = dict(engine.logits(runs))
    wanted = [float(clean - metric.of(plain(model, trace, part))) for part in removed]
    # the last bits of the two logits
    rounding = 4 * torch.finfo(torch.float32).eps * float(engine.clean.abs().max())
    # some families have small effects
    least = min(1e-2, 1e-2 * max(map(abs, wanted)))
    assert least > 1e-5, "effects too small to prove anything"
    for i, unit in enumerate(units):
        effect = float(clean - metric.of(together[i]))
        # the same removal alone, in a batch of one
        ((_, alone),) = engine.logits([runs[i]])
        assert abs(float(clean - metric.of(alone)) - effect) <= 1e-5 + 1e-4 * abs(effect), unit
        if abs(wanted[i]) >= least:
            assert abs(effect - wanted[i]) <= 1e-3 * abs(wanted[i]) + rounding, (str(unit), engine.start)


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "mixtral", "gpt_neox", "falcon", "qwen3_next"])
def test_a_run_gives_the_same_wherever_it_starts(family: str) -> None:
    model = build(family, FAMILIES[family])
    trace = record(model, dissect(model), IDS, Watch())
    parts = Parts(trace)
    removed = [parts.of(unit) for unit in units_of(trace)]
    runs = [(Change(part.site, part.positions, part.change),) for part in removed]
    start = Interventions(model, trace, LAST, Watch()).start
    assert start == ("layer" if family == "qwen3_next" else "position")
    starts = get_args(Start)[get_args(Start).index(start) :]
    found = [changed_logits(model, trace, runs, LAST, 0, s) for s in starts]
    late = [i for i, run in enumerate(runs) if run[0].positions[0] >= KEY]
    found.append(found[0].clone())
    found[-1][late] = changed_logits(model, trace, [runs[i] for i in late], LAST, KEY, start)
    for other in found[1:]:
        assert (other - found[0]).abs().max() <= 1e-4 * found[0].abs().max()


def units_of(trace: Trace) -> list[Unit]:
    """Units of every kind, in the first and the last layer that have them."""
    found: list[Unit] = []
    blocks = trace.anatomy.blocks
    for layer in range(trace.n_layers):
        if blocks[layer].has_attention:
            found += [edge(layer, LAST, KEY), edge(layer, QUERY, KEY, 1), edge(layer, QUERY, QUERY)]
            found += [Unit("head", layer, QUERY, head=2), Unit("head", layer, 0, head=0)]
            found += [Unit("head_all", layer, None, head=3)]
        if blocks[layer].has_ffn:
            found.append(Unit("ffn", layer, QUERY))
            experts = blocks[layer].experts
            if experts is not None:
                found += [Unit("expert", layer, LAST, expert=str(e)) for e in range(experts.n_experts)]
                found += [Unit("neuron", layer, LAST, neuron=3, expert=str(e)) for e in range(experts.n_experts)]
            elif blocks[layer].down_projection is not None:
                found.append(Unit("neuron", layer, QUERY, neuron=3))
    return found


def plain(model: Any, trace: Trace, part: Part) -> Tensor:
    """The logits at `LAST` of a whole run of the model, with the part taken out by one hook."""
    block = trace.anatomy.blocks[part.site.layer]
    delta = torch.zeros(len(IDS), trace.anatomy.d_model)
    for position, vector in zip(part.positions, part.change, strict=True):
        delta[position] = vector
    if part.site.state == "post":
        where, factor = block.module, 1.0
    else:
        where, factor = block.after_attention.norm_module or block.output_projection, block.after_attention.multiplier
    with added_to(where, delta / factor), torch.no_grad():
        return model(input_ids=IDS[None]).logits[0, LAST]


@contextmanager
def added_to(module: nn.Module, delta: Tensor) -> Generator[None]:
    def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (output[0] + delta.reshape(output[0].shape), *output[1:])
        return output + delta.reshape(output.shape)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in HYBRIDS])
def test_a_hidden_key_has_no_probability_in_later_rows(family: str) -> None:
    model = build(family, FAMILIES[family])
    anatomy = dissect(model)
    assert hides_keys(anatomy)
    trace = record(model, anatomy, IDS, Watch())
    engine = Interventions(model, trace, LAST, Watch())
    ((_, found),) = engine.logits([(HiddenKey(KEY),)])
    with keys_hidden(anatomy, lambda: [(0, KEY)], 0):
        hidden = record(model, anatomy, IDS, Watch())
    for layer in hidden.layers:
        rows = layer.attention.probabilities()
        assert float(rows[:, KEY + 1 :, KEY].max()) == 0
        assert float(rows[:, KEY, KEY].max()) > 0
    assert (found - hidden.logits[LAST]).abs().max() <= 1e-4 * found.abs().max()
    assert (found - engine.clean).abs().max() > 1e-3
    # a batch with other runs in it
    together = dict(engine.logits([(HiddenKey(4),), (HiddenKey(KEY),), ()]))
    assert (together[1] - found).abs().max() <= 1e-4 * found.abs().max()
    assert (together[2] - engine.clean).abs().max() <= 1e-4 * found.abs().max()
