"""Many prompts: each record equals an analysis of the prompt alone, and a killed run loses and doubles none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from batch_prompts import texts, write_jsonl
from lm_transparency import LoadedModel, TransparencyError, analyze, analyze_many
from lm_transparency.batch.packing import Packer
from lm_transparency.batch.prompts import prompts_of
from lm_transparency.cli import main
from lm_transparency.watch import Watch
from longer import longer

COUNT = 200
#: More than are analysed before an interrupt arrives, on any machine.
MANY = 5 * COUNT


def as_lone(model: LoadedModel, text: str, record: dict[str, Any]) -> None:
    """Assert that `record` equals an analysis of `text` alone, except for rounding."""
    run = analyze(model, text)
    graph = run.routes(None, record["threshold"])
    assert [(t["id"], t["text"], t["start"]) for t in record["tokens"]] == [(t.id, t.text, t.start) for t in run.tokens]
    assert record["target"] == {"position": run.target, "reads": "token"}
    best = run.predictions(10)
    assert [p["id"] for p in record["predictions"]] == best.ids[-1].tolist()
    assert [p["probability"] for p in record["predictions"]] == pytest.approx(best.probabilities[-1].tolist(), abs=1e-4)
    kept = record["graph"]
    columns = zip(*(kept[name] for name in ("source", "target", "kind", "weight", "flow")), strict=True)
    edges = {(kept["nodes"][s], kept["nodes"][t], kind): (weight, flow) for s, t, kind, weight, flow in columns}
    wanted = {(str(e.source), str(e.target), e.kind): (e.weight, e.flow) for e in graph.edges}
    assert edges.keys() == wanted.keys()
    for edge, figures in wanted.items():
        assert edges[edge] == pytest.approx(figures, abs=1e-4), edge
    assert [len(heads) for heads in kept["heads"]] == [len(e.heads) for e in graph.edges]
    assert kept["token_mass"] == pytest.approx(graph.token_mass, abs=1e-4)
    assert record["proof"]["holds"]
    assert record["notices"] == list(run.notices)


@pytest.fixture(params=["embedded", "tiny_gpt2", "tiny_llama", "tiny_mistral"])
def packing_model(request: pytest.FixtureRequest) -> LoadedModel:
    return request.getfixturevalue(request.param)


def test_records_are_the_lone_analyses_and_prompts_share_passes(packing_model: LoadedModel) -> None:
    prompts = texts(6)
    passes = 0

    def count(*_: Any) -> None:
        nonlocal passes
        passes += 1

    handle = packing_model.model.register_forward_pre_hook(count)
    try:
        records = list(analyze_many(packing_model, prompts))
    finally:
        handle.remove()
    assert [r["index"] for r in records] == list(range(6))
    # one pass for all, one prompt alone to compare
    assert passes == 2
    for text, record in zip(prompts, records, strict=True):
        as_lone(packing_model, text, record)


def test_a_model_that_does_not_keep_prompts_apart_runs_them_alone(
    tiny_gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tiny_gpt2.model.forward

    def deaf(input_ids: torch.Tensor, use_cache: bool, position_ids: torch.Tensor | None = None) -> Any:
        return plain(input_ids=input_ids, use_cache=use_cache)

    monkeypatch.setattr(tiny_gpt2.model, "forward", deaf)
    prompts = texts(4)
    packer = Packer(tiny_gpt2)
    assert packer.packs
    answers = list(packer.analyze(prompts_of(prompts), "auto", Watch()))
    assert not packer.packs
    monkeypatch.undo()
    for (_, answer), text in zip(answers, prompts, strict=True):
        assert not isinstance(answer, Exception)
        alone = analyze(tiny_gpt2, text)
        assert torch.allclose(answer.trace.logits, alone.trace.logits, atol=1e-4)
        assert np.allclose(answer.contributions.ffn, alone.contributions.ffn, atol=1e-4)


def test_positions_that_are_not_heeded_are_noticed(tiny_gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mask separates the prompts but the positions continue: only the comparison notices."""
    positions = tiny_gpt2.model.get_submodule("transformer.wpe")
    plain = positions.forward

    def run_on(ids: torch.Tensor) -> torch.Tensor:
        return plain(torch.arange(ids.shape[-1])[None])

    monkeypatch.setattr(positions, "forward", run_on)
    packer = Packer(tiny_gpt2)
    list(packer.analyze(prompts_of(texts(4)), "auto", Watch()))
    assert not packer.packs


def test_what_is_wrong_with_one_prompt_stands_in_its_record(tiny_llama: LoadedModel) -> None:
    too_long = "word " * (tiny_llama.anatomy.n_context + 10)
    records = {r["index"]: r for r in analyze_many(tiny_llama, ["fine", "", too_long, "also fine"], position=1)}
    assert [records[i]["error"] and records[i]["error"]["kind"] for i in range(4)] == [
        None,
        "invalidPrompt",
        "promptTooLong",
        None,
    ]
    assert records[2]["error"]["remedy"].startswith("Shorten it by")
    assert "graph" not in records[1]
    far = list(analyze_many(tiny_llama, ["fine"], position=99))
    assert far[0]["error"]["kind"] == "invalidPosition"


def test_an_iterator_that_is_left_keeps_what_it_gave_and_goes_on_later(tiny_llama: LoadedModel, tmp_path: Path) -> None:
    prompts = texts(9)
    first = analyze_many(tiny_llama, prompts, output=tmp_path / "out.jsonl")
    taken = [next(first)["id"] for _ in range(3)]
    first.close()
    later = [r["id"] for r in analyze_many(tiny_llama, prompts, output=tmp_path / "out.jsonl")]
    assert len(set(taken + later)) == len(taken + later) == 9
    assert not list(analyze_many(tiny_llama, prompts, output=tmp_path / "out.jsonl"))


def test_jsonl_and_parquet_hold_the_same(tiny_llama_folder: Path, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [*texts(5), ""])
    command = ["analyze", str(source), "--model", str(tiny_llama_folder), "--threshold", "auto", "--quiet"]
    assert main([*command, "-o", str(tmp_path / "out.jsonl")]) == 1
    assert main([*command, "-o", str(tmp_path / "out"), "--format", "parquet"]) == 1
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    rows = pq.read_table(tmp_path / "out").to_pylist()
    assert len(lines) == len(rows) == 6
    for line, row in zip(lines, rows, strict=True):
        for name in ("id", "index", "source", "line", "prompt", "error", "model", "tokens", "target", "notices"):
            assert row[name] == line.get(name), name
        if line["error"] is None:
            assert row.keys() == line.keys()
            assert row["graph"].keys() == line["graph"].keys()
            assert row["graph"]["nodes"] == line["graph"]["nodes"]
            assert row["graph"]["flow"] == pytest.approx(line["graph"]["flow"], rel=1e-6)
            assert row["graph"]["head_weights"] == [pytest.approx(w, rel=1e-6) for w in line["graph"]["head_weights"]]
            assert row["proof"].keys() == line["proof"].keys()


def test_what_the_command_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(write_jsonl(tmp_path / "in.jsonl", ["a", "b"]))
    for arguments, words in (
        ([source, "--format", "svg"], "Many prompts cannot be written as svg"),
        ([source, "--format", "parquet"], "Parquet needs a directory"),
        ([source, "--proof"], "--proof goes with one prompt"),
        ([source, "--text", "x"], "--text goes with one prompt"),
        ([str(tmp_path / "none"), source], "cannot be found"),
        (["--format", "jsonl"], "Name the prompts"),
    ):
        assert main(["analyze", *arguments]) == 2
        assert words in capsys.readouterr().err


def _ids(place: Path, form: str) -> list[str]:
    if form == "parquet":
        return [name for part in sorted(place.glob("*.parquet")) for name in pq.read_table(part)["id"].to_pylist()]
    if not place.exists():
        return []
    return [json.loads(line)["id"] for line in place.read_bytes().split(b"\n")[:-1]]


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that a test started and that must be gone after it."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def _heeds_ctrl_c() -> None:
    # a shell has what it starts in the background ignore Ctrl-C, this test run included
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _interrupted(
    command: list[str], place: Path, form: str, sent: signal.Signals, running: list[subprocess.Popen[str]]
) -> tuple[subprocess.Popen[str], list[str]]:
    """Start `command`, send the signal after a few records, and return the complete records of its output."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=_heeds_ctrl_c)
    running.append(process)
    while not _ids(place, form):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)
    process.send_signal(sent)
    process.wait(timeout=60)
    return process, _ids(place, form)


# what is written is written by the same code, whichever engine runs
@pytest.mark.parametrize(("form", "engine"), [("parquet", "local"), pytest.param("jsonl", "ray", marks=longer)])
def test_200_prompts_killed_and_resumed_are_each_there_once(
    form: str, engine: str, tiny_llama_folder: Path, tmp_path: Path, running: list[subprocess.Popen[str]]
) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", texts(COUNT, longest=120))
    place = tmp_path / ("out.jsonl" if form == "jsonl" else "out")
    command = [sys.executable, "-m", "lm_transparency", "analyze", str(source), "-o", str(place), "--format", form]
    command += ["--model", str(tiny_llama_folder), "--engine", engine, "--save-every", "0.1"]
    _, before = _interrupted(command, place, form, signal.SIGKILL, running)
    assert 0 < len(before) < COUNT
    if form == "jsonl":
        # half a line, wherever the kill happened
        with place.open("ab") as file:
            file.write(b'{"id":"p199","index":199,"sou')
    again = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    # one is longer than the model's context
    assert again.returncode == 1 and "1 with an error" in again.stderr, again.stderr
    after = _ids(place, form)
    assert after[: len(before)] == before
    assert sorted(after) == sorted(f"p{i}" for i in range(COUNT))
    assert f"{COUNT}/{COUNT} prompts" in again.stderr


def test_ctrl_c_leaves_an_output_that_can_be_resumed(
    tiny_llama_folder: Path, tmp_path: Path, running: list[subprocess.Popen[str]]
) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", texts(MANY, longest=120))
    place = tmp_path / "out"
    command = [sys.executable, "-m", "lm_transparency", "analyze", str(source), "-o", str(place), "--format", "parquet"]
    command += ["--model", str(tiny_llama_folder), "--save-every", "0.1"]
    process, before = _interrupted(command, place, "parquet", signal.SIGINT, running)
    assert process.returncode == 130
    assert process.stderr is not None
    words = process.stderr.read()
    assert f"{len(before)}/{MANY} prompts in {place}; the same command continues from there" in words
    assert "Traceback" not in words
    assert len(before) < MANY
    assert len(set(before)) == len(before)


def test_ray_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(TransparencyError, match="Over Ray each worker loads its own model"):
        next(analyze_many(LoadedModel.__new__(LoadedModel), ["x"], engine="ray"))
