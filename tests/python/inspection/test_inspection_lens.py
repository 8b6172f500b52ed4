"""The logit lens over layers: against the model's own logits, and against ranks counted one by one in float64."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import prompts
from lm_transparency import Analysis, Cancelled, LoadedModel, TransparencyError, Watch, analyze, load_model
from lm_transparency.inspection.lens import inspect_lens, track_tokens
from lm_transparency.inspection.nodes import inspect_node
from lm_transparency.lens import grid as lens_grids
from reference import Array, lens_logits, mid_of
from subjects import Subject, plain, subject

#: " Paris" is what the embedded model says in the end.
FRANCE = "The capital of France is"


@pytest.fixture(scope="module", params=["embedded sum", "tiny_llama ioi", "tiny_gpt2 ioi", "tiny_mistral ioi"])
def case(request: pytest.FixtureRequest) -> Subject:
    return subject(request, request.param)


@cache
def every_logit(case: Subject, normalize: bool) -> Array:
    """Logits [row, position, vocabulary] at `positions`, float64."""
    states = np.stack([case.plain.pre[0], *case.plain.post])[:, positions(case)]
    return lens_logits(plain(case.run.model.source), states, normalize=normalize)


def positions(case: Subject) -> list[int]:
    """All positions for a small model, three for a large vocabulary."""
    if case.plain.logits.shape[-1] < 1000:
        return list(range(case.last + 1))
    return [0, case.last // 2, case.last]


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def assert_ranks(found: Array, logits: Array, token: int) -> None:
    """Ranks count the more probable tokens of each cell; equal ones up to rounding may come in either order."""
    own = logits[..., token, None]
    near = 1e-4 * np.abs(logits).max(axis=-1, keepdims=True)
    assert ((logits > own + near).sum(axis=-1) <= found).all()
    assert (found <= (logits > own - near).sum(axis=-1)).all()


def test_the_last_row_is_what_the_model_predicts(case: Subject) -> None:
    grid = inspect_lens(case.run)
    assert grid.top.shape == (case.plain.n_layers + 1, case.last + 1)
    assert grid.top[-1].tolist() == case.plain.logits.argmax(axis=-1).tolist()
    assert grid.top_probability[-1].numpy() == pytest.approx(softmax(case.plain.logits).max(axis=-1), abs=1e-4)
    assert grid.token_probability is None and grid.token_rank is None


@pytest.mark.parametrize("normalize", [True, False])
def test_every_cell_is_what_counting_gives(case: Subject, normalize: bool) -> None:
    logits = every_logit(case, normalize)
    probability = softmax(logits)
    at = positions(case)
    for token in (int(case.plain.logits[-1].argmax()), 7):
        grid = inspect_lens(case.run, token=token, normalize=normalize)
        assert grid.token_probability is not None and grid.token_rank is not None
        top, found = grid.top[:, at].numpy(), grid.top_probability[:, at].numpy()
        # without the norm logits reach thousands, and a softmax of them doubles what rounding leaves
        tolerance = 1e-4 if normalize else 5e-3
        assert found == pytest.approx(probability.max(axis=-1), abs=tolerance)
        chosen = np.take_along_axis(probability, top[..., None], axis=-1)[..., 0]
        assert chosen == pytest.approx(probability.max(axis=-1), abs=tolerance)
        assert grid.token_probability[:, at].numpy() == pytest.approx(probability[..., token], abs=tolerance)
        assert_ranks(grid.token_rank[:, at].numpy(), logits, token)


@pytest.mark.parametrize("normalize", [True, False])
def test_tracks_are_columns_of_the_grid(case: Subject, normalize: bool) -> None:
    tokens = [int(case.plain.logits[-1].argmax()), 7, 7, case.plain.logits.shape[-1] - 1]
    t = case.last // 2
    tracks = track_tokens(case.run, t, tokens, normalize=normalize)
    assert [track.token for track in tracks] == tokens
    assert tracks[1] == tracks[2]
    logits = every_logit(case, normalize)[:, positions(case).index(t)]
    for track in tracks[1:]:
        assert_ranks(np.array(track.rank), logits, track.token)
        assert track.logit == pytest.approx(logits[:, track.token], rel=1e-3, abs=1e-3)
    for track in tracks[:2]:
        grid = inspect_lens(case.run, token=track.token, normalize=normalize)
        assert grid.token_probability is not None and grid.token_rank is not None
        tolerance = 1e-5 if normalize else 5e-3
        assert track.probability == pytest.approx(grid.token_probability[:, t].tolist(), abs=tolerance)
        assert np.abs(np.array(track.rank) - grid.token_rank[:, t].numpy()).max() <= (1 if normalize else 20)


def test_a_track_reads_like_the_vocabulary(embedded: LoadedModel) -> None:
    run = analyze(embedded, FRANCE)
    paris = embedded.tokenizer.encode(" Paris", add_special_tokens=False)[0]
    (track,) = track_tokens(run, run.trace.n_tokens - 1, [paris])
    assert track.text == " Paris"
    assert (track.rank[-1], len(track.rank)) == (0, 31)
    assert track.rank[0] > 100
    assert track.probability[-1] == pytest.approx(0.7725, abs=0.002)
    assert track_tokens(run, 0, []) == ()


def test_small_blocks_give_the_same_grid(monkeypatch: pytest.MonkeyPatch, case: Subject) -> None:
    whole, tracks = inspect_lens(case.run, token=5), track_tokens(case.run, 1, [3, 5])
    n_vocab = case.run.trace.anatomy.n_vocab
    # each block reads the whole unembedding
    monkeypatch.setattr(lens_grids, "_BLOCK_ELEMENTS", (3 if n_vocab < 1000 else 40) * n_vocab)
    pieces, again = inspect_lens(case.run, token=5), track_tokens(case.run, 1, [3, 5])
    assert pieces.top_probability == pytest.approx(whole.top_probability, abs=1e-5)
    assert pieces.top.shape == whole.top.shape
    assert pieces.token_probability == pytest.approx(whole.token_probability, abs=1e-5)
    assert [t.logit for t in again] == [pytest.approx(t.logit, rel=1e-4, abs=1e-4) for t in tracks]


def test_some_rows_are_those_of_the_whole_grid(case: Subject) -> None:
    whole = inspect_lens(case.run, token=5)
    n_rows = len(whole.top)
    some = inspect_lens(case.run, token=5, rows=range(n_rows - 2, n_rows))
    assert some.top.equal(whole.top[-2:])
    assert some.token_rank is not None and whole.token_rank is not None
    assert some.token_rank.equal(whole.token_rank[-2:])
    assert some.top_probability == pytest.approx(whole.top_probability[-2:], abs=1e-6)


@pytest.mark.parametrize("rows", [range(0), range(-1, 2), range(2, 100)])
def test_rows_that_are_not_there(case: Subject, rows: range) -> None:
    with pytest.raises(TransparencyError, match="The lens grid has rows 0 to"):
        inspect_lens(case.run, rows=rows)


@pytest.mark.parametrize("row", [0, 2])
def test_cancelling_stops_before_the_next_layer(tiny_gpt2: LoadedModel, row: int) -> None:
    run = analyze(tiny_gpt2, prompts.IOI)
    steps: list[tuple[str, int, int]] = []

    def report(*step: object) -> None:
        steps.append(step)  # type: ignore[arg-type]
        if step[1] == row:
            watch.cancel()

    watch = Watch(report)  # type: ignore[arg-type]
    with pytest.raises(Cancelled):
        inspect_lens(run, watch=watch)
    assert steps == [("lens", i, 6) for i in range(row + 1)]
    assert inspect_lens(run).top.shape == (6, run.trace.n_tokens)


@pytest.mark.parametrize("token", [-1, 49152, 10**30])
def test_a_token_that_the_vocabulary_lacks_is_refused(ioi: Analysis, token: int) -> None:
    for ask in (lambda: inspect_lens(ioi, token=token), lambda: track_tokens(ioi, 0, [5, token])):
        with pytest.raises(TransparencyError, match="There is no token") as caught:
            ask()
        assert (caught.value.kind, caught.value.remedy) == ("invalidParams", "Choose 0 to 49151.")
    with pytest.raises(TransparencyError, match="Position 15 is out of range"):
        track_tokens(ioi, 15, [5])


# ---------------------------------------------------------------- nodes


@pytest.mark.parametrize("node", ["A1_3", "I1_3", "I0_0"])
def test_a_rank_change_is_the_rank_before_minus_the_rank_now(case: Subject, node: str) -> None:
    layer, t = int(node[1]), int(node[3])
    mid = mid_of(case.plain, layer)[t]
    now, before = (mid, case.plain.pre[layer][t]) if node[0] == "A" else (case.plain.post[layer][t], mid)
    model = plain(case.run.model.source)
    view = inspect_node(case.run, node, top_k=8)
    logits, earlier = lens_logits(model, now), lens_logits(model, before)
    assert [s.logit for s in view.top] == pytest.approx(np.sort(logits)[::-1][:8], rel=1e-3, abs=1e-3)
    assert [s.probability for s in view.top] == pytest.approx(softmax(logits)[[s.id for s in view.top]], abs=1e-4)
    for rank, score in enumerate(view.top):
        # the rank before, counted; its neighbours may change places with it
        was = score.rank_change + rank
        near = 1e-4 * np.abs(earlier).max()
        assert (earlier > earlier[score.id] + near).sum() <= was <= (earlier > earlier[score.id] - near).sum()


def test_some_rank_changes_and_an_embedding_has_none(ioi: Analysis) -> None:
    assert any(s.rank_change > 10 for s in inspect_node(ioi, "I20_14").top)
    first = inspect_node(ioi, "X0_3")
    assert [s.rank_change for s in first.top] == [None] * 30
    assert first.update.promoted == first.update.suppressed == ()
    assert inspect_node(ioi, "M4_3").top == ()


def test_the_lens_works_in_bfloat16(tiny_llama_bf16: LoadedModel) -> None:
    run = analyze(tiny_llama_bf16, prompts.IOI)
    best = int(run.trace.logits[-1].argmax())
    grid = inspect_lens(run, token=best)
    assert grid.top_probability.dtype is torch.float32
    assert grid.token_rank is not None
    assert int(grid.token_rank[-1, -1]) == 0
    assert grid.top_probability[-1].numpy() == pytest.approx(run.predictions(1).probabilities[:, 0].numpy(), abs=0.01)


@pytest.mark.parametrize("ask", ["node", "track", "grid"])
def test_a_lens_that_overflows_is_refused_in_words(tiny_llama_folder: Path, ask: str) -> None:
    model = load_model(str(tiny_llama_folder), dtype="float16", device="cpu")
    run = analyze(model, prompts.IOI)
    weight = model.anatomy.unembedding.weight
    assert isinstance(weight, torch.Tensor)
    with torch.no_grad():
        weight.mul_(30000)
    questions = {
        "node": lambda: inspect_node(run, "I2_3"),
        "track": lambda: track_tokens(run, 3, [5]),
        "grid": lambda: inspect_lens(run),
    }
    with pytest.raises(TransparencyError, match="overflows in float16") as caught:
        questions[ask]()
    assert caught.value.kind == "modelUnsupported"
