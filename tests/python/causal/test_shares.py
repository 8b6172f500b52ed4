"""Shares against a reference that freezes a run by hand, what they are kept from counting, and how they stop."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForSequenceClassification

from families import IDS, build
from lm_transparency import Cancelled, TransparencyError, Watch
from lm_transparency.ambient import guard
from lm_transparency.causal import backward
from lm_transparency.causal.metric import Metric
from lm_transparency.causal.reading import read_at
from lm_transparency.causal.rules import Rules
from lm_transparency.causal.shares import Shares, shares
from lm_transparency.causal.switches import Switches
from lm_transparency.model.anatomy import dissect
from lm_transparency.model.readout import readout
from lm_transparency.trace.recording import record
from lm_transparency.trace.trace import Trace
from tiny_models import perturb

LAST = 8
METRIC = Metric(LAST, 5, 9)


def shares_of(model: Any, metric: Metric = METRIC, ids: Tensor = IDS, watch: Watch | None = None) -> Shares:
    with guard(model):
        return shares(model, dissect(model), ids, metric, watch or Watch())


def test_a_token_has_the_share_of_its_embedding_in_the_frozen_run() -> None:
    model = build("llama", {"num_key_value_heads": 2})
    trace = record(model, dissect(model), IDS[: LAST + 1], Watch())
    wanted = torch.stack([frozen(model, trace, position) for position in range(LAST + 1)])
    found = shares_of(model)
    assert torch.allclose(found.tokens, wanted, rtol=1e-4, atol=1e-5)
    assert found.positions is None and not found.biases
    assert found.m == pytest.approx(float(wanted.sum()), abs=1e-5)


def frozen(model: Any, trace: Trace, position: int) -> Tensor:
    """m of a run with one token's embedding alone, with attention, scales and activations as they were."""
    eps = model.config.rms_norm_eps
    states = torch.zeros_like(trace.layers[0].pre)
    states[position] = trace.layers[0].pre[position]

    def normed(norm: nn.Module, alone: Tensor, whole: Tensor) -> Tensor:
        return alone * (whole.square().mean(-1, keepdim=True) + eps).rsqrt() * norm.weight

    with torch.no_grad():
        for layer, block in zip(trace.layers, model.model.layers, strict=True):
            read = normed(block.input_layernorm, states, layer.pre)
            value = block.self_attn.v_proj(read).unflatten(-1, (2, -1)).transpose(0, 1).repeat_interleave(2, 0)
            mixed = (layer.attention.probabilities() @ value).transpose(0, 1).flatten(1)
            states = states + block.self_attn.o_proj(mixed)
            read, whole = (normed(block.post_attention_layernorm, x, layer.mid) for x in (states, layer.mid))
            gate, up = block.mlp.gate_proj(whole), block.mlp.up_proj(whole)
            half = functional.silu(gate) * block.mlp.up_proj(read)
            other = up * functional.silu(gate) / gate * block.mlp.gate_proj(read)
            states = states + block.mlp.down_proj((half + other) / 2)
        logits = model.lm_head(normed(model.model.norm, states, trace.layers[-1].post)[LAST])
    return METRIC.of(logits)


def test_the_last_biases_have_the_shares_that_they_add() -> None:
    model = build("phi", {})
    found = shares_of(model)
    added = (model.lm_head.bias[5] - model.lm_head.bias[9]).detach()
    assert found.biases[2, "lm_head"] == pytest.approx(float(added), abs=1e-6)
    shift = (model.lm_head.weight[5] - model.lm_head.weight[9]).detach() @ model.model.final_layernorm.bias.detach()
    assert found.biases[2, "model.final_layernorm"] == pytest.approx(float(shift), abs=1e-5)
    assert found.of_layer(2) == pytest.approx(float(added + shift), abs=1e-5)


@pytest.mark.parametrize("ids", [IDS, torch.arange(10), torch.full((10,), 7)], ids=["text", "as positions", "repeated"])
def test_tokens_and_learned_positions_are_told_apart(ids: Tensor) -> None:
    model = build("gpt2", {})
    found = shares_of(model, ids=ids)
    assert found.holds and found.positions is not None and bool((found.positions != 0).all())
    model.transformer.wpe.weight.data.zero_()
    without = shares_of(model, ids=ids)
    assert without.holds and without.positions is not None and not without.positions.any()
    assert bool((without.tokens != 0).all())


def test_one_token_has_all_the_share() -> None:
    found = shares_of(build("llama", {}), Metric(0, 5, 9))
    assert found.holds and float(found.tokens) == pytest.approx(found.m, abs=1e-5)


def test_a_soft_cap_of_the_logits_keeps_the_sum() -> None:
    model = build("gemma2", {"final_logit_softcapping": 3.0})
    found = shares_of(model)
    with guard(model):
        plain = read_at(model, dissect(model), IDS[: LAST + 1], LAST)[0]
    assert plain.abs().max() > 2
    assert found.error <= 1e-5 and found.m == float(METRIC.of(plain))


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3", "mixtral"])
def test_the_code_of_the_attention_makes_no_difference(family: str) -> None:
    model = build(family, {})
    found = shares_of(model)
    model.set_attn_implementation("eager")
    assert torch.allclose(shares_of(model).tokens, found.tokens, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "mixtral", "qwen3_next"])
def test_layers_that_run_again_give_the_same(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(family, {})
    once = shares_of(model)
    monkeypatch.setattr(backward, "_LONG", 4)
    again = shares_of(model)
    assert torch.allclose(again.tokens, once.tokens, rtol=1e-4, atol=1e-6) and again.holds
    assert again.biases == pytest.approx(once.biases, rel=1e-4, abs=1e-6)


def test_two_tokens_that_are_almost_one_are_no_failure() -> None:
    model = build("gpt2", {"tie_word_embeddings": False})
    rows = model.lm_head.weight.data
    rows[9] = rows[5] * (1 + 1e-6)
    found = shares_of(model)
    assert 0 < found.size < 1e-3 and found.holds
    assert abs(found.unassigned) < 1e-5


def test_half_precision_holds_within_its_rounding() -> None:
    found = shares_of(build("llama", {}).bfloat16())
    assert found.tolerance == 2e-2 and found.holds


def test_a_scale_that_is_added_to_a_state_is_no_bias() -> None:
    anatomy = dissect(build("llama", {}))
    switches = Switches(anatomy, IDS)
    with torch.enable_grad(), Rules(switches):
        states = switches.embedded(torch.randn(1, 10, 32), IDS[None], 160)
        assert states.requires_grad
        total = (states + states.sigmoid() + torch.ones(32)).sum()
    total.backward()
    # the constant has a switch, what depends on the tokens through a gate has none
    (bias,) = switches.biases.values()
    assert not switches.has_positions
    assert float(bias.grad) == pytest.approx(320)
    assert float(switches.tokens.grad.sum()) == pytest.approx(float(states.detach().sum()), rel=1e-4)


def test_what_no_rule_assigns_is_reported() -> None:
    model = build("llama", {})
    # a sum with a gate, where no rule gives the gate a share
    model.model.layers[0].mlp.down_proj.register_forward_hook(lambda _m, _a, output: output + output.sigmoid())
    found = shares_of(model)
    assert not found.holds and found.error > 1e-2
    assert found.unassigned == pytest.approx(found.m - float(found.tokens.sum()), abs=1e-5)


def test_code_that_writes_into_a_state_changes_nothing() -> None:
    anatomy = dissect(build("llama", {}))
    found: list[Tensor] = []
    for in_place in (False, True):
        switches = Switches(anatomy, IDS)
        torch.manual_seed(0)
        with torch.enable_grad(), Rules(switches):
            states = switches.embedded(torch.randn(1, 10, 32), IDS[None], 160)
            gate, up = functional.silu(states @ torch.randn(32, 8)), states @ torch.randn(32, 8)
            if in_place:
                gate *= up
                gate.add_(1.5).relu_().div_(2)
                total = gate.sum()
            else:
                total = (torch.relu(gate * up + 1.5) / 2).sum()
        total.backward()
        (bias,) = switches.biases.values()
        found.append(torch.cat([switches.tokens.grad, bias.grad[None], total.detach()[None].double()]))
    assert torch.allclose(found[0], found[1])
    assert float(found[0][:-1].sum()) == pytest.approx(float(found[0][-1]), rel=1e-5)


def test_a_label_of_a_classifier_has_shares() -> None:
    config = build("llama", {}).config
    config.num_labels = 3
    model = perturb(AutoModelForSequenceClassification.from_config(config).eval())
    metric = Metric(LAST, 1, 0, readout=readout(model))
    found = shares_of(model, metric)
    assert found.holds
    with torch.no_grad():
        assert found.m == pytest.approx(float(metric.of(model(input_ids=IDS[None, : LAST + 1]).logits[0])), abs=1e-5)


def test_a_log_probability_has_no_shares() -> None:
    with pytest.raises(TransparencyError, match="log-probability"):
        shares_of(build("llama", {}), Metric(LAST, 5, kind="logprob"))


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_cancelled_pass_stops_at_the_next_layer_and_leaves_the_model_as_it_was(after: int) -> None:
    model = build("gpt2", {})
    before = state_of(model)
    seen: list[int] = []

    def report(_stage: str, done: int, _total: int) -> None:
        seen.append(done)
        if len(seen) == after:
            watch.cancel()

    watch = Watch(report)
    with pytest.raises(Cancelled):
        shares_of(model, watch=watch)
    assert len(seen) == after
    assert state_of(model) == before
    assert shares_of(model).holds and state_of(model) == before


def state_of(model: Any) -> Any:
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    own = [list(vars(m)) for m in model.modules()]
    return hooks, own, [p.requires_grad for p in model.parameters()], torch._C._len_torch_function_stack()
