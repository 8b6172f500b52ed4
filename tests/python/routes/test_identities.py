"""The identities of docs/method.md#checks, which must hold on every model and prompt."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

import prompts
from lm_transparency import (
    Analysis,
    Cancelled,
    Lens,
    LoadedModel,
    Trace,
    TransparencyError,
    Watch,
    analyze,
    route_graph,
)
from lm_transparency.routes.contributions import contributions, layer_contributions
from lm_transparency.trace.proof import LayerError, Proof
from lm_transparency.trace.recording import record

SAMPLES = prompts.samples()


@cache
def analyzed(model: LoadedModel, prompt: str) -> Analysis:
    """One analysis for each model and prompt: nothing here changes it."""
    return analyze(model, prompt, special_tokens="none")


def traced(model: LoadedModel, prompt: str) -> Trace:
    return analyzed(model, prompt).trace


def recorded(model: LoadedModel, prompt: str) -> Trace:
    """A new recording."""
    return record(model.model, model.anatomy, torch.tensor(model.tokenizer(prompt).input_ids), Watch())


def untouched(model: LoadedModel, attention: str) -> Any:
    """The same model, loaded by transformers alone."""
    from lm_transparency.model.embedded import model_directory

    folder = model.source or str(model_directory())
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention).eval()


def parts_of_attention(trace: Trace, layer: int) -> np.ndarray:
    """α · v · W_O of every (query, key, head), float64: [T, T, H, d]."""
    record, block = trace.layers[layer], trace.anatomy.blocks[layer]
    heads = trace.n_heads
    alpha = record.attention.probabilities().double().numpy()
    value = record.attention.value.double().numpy()
    value = value[np.arange(heads) * value.shape[0] // heads]
    weight = block.output_projection.weight.detach().double().numpy()
    if isinstance(block.output_projection, torch.nn.Linear):
        weight = weight.T
    moved = np.stack([value[h] @ part for h, part in enumerate(np.split(weight, heads, axis=0))])
    return np.einsum("hts,hsd->tshd", alpha, moved)


def bias_of_attention(trace: Trace, layer: int) -> np.ndarray:
    bias = trace.anatomy.blocks[layer].output_projection.bias
    return np.zeros(trace.anatomy.d_model) if bias is None else bias.detach().double().numpy()


def relative(whole: np.ndarray, parts: np.ndarray) -> float:
    return float((np.linalg.norm(whole - parts, axis=-1) / np.linalg.norm(whole, axis=-1)).max())


@pytest.mark.parametrize("name", ["ioi", "multilingual"])
def test_the_parts_sum_to_the_whole(any_model: LoadedModel, name: str) -> None:
    trace = traced(any_model, prompts.BY_NAME[name])
    for layer, kept in enumerate(trace.layers):
        pre, mid, ffn, post = (x.double().numpy() for x in (kept.pre, kept.mid, kept.ffn, kept.post))
        parts = parts_of_attention(trace, layer)
        assert relative(mid, pre + parts.sum(axis=(1, 2)) + bias_of_attention(trace, layer)) < 1e-5
        assert relative(post, mid + ffn) < 1e-5
        if layer + 1 < trace.n_layers:
            assert torch.equal(kept.post, trace.layers[layer + 1].pre)


def test_no_part_comes_from_a_later_position(any_model: LoadedModel) -> None:
    trace = traced(any_model, prompts.WAR)
    for layer in range(trace.n_layers):
        alpha = trace.layers[layer].attention.probabilities()
        assert not bool(alpha.triu(1).any())
        assert alpha.sum(dim=-1) == pytest.approx(np.ones(alpha.shape[:2]), abs=1e-5)
        query, key = np.triu_indices(trace.n_tokens, 1)
        assert not layer_contributions(trace, layer).attention[query, key].any()


def test_contributions_of_each_row_sum_to_1(any_model: LoadedModel) -> None:
    trace = traced(any_model, prompts.IOI)
    for layer in range(trace.n_layers):
        c = layer_contributions(trace, layer)
        columns = (c.attention, c.attention_residual, c.attention_bias, c.ffn, c.ffn_residual)
        assert all(((column >= 0) & (column <= 1 + 1e-6)).all() for column in columns)
        row = c.attention.sum(axis=(1, 2), dtype=np.float64) + c.attention_residual + c.attention_bias
        assert row == pytest.approx(np.ones_like(row), abs=1e-6)
        shares = c.ffn + c.ffn_residual
        assert ((abs(shares - 1) < 1e-6) | (shares == 0)).all()
        record = trace.layers[layer]
        for t in np.flatnonzero(shares == 0):
            # the block takes back what is there: the whole is shorter than either part, and neither carries towards it
            mid, ffn, post = (float(x[t].abs().sum()) for x in (record.mid, record.ffn, record.post))
            assert post < min(mid, ffn)


def test_a_feed_forward_block_that_takes_back_what_is_there_leaves_an_empty_row(embedded: LoadedModel) -> None:
    """Layer 10 of SmolLM2 on " the" before "store": |mid| 1739, |ffn| 1620, |mid + ffn| 1508."""
    run = analyzed(embedded, prompts.IOI)
    shares = run.contributions.ffn + run.contributions.ffn_residual
    assert np.argwhere(shares == 0).tolist() == [[10, 6]]
    assert route_graph(run.contributions, 6, 0.04).ended_mass > 0


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_recorded_logits_are_the_untouched_models(any_model: LoadedModel, attention: str) -> None:
    plain = untouched(any_model, attention)
    for prompt in (prompts.IOI, prompts.MULTILINGUAL):
        ids = torch.tensor(any_model.tokenizer(prompt).input_ids)
        with torch.no_grad():
            wanted = plain(ids[None]).logits[0]
        assert float((traced(any_model, prompt).logits - wanted).abs().max()) <= 1e-4


def test_the_lens_at_the_last_layer_is_the_prediction(any_model: LoadedModel) -> None:
    trace = traced(any_model, prompts.IOI)
    lens = Lens(trace.anatomy).logits(trace.layers[-1].post)
    assert float((lens - trace.logits).abs().max()) <= 1e-4


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("model", ["embedded", "tiny_gpt2", "tiny_llama"])
def test_the_proof_of_every_sample_holds_to_1e_5(request: pytest.FixtureRequest, model: str, name: str) -> None:
    loaded = request.getfixturevalue(model)
    proof = analyzed(loaded, SAMPLES[name]).proof
    assert proof.max_relative_error <= 1e-5
    assert proof.holds
    assert proof.per_layer[proof.worst_layer] == proof.max_relative_error
    assert len(proof.per_layer) == loaded.anatomy.n_layers


@pytest.mark.parametrize("model", ["tiny_gpt2_bf16", "tiny_llama_bf16"])
def test_the_proof_holds_in_bfloat16_within_its_tolerance(request: pytest.FixtureRequest, model: str) -> None:
    run = analyze(request.getfixturevalue(model), prompts.IOI)
    assert run.trace.layers[0].post.dtype is torch.bfloat16
    assert run.proof.tolerance == 2e-2
    assert 1e-5 < run.proof.max_relative_error <= 2e-2
    assert run.proof.holds
    assert not run.notices


def test_the_embedded_models_proof_holds_in_bfloat16(embedded_folder: Path) -> None:
    from lm_transparency import load_model

    run = analyze(load_model(dtype="bfloat16", device="cpu"), prompts.IOI, special_tokens="bos")
    assert run.proof.holds, run.proof.sentence()
    assert run.predictions(1).texts[-1] == (" Mary",)


def test_a_proof_with_a_nan_does_not_hold() -> None:
    nan, fine = float("nan"), LayerError(1e-7, 1e-7, 1e-7)
    for off, part in (
        (LayerError(nan, 1e-7, nan), "attention"),
        (LayerError(1e-7, nan, nan), "ffn"),
        (LayerError(None, None, nan), "layer"),
    ):
        for layers in ((fine, off, fine), (off, fine), (fine, fine, off)):
            proof = Proof(layers, 1e-4)
            assert not proof.holds
            assert (proof.layers[proof.worst_layer], proof.worst_part) == (off, part)


def test_the_proof_names_the_sublayer_that_does_not_add_up(tiny_llama_folder: Path) -> None:
    from lm_transparency import load_model

    for part, words in (("attention", "the attention of layer 3"), ("ffn", "the feed-forward block of layer 3")):
        model = load_model(str(tiny_llama_folder), dtype="float32", device="cpu")
        block = model.anatomy.blocks[3]

        def add(_module: object, _given: object, output: Any) -> Any:
            return (output[0] + 0.01, *output[1:]) if isinstance(output, tuple) else output + 0.01

        # the layer changes the feed-forward block's output at a place that is not recorded
        (block.attention if part == "attention" else block.module).register_forward_hook(add)
        proof = analyze(model, prompts.WAR).proof
        assert (proof.holds, proof.worst_layer, proof.worst_part) == (False, 3, part)
        assert words in proof.sentence()
        assert proof.layers[3].whole > proof.tolerance
        assert all(layer.largest < 1e-5 for i, layer in enumerate(proof.layers) if i != 3)


def test_a_block_that_does_not_add_up_fails_the_proof_and_says_so(tiny_llama_folder: Path) -> None:
    from lm_transparency import load_model

    model = load_model(str(tiny_llama_folder), dtype="float32", device="cpu")
    attention = model.anatomy.blocks[2].attention
    attention.register_forward_hook(lambda _m, _i, output: (output[0] * 1.01, *output[1:]))
    run = analyze(model, prompts.WAR)
    assert not run.proof.holds
    assert run.proof.worst_layer == 2
    assert "layer 2" in run.notices[0]
    assert "cannot be trusted" in run.notices[0]


def test_direct_effects_sum_to_the_logit(any_model: LoadedModel) -> None:
    """Σ over parts of f · (γ/σ ⊙ W_U[a]), mean-subtracted under LayerNorm, and the biases of norm and unembedding."""
    trace = traced(any_model, prompts.IOI)
    t = trace.n_tokens - 1
    norm, unembedding = trace.anatomy.final_norm, trace.anatomy.unembedding
    layer_norm = isinstance(norm, torch.nn.LayerNorm)
    final = trace.layers[-1].post[t].double().numpy()
    centred = final - final.mean() if layer_norm else final
    epsilon = norm.eps if layer_norm else norm.variance_epsilon
    sigma = np.sqrt((centred**2).mean() + epsilon)
    gain = norm.weight.detach().double().numpy() / sigma

    parts = [trace.layers[0].pre[t].double().numpy()]
    for layer, kept in enumerate(trace.layers):
        parts.extend(parts_of_attention(trace, layer)[t].reshape(-1, len(final)))
        parts.append(bias_of_attention(trace, layer))
        parts.append(kept.ffn[t].double().numpy())
    stacked = np.stack(parts)
    if layer_norm:
        stacked = stacked - stacked.mean(axis=1, keepdims=True)

    logits = trace.logits[t].double().numpy()
    top = int(logits.argmax())
    for token in (top, 0, 5, 77):
        row = unembedding.weight[token].detach().double().numpy()
        effect = (stacked @ (gain * row)).sum()
        if layer_norm:
            effect += norm.bias.detach().double().numpy() @ row
        assert effect == pytest.approx(logits[token], abs=1e-4)
    difference = unembedding.weight[top].detach().double().numpy() - unembedding.weight[5].detach().double().numpy()
    effect = (stacked @ (gain * difference)).sum()
    effect += norm.bias.detach().double().numpy() @ difference if layer_norm else 0
    assert effect == pytest.approx(logits[top] - logits[5], abs=1e-4)


def test_known_answers_of_the_embedded_model(embedded: LoadedModel) -> None:
    """See docs/method.md#checks; the probabilities are those without a beginning-of-sequence token."""
    for prompt, answer, probability in (
        ("The capital of France is", " Paris", 0.7725),
        (prompts.IOI, " Mary", 0.9229),
        (prompts.SUM + " ", "5", None),
    ):
        predicted = analyzed(embedded, prompt).predictions(3)
        assert predicted.texts[-1][0] == answer
        if probability is not None:
            assert float(predicted.probabilities[-1][0]) == pytest.approx(probability, abs=0.002)


def test_an_induction_head_copies_on_repeated_random_tokens(embedded: LoadedModel) -> None:
    """See docs/method.md#checks: some head's largest contributions come from the token after the earlier copy."""
    generator = torch.Generator().manual_seed(1)
    once = torch.randint(1000, 40000, (20,), generator=generator)
    trace = record(embedded.model, embedded.anatomy, torch.cat([torch.tensor([1]), once, once]), Watch())
    queries = np.arange(22, 40)
    best = 0.0
    for layer in range(trace.n_layers):
        attention = layer_contributions(trace, layer).attention
        of_heads = attention[queries].sum(axis=1)
        copied = attention[queries, queries - 19]
        best = max(best, float((copied.sum(axis=0) / of_heads.sum(axis=0).clip(1e-3)).max()))
    assert best > 0.5


def hooks(model: torch.nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_after_recording_the_model_is_as_before(tiny: LoadedModel, attention: str) -> None:
    before = tiny.model.config._attn_implementation
    tiny.model.set_attn_implementation(attention)
    try:
        ids = torch.tensor([tiny.tokenizer(prompts.IOI).input_ids])
        with torch.no_grad():
            wanted = tiny.model(ids).logits
        n_hooks, training, use_cache = hooks(tiny.model), tiny.model.training, tiny.model.config.use_cache
        recorded(tiny, prompts.IOI)
        assert tiny.model.config._attn_implementation == attention
        assert hooks(tiny.model) == n_hooks
        assert (tiny.model.training, tiny.model.config.use_cache) == (training, use_cache)
        with torch.no_grad():
            assert torch.equal(tiny.model(ids).logits, wanted)
    finally:
        tiny.model.set_attn_implementation(before)


@pytest.mark.parametrize("what", ["an exception", "a cancellation"])
def test_after_a_broken_pass_the_model_is_as_before(tiny: LoadedModel, what: str) -> None:
    ids = torch.tensor(tiny.tokenizer(prompts.IOI).input_ids)
    wanted = recorded(tiny, prompts.IOI).logits
    n_hooks = hooks(tiny.model)
    watch = Watch(lambda _stage, done, _total: watch.cancel() if what == "a cancellation" and done == 2 else None)
    handle = None
    if what == "an exception":

        def fail(*_: object) -> None:
            raise ZeroDivisionError

        handle = tiny.anatomy.blocks[2].ffn.register_forward_hook(fail)
    with pytest.raises((ZeroDivisionError, Cancelled)):
        record(tiny.model, tiny.anatomy, ids, watch)
    if handle is not None:
        handle.remove()
    assert tiny.model.config._attn_implementation == "sdpa"
    assert hooks(tiny.model) == n_hooks
    assert torch.equal(recorded(tiny, prompts.IOI).logits, wanted)


def test_recording_is_deterministic(tiny: LoadedModel) -> None:
    first, second = (contributions(recorded(tiny, prompts.WAR))[0] for _ in range(2))
    for name in ("edge_weight", "head_weight", "ffn", "attention_residual"):
        assert np.array_equal(getattr(first, name), getattr(second, name))


def test_a_trace_counts_the_memory_it_holds(tiny: LoadedModel) -> None:
    short, long = (traced(tiny, text).memory_bytes() for text in ("Mary", prompts.IOI))
    assert 0 < short < long
    trace = traced(tiny, prompts.IOI)
    # at least the states and logits; each once, though a layer's input is the output of the layer below
    states = sum(x.nbytes for k in trace.layers for x in (k.mid, k.ffn, k.post)) + trace.logits.nbytes
    assert states <= long <= 4 * states


def test_an_overflow_in_float16_is_refused_in_words(tiny_llama_folder: Path) -> None:
    from lm_transparency import load_model

    model = load_model(str(tiny_llama_folder), dtype="float16", device="cpu")
    with torch.no_grad():
        model.anatomy.blocks[1].ffn.down_proj.weight.mul_(60_000)
    with pytest.raises(TransparencyError, match="overflows in float16") as caught:
        analyze(model, prompts.IOI)
    assert caught.value.kind == "modelUnsupported"
