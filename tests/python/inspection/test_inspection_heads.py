"""Edges by head, a head's row, and maps: against the definition in float64 on a run without our recording."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import synthetic
from lm_transparency import Analysis, TransparencyError
from lm_transparency.inspection.heads import attention_map, inspect_edge, inspect_head, layer_maps
from lm_transparency.routes import heads
from lm_transparency.routes.contributions import contributions
from reference import Array, lens_logits, mid_of, proximity
from subjects import SUBJECTS, Subject, plain, subject


@pytest.fixture(scope="module", params=SUBJECTS)
def case(request: pytest.FixtureRequest) -> Subject:
    return subject(request, request.param)


def layers_of(case: Subject) -> list[int]:
    """All layers of a small model, some of a large one."""
    n_layers = case.plain.n_layers
    return list(range(n_layers)) if n_layers < 10 else [0, 1, 9, 18, n_layers - 1]


def assert_rank(rank: int, row: Array, at: int) -> None:
    """The rank is the number of keys with more attention; keys within 1e-6 may come in either order."""
    assert (row > row[at] + 1e-6).sum() <= rank <= (row > row[at] - 1e-6).sum() - 1


# ---------------------------------------------------------------- edges


def test_every_head_of_every_edge_is_what_the_definition_says(case: Subject) -> None:
    for layer in layers_of(case):
        shares, attention = case.plain.contributions(layer).attention, case.plain.attention[layer]
        for query in range(0, case.last + 1, 5):
            for key in range(query + 1):
                view = inspect_edge(case.run, layer, query, key)
                assert view.heads.contribution == pytest.approx(shares[query, key], abs=1e-5)
                assert view.heads.probability == pytest.approx(attention[:, query, key], abs=1e-5)
                assert view.weight == pytest.approx(shares[query, key].sum(), abs=1e-5)
                for head, rank in enumerate(view.heads.rank):
                    assert_rank(int(rank), attention[head, query, : query + 1], key)


def test_the_heads_of_an_edge_sum_to_the_edge_of_the_graph(case: Subject) -> None:
    kept = case.run.contributions
    chosen = np.random.default_rng(0).permutation(len(kept.edge_layer))[:150]
    assert len(chosen) > 50
    for i in chosen:
        place = int(kept.edge_layer[i]), int(kept.edge_query[i]), int(kept.edge_key[i])
        view = inspect_edge(case.run, *place)
        assert view.weight == pytest.approx(float(kept.edge_weight[i]), abs=1e-5)
        entries = slice(int(kept.head_offset[i]), int(kept.head_offset[i + 1]))
        of_graph = kept.head_weight[entries]
        assert view.heads.contribution[kept.head_index[entries]] == pytest.approx(of_graph, abs=1e-5)


def test_a_row_of_edges_or_of_heads_sums_to_1_with_residual_and_bias(case: Subject) -> None:
    kept = case.run.contributions
    for layer in layers_of(case):
        for query in (0, 1, case.last):
            rest = float(kept.attention_residual[layer, query] + kept.attention_bias[layer, query])
            by_edge = sum(inspect_edge(case.run, layer, query, key).weight for key in range(query + 1))
            n_heads = case.run.trace.n_heads
            trace = case.run.trace
            by_head = sum(heads.head_row(trace, kept, layer, h, query).contribution.sum() for h in range(n_heads))
            assert by_edge + rest == pytest.approx(1, abs=1e-5)
            assert by_head + rest == pytest.approx(1, abs=1e-5)


def test_in_a_parallel_block_the_feed_forward_block_shares_the_row() -> None:
    made = synthetic.trace(3, parallel=True, n_tokens=6)
    kept, _ = contributions(made)
    for layer in range(made.n_layers):
        parts, record = synthetic.parts(made, layer), made.layers[layer]
        for t in range(made.n_tokens):
            whole = record.post[t].double().numpy()
            bias = made.anatomy.blocks[layer].output_projection.bias.detach().double().numpy()
            others = sum(float(proximity(x.double().numpy(), whole)) for x in (record.pre[t], record.ffn[t]))
            near = proximity(parts[t, : t + 1], whole)
            total = near.sum() + others + float(proximity(bias, whole))
            for key in range(t + 1):
                found = heads.edge_heads(made, kept, layer, t, key).contribution
                assert found == pytest.approx(near[key] / total, abs=1e-5)
            for head in range(made.n_heads):
                row = heads.head_row(made, kept, layer, head, t).contribution
                assert row == pytest.approx(near[:, head] / total, abs=1e-5)


# ---------------------------------------------------------------- one head


def test_a_heads_row_is_what_the_definition_says(case: Subject) -> None:
    for layer in layers_of(case):
        shares, attention = case.plain.contributions(layer).attention, case.plain.attention[layer]
        for head in range(case.run.trace.n_heads):
            row = heads.head_row(case.run.trace, case.run.contributions, layer, head, case.last)
            assert row.contribution == pytest.approx(shares[case.last, :, head], abs=1e-5)
            assert row.probability == pytest.approx(attention[head, case.last], abs=1e-5)
            # softmax of the scores; log of it where it is no rounding error
            seen = attention[head, case.last] > 1e-6
            logs = np.log(attention[head, case.last][seen])
            assert row.score[seen] - row.score[seen].max() == pytest.approx(logs - logs.max(), abs=1e-3)


@pytest.mark.parametrize(
    ("name", "query_at", "key_at"),
    [("tiny_gpt2", "attn.c_attn", "attn.c_attn"), ("tiny_llama", "self_attn.q_proj", "self_attn.k_proj")],
)
def test_the_score_is_the_scaled_product_of_query_and_key(
    request: pytest.FixtureRequest, name: str, query_at: str, key_at: str
) -> None:
    """Absolute scores: all keys for GPT-2; for Llama only the token's own key, which rotation does not change."""
    run = subject(request, f"{name} ioi").run
    n_heads, n_kv_heads = run.trace.n_heads, run.trace.anatomy.n_kv_heads
    model, t = plain(run.model.source), run.trace.n_tokens - 1
    block = (model.transformer.h if name == "tiny_gpt2" else model.model.layers)[2]
    caught: dict[str, torch.Tensor] = {}

    def catch(at: str) -> Any:
        return lambda _module, _args, out: caught.update({at: out[0].double()})

    hooks = [block.get_submodule(at).register_forward_hook(catch(at)) for at in {query_at, key_at}]
    with torch.no_grad():
        model(run.trace.token_ids[None])
    for hook in hooks:
        hook.remove()
    query, key = caught[query_at], caught[key_at]
    if query_at == key_at:
        query, key = query.chunk(3, dim=1)[:2]
    query, key = query.unflatten(1, (n_heads, -1)), key.unflatten(1, (n_kv_heads, -1))
    for head in range(n_heads):
        row = heads.head_row(run.trace, run.contributions, 2, head, t)
        for k in range(t + 1) if query_at == key_at else [t]:
            wanted = float(query[t, head] @ key[k, head * n_kv_heads // n_heads]) / query.shape[-1] ** 0.5
            assert row.score[k] == pytest.approx(wanted, abs=1e-4)


def test_heads_sum_to_what_attention_wrote_and_keys_to_a_head(case: Subject) -> None:
    trace = case.run.trace
    for layer in layers_of(case):
        for query in (0, case.last // 2, case.last):
            written = [heads.head_output(trace, layer, h, query).double().numpy() for h in range(trace.n_heads)]
            mid = mid_of(case.plain, layer)[query]
            wanted = mid - case.plain.pre[layer][query] - case.plain.b_o[layer]
            size = np.abs(mid).max()
            assert np.sum(written, axis=0) == pytest.approx(wanted, abs=1e-5 * size)
            head = layer % trace.n_heads
            parts = [heads.head_part(trace, layer, head, query, k).double().numpy() for k in range(query + 1)]
            assert np.sum(parts, axis=0) == pytest.approx(written[head], abs=1e-5 * size)
            plain_part = case.plain.values[layer][head] @ case.plain.w_o[layer][head]
            plain_part *= case.plain.attention[layer][head, query][:, None]
            assert np.stack(parts) == pytest.approx(plain_part[: query + 1], abs=1e-5 * size)


def test_a_head_view_tells_the_key_that_contributes_most_unless_asked_for_another(case: Subject) -> None:
    layer, head, query = case.plain.n_layers // 2, 1, case.last
    row = case.plain.contributions(layer).attention[query, :, head]
    attention = case.plain.attention[layer][head, query]
    view = inspect_head(case.run, layer, head, query, keys_k=4)
    assert row[view.key.position] == pytest.approx(row.max(), abs=1e-5)
    assert len(view.keys) == 4
    assert view.keys[0] == view.key
    assert [k.contribution for k in view.keys] == pytest.approx(sorted(row, reverse=True)[:4], abs=1e-5)
    for key in (0, query // 2, query):
        asked = inspect_head(case.run, layer, head, query, key).key
        assert asked.position == key
        assert asked.contribution == pytest.approx(row[key], abs=1e-5)
        assert asked.probability == pytest.approx(attention[key], abs=1e-5)
        assert_rank(inspect_head(case.run, layer, head, query, key).rank, attention, key)


@pytest.mark.parametrize("normalize", [True, False])
def test_a_heads_update_promotes_what_its_vector_points_to(case: Subject, normalize: bool) -> None:
    layer, head, query = 1, 2, case.last
    model = plain(case.run.model.source, case.run.model.model.dtype)
    moved = case.plain.attention[layer][head, query][:, None] * (
        case.plain.values[layer][head] @ case.plain.w_o[layer][head]
    )
    view = inspect_head(case.run, layer, head, query, 1, top_k=6, normalize=normalize)
    for update, vector in ((view.update, moved.sum(axis=0)), (view.part, moved[1])):
        logits = lens_logits(model, vector, normalize=normalize)
        close = {"rel": 1e-3, "abs": 1e-4}
        ordered = np.sort(logits)
        assert [s.logit for s in update.promoted] == pytest.approx(ordered[::-1][:6], **close)
        assert [s.logit for s in update.suppressed] == pytest.approx(ordered[:6], **close)
        for score in (*update.promoted, *update.suppressed):
            assert logits[score.id] == pytest.approx(score.logit, **close)
            assert (score.probability, score.rank_change) == (None, None)
    for reads, position in ((view.query_reads, query), (view.key_reads, 1)):
        state = lens_logits(model, case.plain.pre[layer][position], normalize=normalize)
        assert [s.logit for s in reads] == pytest.approx(np.sort(state)[::-1][:5], rel=1e-3, abs=1e-4)
        wanted = np.exp(state - state.max())[[s.id for s in reads]] / np.exp(state - state.max()).sum()
        assert [s.probability for s in reads] == pytest.approx(wanted, abs=1e-4)


# ---------------------------------------------------------------- maps


def test_maps_are_what_the_definition_says(case: Subject) -> None:
    for layer in layers_of(case):
        shares, attention = case.plain.contributions(layer).attention, case.plain.attention[layer]
        together = attention_map(case.run, layer)
        assert together.probability == pytest.approx(attention.mean(axis=0), abs=1e-5)
        assert together.contribution == pytest.approx(shares.sum(axis=-1), abs=1e-5)
        for head in range(case.run.trace.n_heads):
            found = attention_map(case.run, layer, head)
            assert found.probability == pytest.approx(attention[head], abs=1e-5)
            assert found.contribution == pytest.approx(shares[:, :, head], abs=1e-5)
            assert not np.triu(found.probability, 1).any() and not np.triu(found.contribution, 1).any()


@pytest.mark.parametrize("side", [5, 48])
def test_small_maps_are_the_largest_of_each_cell(case: Subject, side: int) -> None:
    layer = case.plain.n_layers - 1
    attention, shares = case.plain.attention[layer], case.plain.contributions(layer).attention.transpose(2, 0, 1)
    maps = layer_maps(case.run, layer, side=side)
    assert maps.largest == pytest.approx(shares.max(), abs=1e-5)
    assert maps.total == pytest.approx(shares.sum(axis=2).mean(axis=1), abs=1e-5)
    for found, dense in ((maps.probability, attention), (maps.contribution, shares / shares.max())):
        wanted = cells(dense, side)
        assert found.dtype == np.uint8 and found.shape == wanted.shape
        # one level apart where rounding is on the edge; √ is steep at 0
        assert np.abs(found / 255.0 - np.sqrt(wanted)).max() <= 0.5 / 255 + 2e-3


@pytest.mark.parametrize(("n_tokens", "side"), [(1, 48), (2, 48), (48, 48), (49, 48), (100, 48), (97, 7), (13, 12)])
def test_every_token_is_in_one_cell_and_cells_are_as_even_as_can_be(n_tokens: int, side: int) -> None:
    made = synthetic.trace(1, n_layers=1, n_tokens=n_tokens, n_heads=2, n_kv_heads=1)
    maps = heads.layer_maps(made, contributions(made)[0], 0, side=side)
    dense = made.layers[0].attention.probabilities().double().numpy()
    wanted = cells(dense, side)
    assert maps.probability.shape == wanted.shape
    assert np.abs(maps.probability / 255.0 - np.sqrt(wanted)).max() <= 0.5 / 255 + 1e-4
    sizes = np.bincount(cell_of(n_tokens, side))
    assert sizes.sum() == n_tokens
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize(("n_tokens", "side"), [(1, 4), (9, 9), (40, 7), (50, 49)])
def test_a_map_in_cells_says_where_the_largest_of_each_cell_is(n_tokens: int, side: int) -> None:
    dense = np.tril(np.random.default_rng(n_tokens).random((n_tokens, n_tokens), dtype=np.float32))
    # equal values, and cells of which only a corner is under the diagonal
    dense[dense < 0.3] = 0
    found = heads.in_cells(dense, side)
    assert found.largest == pytest.approx(cells(dense[None], side)[0])
    of = cell_of(n_tokens, side)
    for (row, column), at in np.ndenumerate(found.at):
        query, key = divmod(int(at), n_tokens)
        assert (of[query], of[key]) == (row, column)
        assert dense[query, key] == found.largest[row, column]


def cell_of(n_tokens: int, side: int) -> Array:
    """The cell of every token; cell i begins at token ⌊i·T/side⌋."""
    side = min(side, n_tokens)
    return np.array([max(i for i in range(side) if i * n_tokens // side <= t) for t in range(n_tokens)])


def cells(dense: Array, side: int) -> Array:
    """The largest value of each cell, found one value at a time."""
    n_heads, n_tokens, _ = dense.shape
    found = np.zeros((n_heads, min(side, n_tokens), min(side, n_tokens)))
    of = cell_of(n_tokens, side)
    for h, t, s in np.ndindex(*dense.shape):
        found[h, of[t], of[s]] = max(found[h, of[t], of[s]], dense[h, t, s])
    return found


# ---------------------------------------------------------------- windows, precision, wrong places


def test_a_key_outside_of_the_window_is_no_part(request: pytest.FixtureRequest) -> None:
    case = subject(request, "tiny_mistral ioi")
    edge = inspect_edge(case.run, 1, case.last, 0)
    assert case.last > 5
    assert not case.plain.attention[1][:, case.last, 0].any()
    assert not edge.heads.contribution.any() and not edge.heads.probability.any()
    view = inspect_head(case.run, 1, 2, case.last, 0)
    assert (view.key.probability, view.key.contribution) == (0, 0)
    assert view.rank == 5


@pytest.mark.parametrize("name", ["tiny_llama_bf16 ioi", "tiny_gpt2_bf16 ioi"])
def test_bfloat16_stays_near_the_definition_on_the_same_weights(request: pytest.FixtureRequest, name: str) -> None:
    case = subject(request, name)
    kept = case.run.contributions
    for layer in range(case.plain.n_layers):
        shares = case.plain.contributions(layer).attention
        found = np.stack([attention_map(case.run, layer, h).contribution for h in range(case.run.trace.n_heads)], -1)
        assert np.abs(found - shares).max() < 0.03
        assert np.abs(found - shares).mean() < 0.002
        # identities hold as in float32: rounding happens once, in the run
        rest = kept.attention_residual[layer] + kept.attention_bias[layer]
        assert found.sum(axis=(1, 2)) + rest == pytest.approx(np.ones(case.last + 1), abs=1e-5)
        weights = [inspect_edge(case.run, layer, case.last, key).weight for key in range(case.last + 1)]
        assert weights == pytest.approx(found[case.last].sum(axis=-1), abs=1e-5)


@pytest.mark.parametrize(
    ("what", "place"),
    [
        ("layer", (30, 0, 1, 0)),
        ("layer", (-1, 0, 1, 0)),
        ("head", (0, 9, 1, 0)),
        ("head", (0, -1, 1, 0)),
        ("key position", (0, 0, 3, 4)),
        ("key position", (0, 0, 3, -1)),
    ],
)
def test_a_place_that_is_not_there_is_refused_with_what_there_is(
    ioi: Analysis, what: str, place: tuple[int, int, int, int]
) -> None:
    layer, head, query, key = place
    with pytest.raises(TransparencyError, match=f"There is no {what} ") as caught:
        inspect_head(ioi, layer, head, query, key)
    assert caught.value.kind == "invalidParams"
    assert caught.value.remedy.startswith("Choose 0 to ")
    if what != "head":
        with pytest.raises(TransparencyError, match=f"There is no {what} "):
            inspect_edge(ioi, layer, query, key)
    if what in ("layer", "head"):
        with pytest.raises(TransparencyError, match=f"There is no {what} "):
            attention_map(ioi, layer, head)
    if what == "layer":
        with pytest.raises(TransparencyError, match=f"There is no {what} "):
            layer_maps(ioi, layer)


# ---------------------------------------------------------------- the logit, from all parts


@pytest.mark.parametrize("name", ["embedded ioi", "tiny_llama ioi", "tiny_gpt2 ioi", "tiny_mistral ioi"])
def test_direct_effects_of_every_head_at_every_key_sum_to_the_logit(request: pytest.FixtureRequest, name: str) -> None:
    """See docs/method.md#direct-effects: the scale of the final norm (RMSNorm, LayerNorm) is frozen."""
    case = subject(request, name)
    trace, model, t = case.run.trace, plain(case.run.model.source), case.last
    trunk = getattr(model, "transformer", None) or model.model
    norm = trunk.ln_f if hasattr(trunk, "ln_f") else trunk.norm
    final = case.plain.post[-1][t]
    layer_norm = isinstance(norm, torch.nn.LayerNorm)
    spread = final.var() if layer_norm else (final**2).mean()
    gain = norm.weight.detach().double().numpy()
    gain /= np.sqrt(spread + (norm.eps if layer_norm else norm.variance_epsilon))
    parts = [case.plain.pre[0][t]]
    for layer in range(case.plain.n_layers):
        for head in range(trace.n_heads):
            parts += [heads.head_part(trace, layer, head, t, key).double().numpy() for key in range(t + 1)]
        parts += [case.plain.b_o[layer], case.plain.ffn[layer][t]]
    every = np.stack(parts)
    if layer_norm:
        every -= every.mean(axis=1, keepdims=True)
    logits = case.plain.logits[t]
    for token in (int(logits.argmax()), int(logits.argmin()), 7):
        row = model.lm_head.weight[token].detach().double().numpy()
        effects = every @ (gain * row)
        beta = norm.bias.detach().double().numpy() @ row if layer_norm else 0.0
        assert effects.sum() + beta == pytest.approx(logits[token], abs=1e-4)
        # the heads matter: the sum is not just the embedding's
        assert abs(effects[0] + beta - logits[token]) > 0.1
