"""`watch.cancel()` stops an analysis within a layer, and a cancelled analysis can start again."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

import prompts
from lm_transparency import Cancelled, LoadedModel, Watch, analyze

Steps = list[tuple[str, int, int]]


def watched(act: Callable[[Watch, str, int], None]) -> tuple[Watch, Steps]:
    """A watch that keeps its reports and passes them to `act`."""
    steps: Steps = []

    def report(stage: str, done: int, total: int) -> None:
        steps.append((stage, done, total))
        act(watch, stage, done)

    watch = Watch(report)
    return watch, steps


@pytest.mark.parametrize("stage", ["forward", "contributions"])
@pytest.mark.parametrize("layer", [0, 2])
def test_cancelling_at_a_layer_stops_before_the_next_but_one(tiny: LoadedModel, stage: str, layer: int) -> None:
    entered: list[int] = []
    handles = [
        block.ffn.register_forward_pre_hook(lambda _module, _args, i=i: entered.append(i))
        for i, block in enumerate(tiny.anatomy.blocks)
    ]
    watch, steps = watched(lambda w, s, done: w.cancel() if (s, done) == (stage, layer) else None)
    try:
        with pytest.raises(Cancelled):
            analyze(tiny, prompts.WAR, watch=watch)
    finally:
        for handle in handles:
            handle.remove()
    assert steps[-1] == (stage, layer, tiny.anatomy.n_layers)
    if stage == "forward":
        assert max(entered) <= layer
        assert not any(name == "contributions" for name, *_ in steps)


@pytest.mark.parametrize("stage", ["forward", "contributions"])
def test_the_embedded_model_can_be_used_after_a_cancellation(embedded: LoadedModel, stage: str) -> None:
    watch, steps = watched(lambda w, s, done: w.cancel() if (s, done) == (stage, 11) else None)
    with pytest.raises(Cancelled):
        analyze(embedded, prompts.WAR, watch=watch)
    assert steps[-1] == (stage, 11, 30)
    assert embedded.model.config._attn_implementation == "sdpa"
    run = analyze(embedded, "The capital of France is")
    assert run.predictions(1).texts[-1] == (" Paris",)
    assert run.proof.holds


def test_every_layer_is_reported_in_both_stages(tiny: LoadedModel) -> None:
    watch, steps = watched(lambda *_: None)
    analyze(tiny, prompts.WAR, watch=watch)
    n_layers = tiny.anatomy.n_layers
    for stage in ("forward", "contributions"):
        assert [s for s in steps if s[0] == stage] == [(stage, i, n_layers) for i in range(n_layers)]


def test_a_watch_cancelled_before_the_start_computes_nothing(tiny: LoadedModel) -> None:
    watch, steps = watched(lambda *_: None)
    watch.cancel()
    with pytest.raises(Cancelled):
        analyze(tiny, prompts.WAR, watch=watch)
    assert steps == []


def test_cancelling_from_another_thread_stops_the_work(tiny: LoadedModel) -> None:
    def cancel_elsewhere(watch: Watch, stage: str, done: int) -> None:
        if (stage, done) == ("contributions", 1):
            thread = threading.Thread(target=watch.cancel)
            thread.start()
            thread.join()

    watch, steps = watched(cancel_elsewhere)
    with pytest.raises(Cancelled):
        analyze(tiny, prompts.WAR, watch=watch)
    assert steps[-1][:2] == ("contributions", 1)


def test_an_exception_in_a_report_ends_the_work_and_leaves_the_model_usable(tiny: LoadedModel) -> None:
    def fail(_watch: Watch, stage: str, done: int) -> None:
        if (stage, done) == ("forward", 1):
            raise BrokenPipeError

    watch, _ = watched(fail)
    with pytest.raises(BrokenPipeError):
        analyze(tiny, prompts.WAR, watch=watch)
    assert tiny.model.config._attn_implementation == "sdpa"
    assert analyze(tiny, prompts.WAR).proof.holds
