"""A prompt that fails gets an error in its record, and the other prompts continue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Regex, pre_tokenizers

from lm_transparency import LoadedModel, analyze, analyze_many, load_model
from lm_transparency.batch import work
from lm_transparency.batch.prompts import Prompt, read_prompts
from lm_transparency.cli import main
from lm_transparency.errors import Cancelled
from lm_transparency.files.inputs import forget_inputs
from tiny_models import save_llama, train_tokenizer

PANICS = "a" * 40 + "c"
TOO_LONG = "word " * 300


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model with a token that has no row (`<far>`), one whose row is NaN (`<nan>`), and a pattern that panics."""
    tokenizer = train_tokenizer()
    tokenizer.add_tokens(["<nan>", "<far>"])
    split = pre_tokenizers.Split(Regex("(?:a|a|aa)*$"), "isolated")
    inner = tokenizer.backend_tokenizer
    inner.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    far = tokenizer.convert_tokens_to_ids("<far>")
    folder = save_llama(tmp_path_factory.mktemp("models") / "fragile", tokenizer, vocab_size=far, num_hidden_layers=2)
    with pytest.MonkeyPatch.context() as patch:
        # like a pattern that panics on a prompt but not on the texts tried while loading
        patch.setattr("lm_transparency.model.loading.validate", lambda *_given, **_options: None)
        model = load_model(str(folder), dtype="float32", device="cpu").model
        with torch.no_grad():
            model.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids("<nan>")] = float("nan")
        model.save_pretrained(folder)
        yield folder


def lines(place: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in place.read_bytes().splitlines()]


LINES = [
    '{"id": "good", "prompt": "When Mary and John"}',
    '{"id": "nan", "prompt": "went <nan> to"}',
    r'{"id": "half\ud83d", "prompt": "the id is no text"}',
    r'{"id": "halves", "prompt": "the text is none \ude00"}',
    '{"id": "far", "prompt": "went <far> to"}',
    json.dumps({"id": "panic", "prompt": PANICS}),
    json.dumps({"id": "long", "prompt": TOO_LONG}),
    '{"id": "empty", "prompt": ""}',
    '{"id": "digits", "prompt": ' + "9" * 5000 + "}",
    '{"id": "deep", "prompt": ' + "[" * 5000 + "}",
    '{"id": "role", "prompt": [{"role": "nobody", "content": "x"}]}',
    '{"id": "last", "prompt": "the store"}',
]


@pytest.mark.parametrize("form", ["jsonl", "parquet", "stdout"])
def test_each_bad_prompt_has_one_record_and_the_good_ones_are_right(
    form: str, fragile: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(LINES) + "\n", "utf-8")
    command = ["analyze", str(source), "--model", str(fragile), "--format", "jsonl" if form == "stdout" else form]
    place = tmp_path / ("out.jsonl" if form == "jsonl" else "out")
    assert main(command if form == "stdout" else [*command, "-o", str(place)]) == 1
    said = capsysbinary.readouterr()
    assert b"12/12 prompts \xc2\xb7 10 with an error" in said.err
    if form == "parquet":
        records = pq.read_table(place).to_pylist()
    else:
        records = [json.loads(line) for line in said.out.splitlines()] if form == "stdout" else lines(place)
    assert sorted(record["index"] for record in records) == list(range(12))
    by_index = {record["index"]: record for record in records}
    for index, record in by_index.items():
        if index in (0, 11):
            assert record["error"] is None
        else:
            assert record["error"]["kind"] and record["error"]["message"], index
            assert "\n" not in record["error"]["message"]
    assert "lone surrogate" in by_index[2]["error"]["message"]
    model = load_model(str(fragile), dtype="float32", device="cpu")
    for index in (0, 11):
        best = analyze(model, by_index[index]["prompt"]).predictions(10)
        wanted = best.probabilities[-1].tolist()
        assert [p["probability"] for p in by_index[index]["predictions"]] == pytest.approx(wanted, abs=1e-4)


def test_a_run_goes_on_behind_failures_and_none_is_there_twice(
    fragile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, place = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(LINES[:6]) + "\n", "utf-8")
    command = ["analyze", str(source), "--model", str(fragile), "-o", str(place)]
    assert main(command) == 1
    before = {record["index"]: record for record in lines(place)}
    capsys.readouterr()
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "6/6 prompts · 5 with an error" in said
    after = lines(place)
    assert [record["index"] for record in after] == list(range(6))
    assert all(record == before[record["index"]] for record in after)
    source.write_text(LINES[0] + "\n", "utf-8")
    assert main(command) == 0


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("\ud83d"), type("Panic", (BaseException,), {})("x\ny")])
def test_any_exception_becomes_a_record(
    error: BaseException, tiny_llama: LoadedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    original = work.record_of

    def fails(prompt: Prompt, *rest: Any) -> Any:
        if prompt.text == "b":
            raise error
        return original(prompt, *rest)

    monkeypatch.setattr(work, "record_of", fails)
    records = list(analyze_many(tiny_llama, ["a", "b", "c"], output=tmp_path / "out.jsonl"))
    assert [record["error"] and record["error"]["kind"] for record in records] == [
        None,
        "outOfMemory" if isinstance(error, MemoryError) else "internal",
        None,
    ]
    assert [record["id"] for record in lines(tmp_path / "out.jsonl")] == [record["id"] for record in records]
    monkeypatch.undo()
    again = list(analyze_many(tiny_llama, ["a", "b", "c"], output=tmp_path / "out.jsonl"))
    assert [(record["prompt"], record["error"]) for record in again] == [("b", None)]
    assert [record["prompt"] for record in lines(tmp_path / "out.jsonl")] == ["a", "b", "c"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Cancelled, SystemExit])
def test_what_stops_the_work_stops_it(
    stop: type[BaseException], tiny_llama: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(*_: Any) -> Any:
        raise stop

    monkeypatch.setattr(work, "record_of", stops)
    with pytest.raises(stop):
        list(analyze_many(tiny_llama, ["a", "b"]))


def test_a_model_whose_answers_are_no_numbers_fails_at_each_prompt(fragile: Path, tmp_path: Path) -> None:
    """A damaged row of the head leaves the residual stream finite."""
    model = load_model(str(fragile), dtype="float32", device="cpu")
    with torch.no_grad():
        model.model.get_output_embeddings().weight[7] = float("nan")
    records = list(analyze_many(model, ["a", "b b"], output=tmp_path / "out.jsonl"))
    assert [record["error"]["kind"] for record in records] == ["modelUnusable"] * 2
    assert len(lines(tmp_path / "out.jsonl")) == 2


def test_what_is_no_prompt_from_python_is_an_error_of_its_own(tiny_llama: LoadedModel) -> None:
    given: list[Any] = ["a", 3, None, Prompt("\ud83d", 0, "", 1, "b")]
    records = list(analyze_many(tiny_llama, given))
    kinds = {record["index"]: record["error"] and record["error"]["kind"] for record in records}
    assert kinds == {0: None, 1: "invalidPrompt", 2: "invalidPrompt", 3: "invalidPrompt"}


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Path]:
    import os
    import threading

    end = tmp_path / "pipe.jsonl"
    os.mkfifo(end)
    writer = threading.Thread(target=lambda: end.write_text('{"prompt": "through a pipe"}\n'))
    writer.start()
    yield end
    writer.join(10)


def test_prompts_come_through_pipes(pipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    assert [prompt.text for prompt in read_prompts([str(pipe)])] == ["through a pipe"]
    for text, wanted in (
        ('\n{"prompt": "one"}\n{"prompt": "two"}\n', ["one", "two"]),
        ("{just text}\nof two lines\n", None),
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        forget_inputs()
        found = [prompt.text for prompt in read_prompts(["-"])]
        assert found == (wanted or [text.removesuffix("\n")])
