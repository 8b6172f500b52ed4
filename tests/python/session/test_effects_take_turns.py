"""Steps of effects leave the model to who is in it: a lens is fitted in the pauses of a session's questions."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from lm_transparency import LoadedModel, Session, Watch
from lm_transparency.ambient import guard
from lm_transparency.protocol.effects import (
    FaithfulnessParams,
    KnockOutParams,
    MeasureEffectsParams,
    PredictEffectsParams,
)
from lm_transparency.session.answers import answer


def test_every_step_waits_until_the_model_is_free(tiny_llama: LoadedModel) -> None:
    session = Session()
    run_id, run = session.analyze(tiny_llama, "When Mary and John went to the store, John gave")
    at = len(run.tokens) - 1
    steps = (
        PredictEffectsParams(run_id=run_id, position=at),
        MeasureEffectsParams(run_id=run_id, position=at, units=["M1_1"]),
        KnockOutParams(run_id=run_id, position=at, unit="M1_1"),
        FaithfulnessParams(run_id=run_id, position=at),
    )
    inside = threading.Event()
    handle = tiny_llama.model.register_forward_pre_hook(lambda *_: inside.set())
    try:
        with ThreadPoolExecutor(1) as threads:
            for step in steps:
                with guard(tiny_llama):
                    waiting = threads.submit(answer, step, session, Watch())
                    assert not inside.wait(0.3), step
                waiting.result(60)
                assert inside.is_set(), step
                inside.clear()
    finally:
        handle.remove()
