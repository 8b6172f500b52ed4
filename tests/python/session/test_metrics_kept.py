"""Questions about effects that one process answers: for small models of other kinds, and what it keeps meanwhile."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from classifiers import save_random
from families import build
from lm_transparency import LoadedModel, Session, TransparencyError, analyze, inspect_effects, load_model
from lm_transparency.protocol import INSPECTIONS
from lm_transparency.protocol.effects import MetricChoice
from lm_transparency.protocol.wire import read, to_wire
from lm_transparency.session import session as session_module
from lm_transparency.session.answers import answer
from lm_transparency.watch import Watch
from tiny_models import train_tokenizer

PROMPT = "Mary and John went"


@pytest.fixture
def session() -> Session:
    return Session()


def kept(session: Session, run_id: str, **metric: Any) -> weakref.ref[Any]:
    return weakref.ref(session.asking(MetricChoice(run_id=run_id, **metric), Watch()))


def there(*asked: weakref.ref[Any]) -> list[bool]:
    gc.collect()
    return [one() is not None for one in asked]


def asked_of(session: Session, run_id: str, name: str, **params: Any) -> Any:
    """The answer as it goes over the wire."""
    asked = read(INSPECTIONS[f"lmTransparency/{name}"][0], {"runId": run_id, **params})
    return to_wire(answer(asked, session, Watch()))


def test_a_metric_is_prepared_once(session: Session, tiny_gpt2: LoadedModel) -> None:
    run_id = session.keep(analyze(tiny_gpt2, PROMPT))
    first = session.asking(MetricChoice(run_id=run_id, target="#5"), Watch())
    watch = Watch()
    again = MetricChoice(run_id=run_id, target="#5", behind=True, work_done_token="another")
    assert session.asking(again, watch) is first
    assert first.watch is watch
    others: list[dict[str, Any]] = [
        {"target": "#6"},
        {"target": "#5", "contrast": "#6"},
        {"target": "#5", "how": "zero"},
    ]
    for other in others:
        assert session.asking(MetricChoice(run_id=run_id, **other), Watch()) is not first


def test_gradients_have_a_budget_and_the_latest_ones_stay(
    session: Session, tiny_gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = session.keep(analyze(tiny_gpt2, PROMPT))
    one = session.asking(MetricChoice(run_id=run_id, target="#1"), Watch()).n_bytes
    assert one > 0
    monkeypatch.setattr(session_module, "METRIC_BUDGET", 2 * one)
    first, second = (kept(session, run_id, target=f"#{i}") for i in (1, 2))
    assert there(first, second) == [True, True]
    # asked for again, so the other one is the oldest
    kept(session, run_id, target="#1")
    third = kept(session, run_id, target="#3")
    assert there(first, second, third) == [True, False, True]
    # the newest stays, whatever it takes
    monkeypatch.setattr(session_module, "METRIC_BUDGET", 0)
    fourth = kept(session, run_id, target="#4")
    assert there(first, third, fourth) == [False, False, True]


def test_metrics_go_with_their_runs(session: Session, tiny_gpt2: LoadedModel, tiny_llama_folder: Path) -> None:
    old, new = (session.keep(analyze(tiny_gpt2, prompt)) for prompt in (PROMPT, "went to the store"))
    asked = [kept(session, run_id, target="#1") for run_id in (old, new)]
    session.set_trace_budget(1)
    assert there(*asked) == [False, True]
    with pytest.raises(TransparencyError, match="no longer holds"):
        session.asking(MetricChoice(run_id=old, target="#1"), Watch())
    model = session.load(str(tiny_llama_folder))
    of_llama = kept(session, session.analyze(model, PROMPT)[0])
    assert there(*asked, of_llama) == [False, False, True]
    session.unload()
    assert there(of_llama) == [False]


def test_labels_of_a_classifier(session: Session, tmp_path: Path) -> None:
    run = analyze(load_model(str(save_random(tmp_path, "llama", num_labels=3))), "w1 w2 lovely w3")
    units = ["M0_2", "X0_2", "X0_3"]
    ours = inspect_effects(run, target="LABEL_2", contrast="LABEL_0", units=units)
    run_id = session.keep(run)

    def ask(name: str, **params: Any) -> Any:
        return asked_of(session, run_id, name, **{"target": "LABEL_2", "contrast": "LABEL_0", **params})

    measured = ask("measureEffects", units=units)["units"]
    for unit, other in zip(ours.units, measured, strict=True):
        assert (other["unit"], other["how"]) == (unit.unit, unit.how)
        assert other["measured"] == (None if unit.measured is None else pytest.approx(unit.measured, abs=1e-5))
    outputs = ask("knockOut", unit="M0_2")["outputs"]
    assert {output["text"] for output in outputs} == {"LABEL_0", "LABEL_1", "LABEL_2"}
    assert sum(output["after"] for output in outputs) == pytest.approx(1)
    assert ask("predictEffects")["metric"]["target"] == {"id": 2, "text": "LABEL_2"}
    with pytest.raises(TransparencyError, match="no label 'happy'"):
        ask("predictEffects", target="happy")


def test_biases_and_experts_are_measured_over_the_wire_too(
    session: Session, tiny_gpt2: LoadedModel, tmp_path: Path
) -> None:
    tokenizer = train_tokenizer()
    build("qwen2_moe", {"vocab_size": len(tokenizer) + 8, "mlp_only_layers": [0]}).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    for model, units in ((tiny_gpt2, ["B1_2"]), (load_model(str(tmp_path)), ["M1_2@shared", "M1_2@shared#3"])):
        run = analyze(model, PROMPT)
        ours = inspect_effects(run, units=units).units
        reply = asked_of(session, session.keep(run), "measureEffects", units=units)
        assert [one["unit"] for one in reply["units"]] == units
        for unit, other in zip(ours, reply["units"], strict=True):
            assert other["kind"] == unit.kind
            assert [other[name] for name in ("predicted", "measured")] == pytest.approx(
                [unit.predicted, unit.measured], abs=1e-5
            )


def test_a_metric_on_a_run_that_is_not_complete_holds_the_logits_of_one_position(
    session: Session, tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "LONG", 2)
    run_id, _ = session.begin(tiny, PROMPT)
    whole = inspect_effects(analyze(tiny, PROMPT), position=1, contrast=True, units=["M0_1", "X0_0"])
    target, contrast = (f"#{one.id}" for one in (whole.metric.target, whole.metric.contrast) if one)
    asking = session.asking(MetricChoice(run_id=run_id, position=1, target=target, contrast=contrast), Watch())
    assert len(asking.trace.logits) == 1 and asking.trace.unread is not None
    assert asking.value == pytest.approx(whole.metric.value, abs=1e-5)
    assert asking.engine.clean.untyped_storage().nbytes() <= 2 * asking.engine.clean.nbytes
    likely = session.asking(MetricChoice(run_id=run_id, position=1), Watch())
    assert likely.metric.target == whole.metric.target.id
    found = asked_of(session, run_id, "measureEffects", position=1, target=target, contrast=contrast, units=["M0_1"])
    assert found["units"][0]["measured"] == pytest.approx(whole.units[0].measured, abs=1e-4)
