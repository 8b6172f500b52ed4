"""The grid and the tracks of a lens with maps, and which lenses there are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lm_transparency import Analysis, Lens, LoadedModel, analyze, inspect_lens, inspect_lenses, load_lens, track_tokens
from lm_transparency.errors import TransparencyError
from lm_transparency.lens.files import write_fit
from lm_transparency.lens.fitting import JacobianSum
from lm_transparency.lens.maps import LOGIT, Affine, LensMaps
from lm_transparency.lens.places import kept_lens


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
