"""A fit that is let go on for a while at a time."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from lm_transparency import LoadedModel, Watch
from lm_transparency.errors import Cancelled, TransparencyError
from lm_transparency.lens.files import n_fitted
from lm_transparency.lens.fits import Kept
from lm_transparency.lens.places import kept_lens
from lm_transparency.lens.plan import Plan
from lm_transparency.server.compute.fits import Fit
from lm_transparency.session.session import Session

PLAN = Plan(sequences=4, tokens=12, batch=2)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lm_transparency.lens.places.cache_directory", lambda: tmp_path)


def test_a_fit_stands_still_until_it_may_go_on_and_loses_nothing(tiny_llama: LoadedModel) -> None:
    kept: list[Kept] = []
    fit = Fit(tiny_llama, PLAN, kept.append)
    interrupted = Watch()
    interrupted.cancel()
    shares: list[float] = []
    for _ in range(3):
        with pytest.raises(Cancelled):
            fit.go_on(interrupted, 60)
        shares.append(fit.share)
    assert shares == sorted(shares) and threading.active_count() > 1
    assert fit.go_on(Watch(), 60) and fit.share > 0
    assert [one.fit.n_sequences for one in kept] == [1, 2, 3, 4]
    assert n_fitted(kept_lens(tiny_llama.files)) == 4
    fit.close()


def test_a_fit_that_is_closed_just_before_it_looks_does_not_wait(tiny_llama: LoadedModel) -> None:
    fit = Fit(tiny_llama, PLAN, lambda _: None)
    fit.close()
    # a request that lets it go on ends at the same moment
    fit._may.clear()  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(Cancelled):
        fit._step("fitting", 0, 1)  # pyright: ignore[reportPrivateUsage]


def test_a_closed_fit_ends_and_what_stopped_it_is_raised(
    tiny_llama: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = Fit(tiny_llama, Plan(tokens=12), lambda _: None)
    assert not fit.go_on(Watch(), 0)
    fit.close()
    assert not any(thread.name == "fitting" for thread in threading.enumerate())

    def refuse(*_: Any, **__: Any) -> None:
        raise TransparencyError("modelUnsupported", "No gradient.")

    monkeypatch.setattr("lm_transparency.lens.fits.fit_lens", refuse)
    with pytest.raises(TransparencyError, match="No gradient"):
        Fit(tiny_llama, PLAN, lambda _: None).go_on(Watch(), 60)


def test_whoever_holds_a_model_is_told_that_it_is_unloaded(tiny_llama_folder: Path) -> None:
    session, left = Session(), list[str]()
    session.leaving.append(lambda model: left.append(model.name))
    session.load(str(tiny_llama_folder))
    session.unload("another")
    assert left == []
    session.unload()
    assert left == ["tiny-llama"]
