"""Computations for a common prefix are reused: the same numbers, and only new tokens are run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import prompts
from families import IDS, build
from known_rows import assert_known_rows_are_those_of
from lm_transparency import Analysis, LoadedModel, Session, Trace, Watch, analyze
from lm_transparency.analysis.making import start, tokens_of
from lm_transparency.model.anatomy import dissect
from lm_transparency.routes.contributions import contributions
from lm_transparency.routes.gathering import Earlier, Gathering
from lm_transparency.trace.prefix import record_after
from lm_transparency.trace.recording import record
from reference import plain_model, shares, watch_any

#: (model type, changes): takes over, in every kind of block that a cache of keys and values suffices for.
TAKES_OVER: list[tuple[str, dict[str, Any]]] = [
    ("llama", {"attention_bias": True, "mlp_bias": True}),
    ("gpt2", {}),
    ("opt", {}),
    ("gpt_bigcode", {"multi_query": True, "num_key_value_heads": 1}),
    ("gpt_neox", {"use_parallel_residual": True}),
    ("gemma2", {"attn_logit_softcapping": 3.0, "final_logit_softcapping": 2.0}),
    ("hyperclovax", {"use_post_norm": True, "residual_multiplier": 0.4}),
    ("gemma4_text", {}),
    ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}),
    ("mixtral", {}),
    ("gpt_oss", {}),
]

#: … and does not: a window, attention code of their own, a gate, states that no cache of keys holds, latent keys.
RUNS_WHOLE: list[tuple[str, dict[str, Any]]] = [
    ("mistral", {"sliding_window": 4}),
    ("bloom", {}),
    ("laguna", {"gating": "per-head"}),
    ("lfm2", {}),
    ("deepseek_v3", {"first_k_dense_replace": 1}),
]

#: Prompts after `IDS`, and how much of it they take over.
EDITS = {
    "a token at the end": (torch.cat([IDS, torch.tensor([33])]), 10),
    "several tokens at the end": (torch.cat([IDS, torch.tensor([33, 7, 9, 2])]), 10),
    "the last token changed": (torch.cat([IDS[:9], torch.tensor([33])]), 9),
    "one in the middle": (torch.cat([IDS[:4], torch.tensor([77]), IDS[4:]]), 4),
    "the end deleted": (IDS[:6], 5),
    "one in the middle deleted": (torch.cat([IDS[:4], IDS[5:]]), 4),
    "the same prompt": (IDS, 9),
    "two tokens in common": (torch.tensor([3, 17, 60, 61]), 2),
    "one token in common": (torch.tensor([3, 60, 61, 62]), 0),
    "none in common": (torch.tensor([60, 61, 62]), 0),
    "one token left": (IDS[:1], 0),
}


def assert_same_run(joined: Trace, whole: Trace) -> None:
    assert joined.token_ids.tolist() == whole.token_ids.tolist()
    assert joined.pooled == whole.pooled
    assert _off(joined.logits, whole.logits) <= 1e-5
    for mine, other in zip(joined.layers, whole.layers, strict=True):
        for field in dataclasses.fields(mine):
            a, b = getattr(mine, field.name), getattr(other, field.name)
            if isinstance(b, Tensor):
                assert a.shape == b.shape
                assert _off(a, b) <= 1e-5, field.name
            elif field.name != "heads":
                assert a == b
        assert (mine.weights() - other.weights()).abs().max() <= 1e-5
        assert _off(mine.attention.values(), other.attention.values()) <= 1e-5


def _off(found: Tensor, wanted: Tensor) -> float:
    """The largest error at any position, relative to its norm."""
    size = wanted.float().norm(dim=-1).clamp_min(torch.finfo(torch.float32).tiny)
    return float(((found - wanted).float().norm(dim=-1) / size).max())


@pytest.mark.parametrize(("family", "changes"), TAKES_OVER, ids=lambda x: x if isinstance(x, str) else "")
def test_a_run_after_an_edit_is_the_run_on_the_whole_prompt(family: str, changes: dict[str, Any]) -> None:
    model = build(family, changes)
    anatomy = dissect(model)
    earlier = record(model, anatomy, IDS, Watch())
    known = contributions(earlier)
    for edit, (ids, expected) in EDITS.items():
        whole = record(model, anatomy, ids, Watch())
        joined, n_known = record_after(earlier, model, anatomy, ids, Watch())
        assert n_known == expected, edit
        assert_same_run(joined, whole)
        wanted, _ = contributions(whole)
        gathering = Gathering(joined, earlier=Earlier(*known, n_known) if n_known else None)
        for layer in gathering.to_go:
            gathering.complete(layer)
        found, proof = gathering.result()
        assert proof.holds
        assert proof.max_relative_error <= 1e-5
        assert found.is_complete
        assert_known_rows_are_those_of(found, wanted, within=1e-5)


@pytest.mark.parametrize(("family", "changes"), RUNS_WHOLE, ids=lambda x: x if isinstance(x, str) else "")
def test_a_model_whose_memory_is_more_than_keys_and_values_runs_on_the_whole_prompt(
    family: str, changes: dict[str, Any]
) -> None:
    model = build(family, changes)
    anatomy = dissect(model)
    ids = torch.cat([IDS, torch.tensor([33, 7])])
    whole = record(model, anatomy, ids, Watch())
    found, n_known = record_after(record(model, anatomy, IDS, Watch()), model, anatomy, ids, Watch())
    assert n_known == 0
    assert torch.equal(found.logits, whole.logits)
    for mine, other in zip(found.layers, whole.layers, strict=True):
        assert torch.equal(mine.post, other.post)


def test_a_window_that_begins_to_cut_ends_it() -> None:
    model = build("gpt_oss", {"sliding_window": 12})
    anatomy = dissect(model)
    earlier = record(model, anatomy, IDS, Watch())
    longer = torch.cat([IDS, torch.tensor([33])])
    within, n_known = record_after(earlier, model, anatomy, longer, Watch())
    assert n_known == len(IDS)
    past = torch.cat([longer, torch.tensor([7, 9, 2])])
    found, n_known = record_after(within, model, anatomy, past, Watch())
    assert n_known == 0
    assert torch.equal(found.logits, record(model, anatomy, past, Watch()).logits)


def test_a_model_that_changed_since_runs_on_the_whole_prompt() -> None:
    model = build("llama", {})
    anatomy = dissect(model)
    earlier = record(model, anatomy, IDS, Watch())
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight *= 1.01
    ids = torch.cat([IDS, torch.tensor([33])])
    found, n_known = record_after(earlier, model, anatomy, ids, Watch())
    assert n_known == 0
    assert torch.equal(found.logits, record(model, anatomy, ids, Watch()).logits)


def test_the_model_reads_the_new_tokens_and_one_more() -> None:
    model = build("llama", {})
    anatomy = dissect(model)
    earlier = record(model, anatomy, IDS, Watch())
    read: list[int] = []
    hook = model.get_input_embeddings().register_forward_hook(lambda _m, args, _o: read.append(args[0].shape[1]))
    for ids, _ in EDITS.values():
        record_after(earlier, model, anatomy, ids, Watch())
    hook.remove()
    assert read == [len(ids) - max(0, n - 1) for ids, n in EDITS.values()]


def test_what_layers_share_they_share_in_a_run_put_together(tiny_llama: LoadedModel) -> None:
    ids = torch.tensor(tiny_llama.tokenizer(prompts.IOI).input_ids)
    whole = record(tiny_llama.model, tiny_llama.anatomy, ids, Watch())
    earlier = record(tiny_llama.model, tiny_llama.anatomy, ids[:-3], Watch())
    joined, n_known = record_after(earlier, tiny_llama.model, tiny_llama.anatomy, ids, Watch())
    assert n_known == len(ids) - 3
    assert joined.memory_bytes() <= 1.01 * whole.memory_bytes()


@pytest.fixture(scope="module")
def typed(embedded: LoadedModel) -> list[Analysis]:
    """A prompt while it is typed, on the embedded model: each analysis reuses the one before."""
    runs = [analyze(embedded, prompts.IOI[:30])]
    for end in (36, 47, 48, len(prompts.IOI)):
        runs.append(analyze(embedded, prompts.IOI[:end], earlier=runs[-1]))
    return runs


def test_the_embedded_model_contributes_as_the_definition_says_while_one_types(
    typed: list[Analysis], embedded: LoadedModel, embedded_folder: Path
) -> None:
    run = typed[-1]
    assert [bool(r.n_reused) for r in typed] == [False, True, True, True, True]
    assert run.proof.holds
    definition = watch_any(plain_model(embedded_folder), [token.id for token in run.tokens])
    assert np.abs(run.trace.logits.double().numpy() - definition.logits).max() <= 1e-4
    for layer in range(definition.n_layers):
        wanted = shares(definition, layer)
        for name in ("attention_residual", "attention_bias", "ffn", "ffn_residual"):
            assert np.abs(getattr(run.contributions, name)[layer] - getattr(wanted, name)).max() <= 1e-5
        edges = wanted.attention.sum(axis=-1)
        at = run.contributions.edge_layer == layer
        query, key = run.contributions.edge_query[at], run.contributions.edge_key[at]
        assert np.abs(run.contributions.edge_weight[at] - edges[query, key]).max() <= 1e-5
        assert (edges > run.contributions.floor + 1e-5).sum() <= at.sum()
    whole = analyze(embedded, run.prompt)
    assert_same_run(run.trace, whole.trace)
    assert run.routes().token_mass == pytest.approx(whole.routes().token_mass, abs=1e-5)
    assert run.predictions(3).texts == whole.predictions(3).texts


def test_a_half_precision_run_is_continued_within_its_rounding(tiny_llama_bf16: LoadedModel) -> None:
    earlier = analyze(tiny_llama_bf16, prompts.IOI[:-8])
    run = analyze(tiny_llama_bf16, prompts.IOI, earlier=earlier)
    whole = analyze(tiny_llama_bf16, prompts.IOI)
    assert run.n_reused
    assert run.proof.holds
    assert _off(run.trace.layers[-1].post, whole.trace.layers[-1].post) <= 5e-2


def test_a_run_that_is_partly_known_hands_on_what_it_knows(embedded: LoadedModel) -> None:
    begun = start(embedded, prompts.LONG, tokens_of(embedded, prompts.LONG)).analysis()
    assert not begun.is_complete
    longer = prompts.LONG + " Then"
    run = start(embedded, longer, tokens_of(embedded, longer), earlier=begun)
    first = run.analysis()
    whole = analyze(embedded, prompts.LONG + " Then")
    assert first.n_reused == len(begun.tokens)
    assert not first.is_complete
    assert first.proof.holds
    assert first.contributions.known[:, : first.n_reused].sum() >= begun.contributions.known.sum()
    assert_known_rows_are_those_of(first.contributions, whole.contributions, within=1e-5)
    assert first.routes().token_mass == pytest.approx(whole.routes().token_mass, abs=1e-5)
    run.go_on(Watch())
    assert run.is_complete
    assert_same_run(run.analysis().trace, whole.trace)
    assert_known_rows_are_those_of(run.analysis().contributions, whole.contributions, within=1e-5)
    # a whole analysis reads the logits that the earlier one left
    short = analyze(embedded, prompts.LONG[:-1], earlier=begun)
    assert short.is_complete
    assert short.n_reused


def test_rows_that_the_proof_does_not_hold_for_or_above_another_floor_are_not_handed_on(
    typed: list[Analysis], embedded: LoadedModel, tiny_llama: LoadedModel
) -> None:
    worse = dataclasses.replace(typed[0].proof, tolerance=0.0)
    wrong = dataclasses.replace(typed[0], proof=worse)
    assert analyze(embedded, prompts.IOI[:36], earlier=wrong).n_reused == 0
    assert analyze(embedded, prompts.IOI[:36], earlier=typed[0], floor=0.01).n_reused == 0
    assert analyze(tiny_llama, prompts.IOI[:36], earlier=typed[0]).n_reused == 0


def test_a_session_takes_over_from_the_analysis_that_knows_most(tiny_llama_folder: Path) -> None:
    session = Session()
    model = session.load(str(tiny_llama_folder), dtype="float32", device="cpu")
    for prompt in (prompts.IOI[:20], prompts.IOI, "When Mary", prompts.WAR):
        session.analyze(model, prompt)
    _, run = session.analyze(model, prompts.IOI + " the")
    whole = analyze(model, prompts.IOI + " the")
    common = len(analyze(model, prompts.IOI).tokens)
    assert common - 1 <= run.n_reused <= common
    assert_known_rows_are_those_of(run.contributions, whole.contributions, within=1e-5)
    # begun for its first graph, of a text that is long enough, it is all there at once
    session.analyze(model, prompts.LONG[:400])
    _, begun = session.begin(model, prompts.LONG[:401])
    assert begun.n_reused
    assert begun.is_complete


def test_a_session_reuses_nothing_on_request(tiny_llama_folder: Path) -> None:
    session = Session(reuse=False)
    model = session.load(str(tiny_llama_folder), dtype="float32", device="cpu")
    runs = [session.analyze(model, prompts.IOI)[1] for _ in range(2)]
    assert [run.n_reused for run in runs] == [0, 0]
