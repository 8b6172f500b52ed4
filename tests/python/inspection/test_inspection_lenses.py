"""The grid and the tracks of a lens with maps, and which lenses there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from lm_transparency import (
    Analysis,
    Lens,
    LoadedModel,
    Watch,
    analyze,
    export_figure,
    inspect_head,
    inspect_lens,
    inspect_lenses,
    inspect_neuron,
    inspect_node,
    inspect_promoted,
    load_lens,
    track_tokens,
)
from lm_transparency.errors import TransparencyError
from lm_transparency.lens.files import write_fit
from lm_transparency.lens.fitting import JacobianSum
from lm_transparency.lens.maps import LOGIT, Affine, LensMaps
from lm_transparency.lens.places import kept_lens
from lm_transparency.protocol.ffn import ExpertParams, FfnExpertsParams, NeuronParams
from lm_transparency.protocol.heads import HeadParams
from lm_transparency.protocol.inspection import ExportParams, FigureView, LensChoice, NodeTokensParams, PromotedParams
from lm_transparency.protocol.lens import LensGridParams, LensTrackParams
from lm_transparency.routes.heads import head_output
from lm_transparency.session.answers import answer
from lm_transparency.session.session import Session


@pytest.fixture
def run(tiny_llama: LoadedModel) -> Analysis:
    return analyze(tiny_llama, "hello there")


def some_lens(model: LoadedModel) -> LensMaps:
    d_model, n_layers = model.anatomy.d_model, len(model.anatomy.blocks)
    numbers = torch.Generator().manual_seed(3)
    return LensMaps(
        "tuned",
        "some",
        {
            row: Affine(torch.randn(d_model, d_model, generator=numbers), torch.randn(d_model, generator=numbers))
            for row in range(1, n_layers)
        },
    )


def test_a_cell_reads_the_mapped_state(run: Analysis) -> None:
    lens, token = some_lens(run.model), 7
    grid = inspect_lens(run, token=token, lens=lens)
    assert grid.lens == "some"
    states = [run.trace.layers[0].pre, *(layer.post for layer in run.trace.layers)]
    for row, state in enumerate(states):
        affine = lens.rows.get(row)
        read = state if affine is None else state @ affine.weight.T + affine.bias
        logits = Lens(run.trace.anatomy).logits(read)
        assert grid.top[row].tolist() == logits.argmax(dim=-1).tolist()
        torch.testing.assert_close(grid.top_logit[row], logits.max(dim=-1).values, rtol=1e-4, atol=1e-4)
        ranks = (logits > logits[:, token : token + 1]).sum(dim=-1)
        assert grid.token_rank is not None and grid.token_rank[row].tolist() == ranks.tolist()
    for position in range(len(run.tokens)):
        (track,) = track_tokens(run, position, [token], lens=lens)
        assert list(track.rank) == [row[position] for row in grid.token_rank.tolist()]


def test_the_identity_gives_the_numbers_of_the_logit_lens_bit_for_bit(run: Analysis) -> None:
    plain, same = inspect_lens(run, token=7), inspect_lens(run, token=7, lens=LOGIT)
    for name in ("top", "top_probability", "top_logit", "token_probability", "token_rank"):
        assert torch.equal(getattr(plain, name), getattr(same, name))


def test_a_lens_is_there_once_it_is_fitted(run: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lm_transparency.lens.places.cache_directory", lambda: tmp_path)
    model, anatomy = run.model, run.model.anatomy
    assert inspect_lenses(run).names == ("logit",)
    with pytest.raises(TransparencyError, match="No Jacobian lens of this model is here"):
        load_lens(model)
    rows = {row: 2 * torch.eye(anatomy.d_model) for row in range(len(anatomy.blocks))}
    total = JacobianSum(anatomy.d_model, len(anatomy.blocks), (0, 1), rows, dict.fromkeys(rows, 1.0))
    file = kept_lens(model.files)
    file.parent.mkdir(parents=True)
    write_fit(file, total, fingerprint=model.files, model=model.name, settings={})
    found = inspect_lenses(run)
    assert (found.names, found.sequences) == (("logit", "jacobian"), 2)
    # both J are the identity
    assert torch.equal(inspect_lens(run, lens=load_lens(model)).top, inspect_lens(run).top)
    file.write_bytes(b"no lens")
    assert inspect_lenses(run).names == ("logit",)
    with pytest.raises(TransparencyError, match="damaged"):
        load_lens(model)
    with pytest.raises(TransparencyError, match="NUL character"):
        load_lens(model, "a\0")


def test_a_nodes_lists_read_states_with_their_rows_map_and_updates_without_its_bias(run: Analysis) -> None:
    maps, trace, layer, at = some_lens(run.model), run.trace, 1, 2
    lens = Lens(trace.anatomy)
    record, turned = trace.layers[layer], maps.rows[layer + 1]
    read = {
        "A": (turned.of(record.mid[at]), (record.mid[at] - record.pre[at]) @ turned.weight.T),
        "I": (turned.of(record.post[at]), record.ffn[at] @ turned.weight.T),
    }
    for kind, (state, update) in read.items():
        found = inspect_node(run, f"{kind}{layer}_{at}", top_k=3, update_k=3, lens=maps)
        assert found.lens == "some"
        assert [score.id for score in found.top] == lens.logits(state).topk(3).indices.tolist()
        assert [score.id for score in found.update.promoted] == lens.logits(update).topk(3).indices.tolist()
    before = maps.read(record.pre[at], layer)
    first = inspect_node(run, f"A{layer}_{at}", top_k=1, lens=maps).top[0]
    ranks = [int((lens.logits(x) > lens.logits(x)[first.id]).sum()) for x in (before, read["A"][0])]
    assert first.rank_change == ranks[0] - ranks[1]


def test_what_heads_and_neurons_write_is_turned_by_the_map_of_their_layer(run: Analysis) -> None:
    maps, trace, layer, at = some_lens(run.model), run.trace, 0, 2
    lens, turned, pre = Lens(trace.anatomy), maps.rows[layer + 1], trace.layers[layer].pre
    written = head_output(trace, layer, 1, at)
    head = inspect_head(run, layer, 1, at, lens=maps)
    assert head.update.promoted[0].id == int(lens.logits(written @ turned.weight.T).argmax())
    # row 0 has no map: the embedding is read as it is
    assert head.query_reads[0].id == int(lens.logits(pre[at]).argmax())
    neuron = inspect_neuron(run, layer, 3, at, lens=maps)
    vector = neuron.share.activation * trace.anatomy.blocks[layer].w_out()[3]
    assert neuron.update.promoted[0].id == int(lens.logits(vector @ turned.weight.T).argmax())
    promoted = inspect_promoted(run, ["0.1@2", "M0_2#3"], top_k=1, lens=maps)
    assert [unit.promoted[0].id for unit in promoted.units] == [
        head.update.promoted[0].id,
        neuron.update.promoted[0].id,
    ]
    assert {head.lens, neuron.lens, promoted.lens} == {"some"}


def test_every_question_that_reads_vectors_takes_the_lens(run: Analysis) -> None:
    session = Session()
    run_id = session.keep(run)
    asked: dict[type, dict[str, Any]] = {
        NodeTokensParams: {"node": "I0_1"},
        PromotedParams: {"units": ["M0_1"]},
        HeadParams: {"layer": 0, "head": 0, "query": 1},
        NeuronParams: {"layer": 0, "neuron": 0, "position": 1},
        FfnExpertsParams: {"layer": 0, "position": 1},
        ExpertParams: {"layer": 0, "expert": "0", "position": 1},
        LensGridParams: {},
        LensTrackParams: {"position": 1, "tokens": [7]},
        ExportParams: {"format": "svg", "target": 1, "threshold": 0.04, "view": "lens"},
    }
    assert set(asked) == set(LensChoice.__subclasses__())
    for params, fields in asked.items():
        with pytest.raises(TransparencyError, match=r"nowhere.pt cannot be read as a lens"):
            answer(params(run_id=run_id, **fields, lens="/nowhere.pt"), session, Watch())


def test_figures_name_the_lens_that_they_are_read_with(run: Analysis) -> None:
    def words(view: FigureView, lens: LensMaps) -> str:
        svg = export_figure(run, "svg", target=1, threshold=0.04, view=view, caption=True, lens=lens).decode()
        return " ".join(re.sub(r"<[^>]*>", " ", svg).split()).lower()

    maps = some_lens(run.model)
    for view in ("lens", "chart"):
        assert "tuned lens" in words(view, maps) and "tuned lens" not in words(view, LOGIT)
        assert "logit lens" in words(view, LOGIT)
