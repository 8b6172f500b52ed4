"""How much would still change in what a lens reads: told before, and seen when the fit goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lm_transparency import LoadedModel
from lm_transparency.lens.fits import Kept, fit_lens
from lm_transparency.lens.fitting import JacobianSum
from lm_transparency.lens.plan import Plan
from lm_transparency.lens.sequences import sampled
from lm_transparency.lens.settling import Settling


def a_fit(model: LoadedModel, n: int, noise: Tensor) -> JacobianSum:
    """A mean of `n` noisy sequences, of which the first m have the first m parts of the noise."""
    d, rows = model.anatomy.d_model, range(len(model.anatomy.blocks))
    return JacobianSum(
        d, len(rows), tuple(range(n)), {row: n * torch.eye(d) + noise[row, :n].sum(dim=0) for row in rows}
    )


def test_what_would_change_is_near_what_changes(tiny_llama: LoadedModel) -> None:
    d, n_rows = tiny_llama.anatomy.d_model, len(tiny_llama.anatomy.blocks)
    ids = sampled(tiny_llama.model, tiny_llama.tokenizer, [0], 64)[0]
    noise = 0.4 * torch.randn(n_rows, 16, d, d, generator=torch.Generator().manual_seed(0)) / d**0.5
    settling, limit = Settling(tiny_llama, ids, 2), Settling(tiny_llama, ids, 2)
    assert settling.changing(a_fit(tiny_llama, 4, noise)) is None
    settling.changing(a_fit(tiny_llama, 8, noise))
    told = settling.changing(a_fit(tiny_llama, 16, noise))
    # the limit: no noise at all
    limit.changing(a_fit(tiny_llama, 16, noise))
    seen = limit.changing(a_fit(tiny_llama, 32, torch.cat([noise, -noise], dim=1)))
    assert told and seen and told == pytest.approx(seen, rel=0.25)


def test_an_open_fit_ends_when_it_has_settled(
    tiny_llama: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = iter([None, 0.2, 0.04, 0.01])
    monkeypatch.setattr(Settling, "changing", lambda _self, _fit: next(shares))
    kept: list[Kept] = []
    plan = Plan(tokens=12, skip=2, batch=48)
    total = fit_lens(tiny_llama, plan, tmp_path / "x.safetensors", kept=kept.append)
    assert total.n_sequences == 3
    assert [(one.changing, one.settled) for one in kept] == [(None, False), (0.2, False), (0.04, True)]
    # a number of sequences is kept to
    shares = iter([None, 0.04, 0.01])
    monkeypatch.setattr(Settling, "changing", lambda _self, _fit: next(shares))
    plan = Plan(sequences=3, tokens=12, skip=2, batch=48)
    assert fit_lens(tiny_llama, plan, tmp_path / "y.safetensors").n_sequences == 3
