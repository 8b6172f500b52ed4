"""Experts of a mixture: against the formula written out from the weights, and through the questions that users ask."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import silu

import lm_transparency as lt
from families import IDS, build
from lm_transparency import Trace, Watch
from lm_transparency.model.anatomy import dissect
from lm_transparency.routes import experts, neurons
from lm_transparency.routes.contributions import Contributions, contributions
from lm_transparency.trace.recording import record
from reference import proximity
from tiny_models import train_tokenizer

PROMPT = "When Mary and John went to the store"


def recorded(family: str, changes: dict[str, Any] | None = None) -> tuple[Any, Trace, Contributions]:
    model = build(family, changes or {})
    trace = record(model, dissect(model), IDS, Watch())
    return model, trace, contributions(trace)[0]


def float64_parts(model: Any, trace: Trace, layer: int, position: int) -> dict[str, np.ndarray]:
    """The output of each expert of a Mixtral or Qwen2-MoE block: softmax over experts, the top two, SwiGLU."""
    block = model.model.layers[layer].double()
    mlp = block.mlp
    x = block.post_attention_layernorm(trace.layers[layer].mid[position].double())
    probability = (mlp.gate.weight.double() @ x).softmax(dim=-1)
    gate, index = probability.topk(2)
    if getattr(mlp.gate, "norm_topk_prob", True):
        gate = gate / gate.sum()
    written: dict[str, np.ndarray] = {}
    for g, e in zip(gate, index.tolist(), strict=True):
        half, up = (mlp.experts.gate_up_proj[e] @ x).chunk(2)
        written[str(e)] = (g * (mlp.experts.down_proj[e] @ (silu(half) * up))).detach().numpy()
    if hasattr(mlp, "shared_expert"):
        shared = mlp.shared_expert_gate(x).sigmoid() * mlp.shared_expert(x)
        written["shared"] = shared.detach().numpy()
    model.float()
    return written


@pytest.mark.parametrize("family", ["mixtral", "qwen2_moe"])
def test_every_expert_writes_what_its_weights_say(family: str) -> None:
    model, trace, kept = recorded(family)
    for layer in range(2):
        for position in (0, 5, 9):
            parts = experts.expert_parts(trace, layer, position)
            shares = experts.expert_shares(trace, kept, layer, position, parts)
            wanted = float64_parts(model, trace, layer, position)
            names = [*map(str, parts.experts), "shared"][: len(parts.parts)]
            assert set(names) == set(wanted)
            for name, part in zip(names, parts.parts, strict=True):
                assert part.numpy() == pytest.approx(wanted[name], abs=1e-5)
            assert parts.bias is None
            assert parts.error <= 1e-5
            assert parts.holds
            # and as parts of the residual after the layer, by the definition
            post, mid = (x[position].double().numpy() for x in (trace.layers[layer].post, trace.layers[layer].mid))
            near = proximity(np.stack([wanted[name] for name in names]), post)
            rest = float(proximity(mid, post))
            assert shares.contribution == pytest.approx(near / (near.sum() + rest), abs=1e-5)
            assert shares.residual == pytest.approx(rest / (near.sum() + rest), abs=1e-5)


def test_neurons_of_an_expert_are_parts_beside_the_other_experts() -> None:
    model, trace, kept = recorded("mixtral")
    layer, position = 1, 9
    parts = experts.expert_parts(trace, layer, position)
    block = model.model.layers[layer]
    x = block.post_attention_layernorm(trace.layers[layer].mid[position])
    for at, expert in enumerate(parts.experts):
        found = experts.expert_neurons(trace, kept, layer, position, at, parts)
        half, up = (block.mlp.experts.gate_up_proj[expert] @ x).chunk(2)
        activation = (silu(half) * up).detach()
        assert found.activation[position] == pytest.approx(activation.numpy(), abs=1e-5)
        vectors = parts.gates[at] * block.mlp.experts.down_proj[expert].T.detach()
        assert found.vectors.numpy() == pytest.approx(vectors.numpy(), abs=1e-6)
        post, mid = trace.layers[layer].post[position].numpy(), trace.layers[layer].mid[position].numpy()
        near = proximity((activation[:, None] * vectors).double().numpy(), post.astype(np.float64))
        other = float(proximity(parts.parts[1 - at].double().numpy(), post.astype(np.float64)))
        rest = float(proximity(mid.astype(np.float64), post.astype(np.float64)))
        total = near.sum() + other + rest
        assert found.contribution == pytest.approx(near / total, abs=1e-5)
        assert (found.others, found.residual, found.bias) == pytest.approx((other / total, rest / total, 0), abs=1e-5)
        # nothing where another expert was chosen
        chosen = experts.routing(trace, layer).gates_of(expert) > 0
        assert (np.abs(found.activation).sum(axis=1) > 0).tolist() == chosen.tolist()


def test_the_bias_of_an_expert_is_a_part_that_counts() -> None:
    _, trace, kept = recorded("gpt_oss")
    biases: list[float] = []
    for position in range(10):
        parts = experts.expert_parts(trace, 1, position)
        for at in range(len(parts.parts)):
            found = experts.expert_neurons(trace, kept, 1, position, at, parts)
            assert found.error <= 1e-5
            biases.append(found.bias)
    assert max(biases) > 0.01


def test_what_stands_behind_the_experts_is_respected() -> None:
    # a norm after the block, a residual multiplier, a factor on the experts together, a gate on the input
    cases: list[tuple[str, dict[str, Any]]] = [
        ("flex_olmo", {}),
        ("granitemoe", {"residual_multiplier": 0.22}),
        ("minimax_m3_vl_text", {"routed_scaling_factor": 3.0}),
        ("deepseek_v3", {"first_k_dense_replace": 1, "routed_scaling_factor": 2.5}),
        ("llama4_text", {}),
        ("cohere2_moe", {"num_shared_experts": 2, "shared_expert_combination_strategy": "average"}),
    ]
    for family, changes in cases:
        _, trace, kept = recorded(family, changes)
        parts = experts.expert_parts(trace, 1, 7)
        assert parts.error <= 1e-5, family
        shares = experts.expert_shares(trace, kept, 1, 7, parts)
        assert shares.contribution.sum() + shares.residual + shares.bias == pytest.approx(1, abs=1e-6), family
        for part in range(len(parts.parts)):
            assert experts.expert_neurons(trace, kept, 1, 7, part, parts).error <= 1e-5, family


def test_the_mean_of_experts_and_shared_experts_halves_both() -> None:
    changes = {"num_shared_experts": 2, "shared_expert_combination_strategy": "average"}
    _, trace, _ = recorded("cohere2_moe", changes)
    parts = experts.expert_parts(trace, 1, 7)
    assert parts.gates[-1] == pytest.approx(0.5, abs=1e-5)
    assert parts.factors[:-1] == pytest.approx([gate / 2 for gate in parts.gates[:-1]], abs=1e-5)
    assert experts.shared_gates(trace, 1, 0, 1e-4) == pytest.approx(np.full(10, 0.5), abs=1e-5)


def test_a_router_that_changed_since_the_pass_is_caught() -> None:
    model, trace, _ = recorded("mixtral")
    assert experts.expert_parts(trace, 1, 9).holds
    with torch.no_grad():
        model.model.layers[1].mlp.gate.weight.mul_(-1)
    found = experts.expert_parts(trace, 1, 9)
    assert not found.holds
    assert found.error > 0.1


@pytest.mark.parametrize("wrong", [0.9, 1.02])
def test_a_wrong_gate_is_caught(wrong: float) -> None:
    model, trace, _ = recorded("mixtral")
    module = model.model.layers[1].mlp.experts
    handle = module.register_forward_pre_hook(lambda _module, args: (args[0], args[1], args[2] * wrong))
    found = experts.expert_parts(trace, 1, 9)
    handle.remove()
    assert found.error == pytest.approx(abs(1 - wrong), rel=1e-2)
    assert not found.holds


def test_how_a_router_scores_is_measured() -> None:
    for family, scoring in (("mixtral", "softmax"), ("minimax_m2", "sigmoid"), ("phimoe", "unknown")):
        model, trace, _ = recorded(family)
        found = experts.routing(trace, 1)
        assert found.scoring == scoring
        assert found.logits is not None
        probabilities = found.probabilities()
        if scoring == "unknown":
            assert probabilities is None
            continue
        block = model.model.layers[1]
        mlp = getattr(block, "mlp", None) or block.block_sparse_moe
        logits = block.post_attention_layernorm(trace.layers[1].mid) @ mlp.gate.weight.T
        wanted = logits.softmax(dim=-1) if scoring == "softmax" else logits.sigmoid()
        assert probabilities == pytest.approx(wanted.detach().numpy(), abs=1e-5)


def test_opening_leaves_the_model_as_it_was() -> None:
    model, trace, kept = recorded("qwen2_moe")
    before = model.config._experts_implementation
    with torch.no_grad():
        wanted = model(input_ids=IDS[None], use_cache=False).logits
    parts = experts.expert_parts(trace, 1, 3)
    for part in range(len(parts.parts)):
        experts.expert_neurons(trace, kept, 1, 3, part, parts)
    experts.shared_gates(trace, 1, 0, parts.tolerance)
    assert model.config._experts_implementation == before
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert not any("forward" in vars(m) for m in model.modules())
    with torch.no_grad():
        assert torch.equal(model(input_ids=IDS[None], use_cache=False).logits, wanted)


def test_experts_open_in_bfloat16() -> None:
    for family in ("mixtral", "gpt_oss", "qwen2_moe"):
        model = build(family, {}).to(torch.bfloat16)
        trace = record(model, dissect(model), IDS, Watch())
        kept, _ = contributions(trace)
        parts = experts.expert_parts(trace, 1, 9)
        assert parts.tolerance == 2e-2
        assert parts.holds, family
        found = experts.expert_neurons(trace, kept, 1, 9, 0, parts)
        assert found.error <= 2e-2
        assert found.contribution.sum() + found.others + found.residual + found.bias == pytest.approx(1, abs=1e-6)


# ---------------------------------------------------------------- neurons of blocks that are their own output layer


@pytest.mark.parametrize("family", ["opt", "bloom", "mpt", "xglm", "biogpt", "ctrl"])
def test_neurons_whose_first_layer_is_no_part_of_the_block(family: str) -> None:
    model = build(family, {})
    anatomy = dissect(model)
    given: dict[int, torch.Tensor] = {}
    handles = [
        block.neurons().register_forward_pre_hook(lambda _m, args, layer=layer: given.__setitem__(layer, args[0]))
        for layer, block in enumerate(anatomy.blocks)
    ]
    with torch.no_grad():
        model(input_ids=IDS[None], use_cache=False)
    for handle in handles:
        handle.remove()
    trace = record(model, anatomy, IDS, Watch())
    kept, proof = contributions(trace)
    assert proof.holds
    for layer, block in enumerate(anatomy.blocks):
        activation = neurons.activations(trace, layer)
        assert torch.equal(activation, given[layer].reshape(len(IDS), -1))
        bias = block.b_out()
        written = activation @ block.w_out() + (0 if bias is None else bias)
        assert written.detach().numpy() == pytest.approx(trace.layers[layer].ffn.numpy(), abs=1e-4)
        for position in (0, 9):
            found = neurons.neurons(trace, kept, layer, position)
            assert found.contribution.max() > 0
            assert found.contribution.sum() + found.residual + found.bias == pytest.approx(1, abs=1e-6)
        if trace.layers[layer].activation is not None:
            held = dataclasses.replace(trace, layers=(trace.layers[layer],)).memory_bytes()
            bare = dataclasses.replace(trace.layers[layer], activation=None)
            assert held > dataclasses.replace(trace, layers=(bare,)).memory_bytes()


# ---------------------------------------------------------------- as a person looks into it


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> lt.Analysis:
    folder, tokenizer = tmp_path_factory.mktemp("moe"), train_tokenizer()
    build("qwen2_moe", {"vocab_size": len(tokenizer) + 8, "mlp_only_layers": [0]}).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return lt.analyze(lt.load_model(str(folder)), PROMPT)


def test_a_block_lists_its_experts(run: lt.Analysis) -> None:
    view = lt.inspect_experts(run, 1, 5, top_k=3)
    assert view.n_experts == 4
    assert view.scoring == "softmax"
    assert view.notice is None
    assert view.experts_total + view.residual + view.bias == pytest.approx(1, abs=1e-6)
    assert view.block_contribution == pytest.approx(float(run.contributions.ffn[1, 5]))
    shares = [e.contribution for e in view.experts]
    assert shares == sorted(shares, reverse=True)
    assert {len(e.promoted) for e in view.experts} == {3}
    active = {e.expert: e.gate for e in view.experts}
    assert set(active) == {"shared", *(str(r.expert) for r in view.router if r.gate)}
    # all four experts, the chosen ones first, probabilities of a whole
    assert sorted(r.expert for r in view.router) == [0, 1, 2, 3]
    assert [r.gate > 0 for r in view.router] == [True, True, False, False]
    assert sum(r.probability for r in view.router) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("which", [0, 1, "shared"])
def test_an_expert_opens(run: lt.Analysis, which: int | str) -> None:
    block = lt.inspect_experts(run, 1, 5)
    active = [e.expert for e in block.experts if e.expert != "shared"]
    name = active[which] if isinstance(which, int) else which
    view = lt.inspect_expert(run, 1, name, 5, top_k=4, neurons_k=6)
    (share,) = (e for e in block.experts if e.expert == name)
    assert (view.expert, view.gate, view.contribution) == (name, share.gate, share.contribution)
    assert [s.id for s in view.update.promoted] == [s.id for s in share.promoted[:4]]
    assert len(view.gates) == len(run.tokens)
    assert view.gates[5] == pytest.approx(view.gate, abs=1e-5)
    assert len(view.neurons) == 6
    assert view.neurons_total + view.others + view.residual + view.bias == pytest.approx(1, abs=1e-6)
    assert view.notice is None
    neuron = view.neurons[0]
    found = lt.inspect_expert_neuron(run, 1, name, neuron.neuron, 5, top_k=4)
    assert found.expert == name
    assert found.share == neuron
    assert found.activations[5] == pytest.approx(neuron.activation)
    assert [a != 0 for a in found.activations] == [g != 0 for g in view.gates]


def test_an_expert_that_is_not_active_shows_where_it_is(run: lt.Analysis) -> None:
    idle = next(r.expert for r in lt.inspect_experts(run, 1, 5).router if not r.gate)
    view = lt.inspect_expert(run, 1, idle, 5)
    assert (view.gate, view.contribution, view.neurons, view.update.promoted) == (0, 0, (), ())
    assert view.gates[5] == 0
    with pytest.raises(lt.TransparencyError, match="is not active at position 5") as caught:
        lt.inspect_expert_neuron(run, 1, idle, 0, 5)
    assert "shared" in str(caught.value)


def test_what_is_not_there_is_refused(run: lt.Analysis) -> None:
    for ask, said in (
        (lambda: lt.inspect_experts(run, 0, 5), "layer 0 has no experts"),
        (lambda: lt.inspect_expert(run, 0, 1, 5), "layer 0 has no experts"),
        (lambda: lt.inspect_experts(run, 2, 5), "no layer 2"),
        (lambda: lt.inspect_expert(run, 1, 4, 5), "Choose 0 to 3"),
        (lambda: lt.inspect_expert(run, 1, "shared2", 5), "no expert 'shared2'"),
        (lambda: lt.inspect_expert(run, 1, -1, 5), "no expert '-1'"),
        (lambda: lt.inspect_expert_neuron(run, 1, "shared", 16, 5), "Choose 0 to 15"),
        (lambda: lt.inspect_ffn(run, 1, 5), "has experts"),
        (lambda: lt.inspect_neuron(run, 1, 0, 5), "has experts"),
    ):
        with pytest.raises(lt.TransparencyError, match=said) as caught:
            ask()
        assert caught.value.kind == "invalidParams"
    # the layer without experts has neurons
    assert lt.inspect_ffn(run, 0, 5).n_neurons == 48


def test_experts_that_do_not_sum_to_the_block_are_said(run: lt.Analysis) -> None:
    layers = list(run.trace.layers)
    layers[1] = dataclasses.replace(layers[1], ffn=layers[1].ffn * 1.01)
    off = dataclasses.replace(run, trace=dataclasses.replace(run.trace, layers=tuple(layers)))
    view = lt.inspect_experts(off, 1, 5)
    assert view.error == pytest.approx(0.01, rel=0.05)
    assert "do not sum to what the block wrote" in view.notice
    assert lt.inspect_expert(off, 1, "shared", 5).notice == view.notice


def test_a_norm_within_the_block_refuses_with_the_reason() -> None:
    model = build("axk1", {})
    assert dissect(model).blocks[1].experts is None
    with pytest.raises(lt.TransparencyError, match="cannot be told apart yet") as caught:
        dissect(model).blocks[1].neurons()
    assert caught.value.kind == "modelUnsupported"


def test_the_command_line_opens_experts(run: lt.Analysis, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from lm_transparency.cli import main

    prompt = tmp_path / "p.prompt"
    prompt.write_text(PROMPT, "utf-8")
    model = ["--model", run.model.source]

    def inspected(*words: str) -> str:
        assert main(["inspect", *words[:2], str(prompt), *model, *words[2:]]) == 0
        return capsys.readouterr().out

    block = lt.inspect_experts(run, 1, 5)
    first = block.experts[0].expert
    text = inspected("ffn", "M1_5")
    assert "router, of 4 experts" in text
    assert "shared expert" in text
    assert '"experts_total"' in inspected("ffn", "M1_5", "--format", "json")
    assert '"activation"' in inspected("ffn", "M0_5", "--format", "json")
    assert "gate by position" in inspected("expert", f"M1_5@{first}")
    assert "neurons together" in inspected("expert", "M1_5@shared", "--top-k", "2")
    assert "neuron 3 of shared expert, layer 1" in inspected("neuron", "M1_5@shared#3")
    for what in ("M1_5", "M1_5@3#4", "M1_5@x", "A1_5@3"):
        assert main(["inspect", "expert", what, str(prompt), *model]) == 2
        assert capsys.readouterr().err
