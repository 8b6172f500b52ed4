"""The state of one process: one model, recent runs under a memory budget, and the release of old ones."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

import prompts
from lm_transparency import Session, TransparencyError
from lm_transparency.watch import Watch

PROMPTS = ["Mary and John", "went to the store", "gave a drink to", "日本語 😀"]


@pytest.fixture
def session() -> Session:
    return Session()


def test_a_model_is_loaded_once(session: Session, tiny_llama_folder: Path) -> None:
    first = session.load(str(tiny_llama_folder), dtype="float32", device="cpu")
    assert session.load(str(tiny_llama_folder), dtype="float32", device="cpu") is first
    assert session.loaded == [first]


def test_one_model_is_held_at_a_time(session: Session, tiny_llama_folder: Path, tiny_gpt2_folder: Path) -> None:
    llama = session.load(str(tiny_llama_folder))
    run_id, _ = session.analyze(llama, prompts.WAR)
    gpt2 = session.load(str(tiny_gpt2_folder))
    assert session.loaded == [gpt2]
    with pytest.raises(TransparencyError) as caught:
        session.run(run_id)
    assert caught.value.kind == "runExpired"


def test_another_dtype_is_another_model(session: Session, tiny_llama_folder: Path) -> None:
    session.load(str(tiny_llama_folder), dtype="float32")
    session.load(str(tiny_llama_folder), dtype="bfloat16")
    assert [model.dtype for model in session.loaded] == ["bfloat16"]


def test_a_model_that_cannot_be_loaded_leaves_the_loaded_one(session: Session, tiny_llama_folder: Path) -> None:
    llama = session.load(str(tiny_llama_folder))
    run_id, analysis = session.analyze(llama, prompts.WAR)
    with pytest.raises(TransparencyError):
        session.load("/no/such/model")
    assert session.loaded == [llama]
    assert session.run(run_id) is analysis


def test_unloading_frees_the_model_and_its_traces(session: Session, tiny_llama_folder: Path) -> None:
    model = session.load(str(tiny_llama_folder))
    run_id, analysis = session.analyze(model, prompts.WAR)
    held = [weakref.ref(model.model), weakref.ref(analysis.trace), weakref.ref(analysis.trace.layers[0].pre)]
    assert session.unload() == [model.name]
    del model, analysis
    gc.collect()
    assert [ref() for ref in held] == [None, None, None]
    assert session.loaded == []
    with pytest.raises(TransparencyError):
        session.run(run_id)


def test_unloading_by_name_or_source_takes_that_model_only(session: Session, tiny_llama_folder: Path) -> None:
    model = session.load(str(tiny_llama_folder))
    assert session.unload("something else") == []
    assert session.loaded == [model]
    assert session.unload(model.name) == [model.name]
    session.load(str(tiny_llama_folder))
    assert session.unload(str(tiny_llama_folder)) == [model.name]


def test_unloading_nothing_is_fine(session: Session) -> None:
    assert session.unload() == []


def test_the_embedded_model_is_one_model_under_both_its_names(session: Session) -> None:
    by_default = session.load(dtype="bfloat16")
    assert session.load(by_default.name, dtype="bfloat16") is by_default


def test_the_oldest_run_goes_first_when_the_budget_is_exceeded(tiny_llama_folder: Path) -> None:
    sizes = [_size(tiny_llama_folder, prompt) for prompt in PROMPTS]
    session = Session(trace_budget=sum(sizes[-2:]) + min(sizes) // 2)
    model = session.load(str(tiny_llama_folder))
    runs = [session.analyze(model, prompt)[0] for prompt in PROMPTS]
    for run_id in runs[:-2]:
        with pytest.raises(TransparencyError, match="no longer holds") as caught:
            session.run(run_id)
        assert caught.value.kind == "runExpired"
    for run_id, prompt in list(zip(runs, PROMPTS, strict=True))[-2:]:
        assert session.run(run_id).prompt == prompt


def test_a_run_that_is_looked_into_counts_as_new(tiny_llama_folder: Path) -> None:
    size = _size(tiny_llama_folder, PROMPTS[0])
    session = Session(trace_budget=int(2.5 * size))
    model = session.load(str(tiny_llama_folder))
    first, second = (session.analyze(model, PROMPTS[0])[0] for _ in range(2))
    session.run(first)
    third, _ = session.analyze(model, PROMPTS[0])
    assert session.run(first)
    assert session.run(third)
    with pytest.raises(TransparencyError):
        session.run(second)


def _size(folder: Path, prompt: str) -> int:
    """The memory that the analysis of `prompt` holds."""
    session = Session()
    session.analyze(session.load(str(folder)), prompt)
    return session.traces.n_bytes


def test_a_smaller_budget_drops_the_oldest_at_once_and_reports_the_memory_held(
    session: Session, tiny_llama_folder: Path
) -> None:
    model = session.load(str(tiny_llama_folder))
    first, analysis = session.analyze(model, PROMPTS[0])
    size = session.traces.n_bytes
    assert analysis.trace.memory_bytes() < size < 2 * analysis.trace.memory_bytes()
    second, _ = session.analyze(model, PROMPTS[0])
    assert session.traces == (2, 2 * size, session.traces.budget_bytes)
    session.set_trace_budget(size)
    assert session.traces == (1, size, size)
    assert session.run(second)
    with pytest.raises(TransparencyError):
        session.run(first)


def test_the_newest_run_is_kept_even_where_it_exceeds_the_budget_alone(tiny_llama_folder: Path) -> None:
    session = Session(trace_budget=1)
    model = session.load(str(tiny_llama_folder))
    first, _ = session.analyze(model, PROMPTS[0])
    second, analysis = session.analyze(model, PROMPTS[1])
    assert session.run(second) is analysis
    with pytest.raises(TransparencyError):
        session.run(first)


def test_an_unknown_run_says_what_helps(session: Session) -> None:
    with pytest.raises(TransparencyError, match="Analyze the prompt again") as caught:
        session.run("0123456789abcdef")
    assert (caught.value.kind, caught.value.exit_code) == ("runExpired", 2)


def test_runs_have_names_of_their_own(session: Session, tiny_llama_folder: Path) -> None:
    model = session.load(str(tiny_llama_folder))
    assert len({session.analyze(model, PROMPTS[0])[0] for _ in range(5)}) == 5


def test_only_the_first_analysis_of_a_loaded_model_says_that_it_is_the_first(
    session: Session, tiny_llama_folder: Path
) -> None:
    def stages() -> list[str]:
        said: list[str] = []
        model = session.load(str(tiny_llama_folder))
        session.analyze(model, "a b", watch=Watch(lambda stage, _done, _total: said.append(stage)))
        return said

    told = ["first pass" in stages() for _ in range(2)]
    session.unload()
    assert [*told, "first pass" in stages()] == [True, False, True]
