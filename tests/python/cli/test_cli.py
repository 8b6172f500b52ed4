"""The command line, in this process where possible, and as a separate process where that matters."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import msgpack
import numpy as np
import pytest
import torch
from run_command import run_json, run_text

from lm_transparency.cli import main
from lm_transparency.model.loading import LoadedModel
from lm_transparency.routes.contributions import SomeRows, some_rows
from lm_transparency.trace.proof import LayerError
from lm_transparency.trace.trace import EVERYWHERE, Positions, Trace
from tiny_models import save_llama, train_tokenizer

# loading by the command line itself: test_cli_loading
pytestmark = pytest.mark.usefixtures("loaded_once")

IOI = "When Mary and John went to the store, John gave a drink to"
NODE = re.compile(r"(X0|[AMIB]\d+)_\d+")


def test_json_has_the_promised_shape_and_the_models_own_prediction(
    embedded: LoadedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run_json(["--text", IOI], capsys)
    assert result["format"] == 1
    assert result["model"] == {
        "name": "smollm2-135m-instruct",
        "n_layers": 30,
        "n_heads": 9,
        "d_model": 576,
        "n_params": 134515008,
        "dtype": "float32",
        "device": "cpu",
    }
    assert "".join(IOI[t["start"] : t["end"]] for t in result["tokens"]) == IOI
    assert result["target"]["position"] == len(result["tokens"]) - 1
    ids = torch.tensor([[t["id"] for t in result["tokens"]]])
    with torch.no_grad():
        logits = embedded.model(ids).logits[0, -1]
    assert result["predictions"][0]["text"] == " Mary"
    assert result["predictions"][0]["probability"] == pytest.approx(float(logits.double().softmax(-1).max()), abs=1e-5)
    assert result["predictions"][0]["logit"] == pytest.approx(float(logits.max()), abs=1e-3)
    assert result["proof"]["max_relative_error"] < 1e-5
    for edge in result["edges"]:
        assert NODE.fullmatch(edge["source"])
        assert NODE.fullmatch(edge["target"])
        assert edge["kind"] in {"attention", "residual", "ffn", "bias"}
        assert 0 < edge["weight"] <= 1 + 1e-6
        assert 0 < edge["flow"] <= 1 + 1e-6


def test_the_target_of_a_file_stands_beside_its_contrast(
    embedded: LoadedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "named.prompt"
    file.write_text(f'---\ntarget: " John"\ncontrast: " Mary"\n---\n{IOI}\n')
    named = run_json([str(file)], capsys)["named"]
    ids = torch.tensor([embedded.tokenizer(IOI)["input_ids"]])
    with torch.no_grad():
        logits = embedded.model(ids).logits[0, -1]
    for key, text in (("target", " John"), ("contrast", " Mary")):
        (token,) = embedded.tokenizer(text)["input_ids"]
        assert (named[key]["id"], named[key]["text"]) == (token, text)
        assert named[key]["logit"] == pytest.approx(float(logits[token]), abs=1e-3)
        assert named[key]["probability"] == pytest.approx(float(logits.double().softmax(-1)[token]), abs=1e-5)
        assert named[key]["rank"] == int((logits > logits[token]).sum())
    assert len(named["logit_difference"]) == 31
    assert named["logit_difference"][-1] == pytest.approx(named["target"]["logit"] - named["contrast"]["logit"])
    assert main(["analyze", str(file)]) == 0
    report = capsys.readouterr().out
    assert "Target against contrast" in report and f"logit difference {named['logit_difference'][-1]:+.2f}" in report
    file.write_text(f'---\ncontrast: " Johnathanson"\n---\n{IOI}\n')
    assert main(["analyze", str(file)]) != 0
    assert "is not one token of smollm2-135m-instruct: it splits into" in capsys.readouterr().err


def test_a_beginning_token_changes_the_tokens_as_asked(capsys: pytest.CaptureFixture[str]) -> None:
    plain = run_json(["--text", IOI, "--special-tokens", "none"], capsys)
    with_bos = run_json(["--text", IOI, "--special-tokens", "bos", "--threshold", "0.04"], capsys)
    assert [t["id"] for t in with_bos["tokens"]] == [1, *(t["id"] for t in plain["tokens"])]
    assert with_bos["tokens"][0]["start"] == with_bos["tokens"][0]["end"]
    between = [
        e
        for e in with_bos["edges"]
        if e["kind"] == "attention" and e["source"].split("_")[1] != e["target"].split("_")[1]
    ]
    assert len(between) == 39  # known from the method's description


def test_position_counts_from_either_end_and_refuses_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    third = run_json(["--text", IOI, "--position", "3"], capsys)
    same = run_json(["--text", IOI, "--position", str(3 - len(third["tokens"]))], capsys)
    assert third["target"] == same["target"] == {"position": 3, "reads": "token"}
    assert third["edges"] == same["edges"]
    assert main(["analyze", "--text", IOI, "--position", "99"]) == 2
    assert "Position 99 is out of range" in capsys.readouterr().err


def test_npz_rows_sum_to_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "all.npz"
    result = run_json(["--text", "The capital of France is", "--contributions", str(file)], capsys)
    n = len(result["tokens"])
    arrays = np.load(file)
    assert arrays["attention"].shape == (30, n, n, 9)
    assert {arrays[name].dtype for name in arrays.files} == {np.dtype(np.float32)}
    rows = arrays["attention"].sum(axis=(2, 3)) + arrays["attention_residual"] + arrays["attention_bias"]
    assert rows == pytest.approx(np.ones((30, n)), abs=1e-5)
    assert arrays["ffn"] + arrays["ffn_residual"] == pytest.approx(np.ones((30, n)), abs=1e-5)
    assert not np.triu(arrays["attention"].sum(axis=(0, 3)), k=1).any()


def test_text_names_the_prediction_the_routes_and_the_proof(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "--text", IOI, "--threshold", "auto", "--top-k", "3"]) == 0
    text = capsys.readouterr().out
    assert "·Mary" in text
    assert "92.3 %" in text
    assert "Strongest routes" in text
    assert "adds up ✓ " in text


def test_output_replaces_the_file_whole_or_not_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "routes.json"
    assert main(["analyze", "--text", "Hello there", "--format", "json", "-o", str(file)]) == 0
    assert json.loads(file.read_text("utf-8"))["format"] == 1
    before = file.read_bytes()
    assert main(["analyze", "--text", "", "--format", "json", "-o", str(file)]) == 2
    assert file.read_bytes() == before
    assert main(["analyze", "--text", "Hello", "-o", str(tmp_path / "missing" / "x")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert [f.name for f in tmp_path.iterdir()] == ["routes.json"]


def test_a_file_is_read_without_its_last_newline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "p.prompt"
    file.write_bytes("\ufeffThe capital of France is\r\n".encode())
    from_file = run_json([str(file)], capsys)
    assert from_file["tokens"] == run_json(["--text", "The capital of France is"], capsys)["tokens"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is empty"), (b"abc\0def", "binary file"), (b"caf\xe9", "not UTF-8")],
    ids=["empty", "nul", "latin-1"],
)
def test_a_bad_file_is_refused_with_its_reason(
    content: bytes, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad"
    file.write_bytes(content)
    assert main(["analyze", str(file)]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["analyze"], 2, "either a FILE or --text"),
        (["analyze", "nowhere.prompt"], 2, "cannot be read"),
        (["analyze", "--text", "x", "--threshold", "2"], 2, "0.005 to 1"),
        (["analyze", "--text", "x", "--threshold", "much"], 2, "a number, or auto"),
        (["analyze", "--text", "x", "--top-k", "0"], 2, "1 or more"),
        (["analyze", "--text", "x", "--model", "no/such-model"], 3, "downloads are off"),
        (["analyze", "--text", "x", "--model", "./nowhere"], 3, "no model at"),
        (["analyze", "--text", "x", "--device", "cuda:77"], 2, "no device"),
        (["bench", "--tokens", "many"], 2, "lengths such as"),
    ],
)
def test_bad_usage_exits_with_one_line_and_its_code(
    arguments: list[str], code: int, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert reason in error
    assert len(error.strip().splitlines()) == 1


def test_a_prompt_past_the_context_says_by_how_much(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "--text", "a " * 9000]) == 2
    assert re.search(r"has \d+ tokens; smollm2-135m-instruct reads at most 8192", capsys.readouterr().err)


def test_a_character_split_over_tokens_is_shown_as_bytes_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    result = run_json(["--text", "The 🫠 emoji"], capsys)
    pieces = [t["text"] for t in result["tokens"] if "⟨" in t["text"]]
    assert len(pieces) > 1
    assert any("pieces of characters" in notice for notice in result["notices"])


def test_missing_torch_is_a_sentence_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n", "utf-8"
    )
    process = subprocess.run(
        [sys.executable, "-m", "lm_transparency", "analyze", "--text", "x"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 3
    assert "python -m pip install --upgrade 'torch>=" in process.stderr.replace(sys.executable, "python")
    assert "Traceback" not in process.stderr


def test_bench_prints_rows_whose_ratio_follows_from_them(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ["--repeats", "1", "--clicks", "1", "--clicks-tokens", "8", "--payloads", str(tmp_path), "--append", "16"]
    assert main(["bench", "--tokens", "8", *options, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    rows = document["rows"]
    assert [row["tokens"] for row in rows] == [8]
    for row in rows:
        assert row["whole_over_forward"] == pytest.approx(row["whole_s"] / row["plain_forward_s"])
        assert row["whole_s"] >= row["recorded_forward_s"] + row["contributions_s"] + row["payload_s"]
        assert row["first_graph_over_forward"] == pytest.approx(row["first_graph_s"] / row["plain_forward_s"])
        for name in ("naive", "naive_by_key"):
            ours = row[f"contributions_beside_{name}_s"]
            assert row[f"{name}_over_contributions"] == pytest.approx(row[f"{name}_s"] / ours)
            # timed in turns with the definition, and once beside the other stages: the same work
            assert 0.1 < ours / row["contributions_s"] < 10
        assert row["patching_over_whole"] > 10
        assert row["whole_peak_mb"] > 1
        assert (tmp_path / f"{row['tokens']}.msgpack").stat().st_size == pytest.approx(1e6 * row["payload_mb"])
    assert {look["tokens"] for look in document["inspectors"]} == {8}
    (appended,) = document["append"]
    assert (appended["tokens"], appended["n_reused"]) == (16, 16)
    assert appended["whole_over_after"] == pytest.approx(appended["whole_cpu_s"] / appended["after_cpu_s"])
    assert set(document["machine"]) == {"cores", "threads", "architecture", "system", "python", "torch"}


def test_an_estimate_says_what_an_analysis_would_take_and_one_that_does_not_fit_is_not_begun(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["analyze", "--text", "The capital of France is"]
    assert main([*asked, "--estimate"]) == 0
    assert re.fullmatch(
        r"5 tokens take (under a second|(at most )?about .*) and \d+ MB; .* are free\. Up to about \d+ tokens fit\.\n",
        capsys.readouterr().out,
    )
    monkeypatch.setattr("lm_transparency.session.session.free_bytes", lambda _place: 20_000_000)
    assert main(asked) == 4
    assert "Up to about" in (said := capsys.readouterr().err)
    assert "--anyway" in said


def test_analyze_writes_svg_and_csv_of_the_same_graph(ioi_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    edges = run_json([ioi_file], capsys)["edges"]
    table = list(csv.DictReader(io.StringIO(run_text(["analyze", ioi_file, "--format", "csv"], capsys))))
    assert [(r["source"], r["target"], r["kind"]) for r in table] == [
        (e["source"], e["target"], e["kind"]) for e in edges
    ]
    drawn = ElementTree.fromstring(run_text(["analyze", ioi_file, "--format", "svg"], capsys))
    paths = [e for e in drawn.iter("{http://www.w3.org/2000/svg}path") if e.get("class") == "edge"]
    flows = {(p.get("data-source"), p.get("data-target"), p.get("data-kind")): p.get("data-flow") for p in paths}
    assert len(paths) == len(edges)
    for e in edges:
        assert float(flows[e["source"], e["target"], e["kind"]] or 0) == pytest.approx(e["flow"], abs=1e-9)


def test_the_page_holds_the_analysis_and_its_view(
    ioi_file: str, tiny_llama_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # the answers of every view are in it: of a tiny model they are soon there
    by = ["--model", str(tiny_llama_folder)]
    tokens = run_json([ioi_file, *by], capsys)["tokens"]
    page = run_text(["analyze", ioi_file, *by, "--format", "html", "--threshold", "0.05"], capsys)
    found = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found is not None
    content = json.loads(found[1])
    assert content["title"] == "ioi.prompt"
    assert content["view"]["threshold"] == 0.05
    assert content["view"]["target"] == len(tokens) - 1
    assert msgpack.unpackb(base64.b64decode(content["payload"]))["meta"]["prompt"] == IOI


def test_doctor_trusts_the_embedded_model_and_measures_how_far_bfloat16_is(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run_text(["doctor", "--against-dtype", "bfloat16", "--format", "json"], capsys))
    assert found["sound"]
    assert found["proof"] < 1e-5
    assert found["logits"] < 1e-3
    assert found["lens"] < 1e-3
    assert found["against"]["model"] == "smollm2-135m-instruct, bfloat16"
    assert 0 < found["against"]["kl"] < 0.1
    assert found["against"]["top_agrees"] > 0.5
    said = run_text(["doctor"], capsys)
    assert said.strip().endswith("The routes of this model can be trusted.")


def test_doctor_does_not_trust_a_model_whose_parts_do_not_sum(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lm_transparency.routes.contributions.layer_error", lambda *_: LayerError(0.5, 0.1, 0.5))
    assert main(["doctor", "--text", "The capital"]) == 4
    assert "cannot be trusted" in capsys.readouterr().out


def test_doctor_compares_copies_of_one_model_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save_llama(tmp_path / "tiny", train_tokenizer())
    assert main(["doctor", "--text", "The capital", "--against", str(folder)]) == 2
    assert "not copies of one another" in capsys.readouterr().err


def test_the_proof_is_listed_by_layer(capsys: pytest.CaptureFixture[str]) -> None:
    out = run_text(["analyze", "--text", "The capital of France is", "--proof"], capsys)
    lines = out[out.index("Proof:") :].splitlines()
    assert lines[1].split() == ["layer", "attention", "ffn", "whole"]
    rows = [line.split() for line in lines[2:]]
    assert [int(row[0]) for row in rows] == list(range(29, -1, -1))
    assert all(float(figure) < 1e-5 for row in rows for figure in row[1:4])
    assert all("┊" in line for line in lines[2:])
    document = run_json(["--text", "The capital of France is"], capsys)
    layers = document["proof"]["layers"]
    assert len(layers) == 30
    assert document["proof"]["holds"]
    assert document["proof"]["max_relative_error"] == max(max(e["attention"], e["ffn"]) for e in layers)


def test_a_proof_that_fails_names_the_sublayer_and_lists_the_layers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def off(trace: Trace, layer: int, floor: float, at: Positions = EVERYWHERE) -> SomeRows:
        error = LayerError(1e-7, 0.02 if layer == 7 else 1e-7, 1e-7)
        return dataclasses.replace(some_rows(trace, layer, floor, at), error=error)

    for name in ("contributions", "gathering"):
        monkeypatch.setattr(f"lm_transparency.routes.{name}.some_rows", off)
    assert main(["analyze", "--text", "The capital"]) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert "the feed-forward block of layer 7 is off by 2.0e-02" in said.err
    assert "--proof lists every layer" in said.err
    assert main(["analyze", "--text", "The capital", "--proof"]) == 4
    out = capsys.readouterr().out
    (off,) = [line for line in out.splitlines() if "does not add up" in line]
    assert off.split()[0] == "7"
    assert "feed-forward block" in off
