"""Every question about a run over the wire: the numbers of the Python API, and refusals with a remedy."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from language_client import Client, Refused, StartClient, decode, numbers

from lm_transparency import Analysis, analyze, load_model
from lm_transparency.exports import export_text
from lm_transparency.exports.run import read_run
from lm_transparency.inspection import ffn, heads, lens, nodes
from prompts import IOI
from tiny_models import save_mistral, train_tokenizer

ANALYZE, HEAD_TAGS, LOAD, UNLOAD = (
    f"lmTransparency/{name}" for name in ("analyze", "headTags", "loadModel", "unloadModel")
)

Ask = Any


def assert_scores(wire: list[dict[str, Any]], ours: Any) -> None:
    """The same tokens with the same numbers; logits equal up to rounding may come in either order."""
    assert len(wire) == len(ours)
    assert [s["logit"] for s in wire] == pytest.approx([s.logit for s in ours], rel=1e-3, abs=1e-3)
    assert [s["probability"] or 0 for s in wire] == pytest.approx([s.probability or 0 for s in ours], abs=1e-3)
    assert [s["probability"] is None for s in wire] == [s.probability is None for s in ours]
    assert {s["id"] for s in wire[:-2]} <= {s.id for s in ours}
    texts = {s.id: (s.text, s.rank_change) for s in ours}
    for s in wire:
        text, change = texts.get(s["id"], (s["text"], s["rankChange"]))
        assert s["text"] == text
        assert (s["rankChange"] is None) == (change is None)
        assert abs((s["rankChange"] or 0) - (change or 0)) <= max(3, 0.01 * abs(change or 0))


# ---------------------------------------------------------------- the numbers of the Python API


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("node", ["X0_3", "A20_14", "M20_14", "I29_14"])
def test_a_nodes_tokens(ask: Ask, ioi: Analysis, node: str, normalize: bool) -> None:
    wire = ask("nodeTokens", node=node, topK=5, updateK=4, normalize=normalize)
    view = nodes.inspect_node(ioi, node, top_k=5, update_k=4, normalize=normalize)
    assert wire["node"] == str(view.node) == node
    assert_scores(wire["top"], view.top)
    assert_scores(wire["update"]["promoted"], view.update.promoted)
    assert_scores(wire["update"]["suppressed"], view.update.suppressed)


def test_the_heads_of_an_edge(ask: Ask, ioi: Analysis) -> None:
    wire = ask("edgeHeads", layer=22, query=14, key=2)
    view = heads.inspect_edge(ioi, 22, 14, 2)
    assert (wire["layer"], wire["query"], wire["key"]) == (22, 14, 2)
    assert wire["weight"] == pytest.approx(view.weight, abs=1e-4)
    assert wire["weight"] == pytest.approx(sum(wire["heads"]["contribution"]), abs=1e-6)
    assert len(wire["heads"]["contribution"]) == 9
    assert wire["heads"]["contribution"] == pytest.approx(view.heads.contribution, abs=1e-4)
    assert wire["heads"]["probability"] == pytest.approx(view.heads.probability, abs=1e-4)
    assert wire["heads"]["rank"] == view.heads.rank.tolist()


@pytest.mark.parametrize("key", [None, 3])
def test_a_head(ask: Ask, ioi: Analysis, key: int | None) -> None:
    wire = ask("head", layer=22, head=4, query=14, key=key, topK=6, keysK=4)
    view = heads.inspect_head(ioi, 22, 4, 14, key, top_k=6, keys_k=4)
    assert (wire["layer"], wire["head"], wire["query"]) == (22, 4, 14)
    assert wire["rank"] == view.rank
    for found, wanted in zip([wire["key"], *wire["keys"]], [view.key, *view.keys], strict=True):
        assert found["position"] == wanted.position
        assert [found[name] for name in ("score", "probability", "contribution")] == pytest.approx(
            [wanted.score, wanted.probability, wanted.contribution], abs=1e-3
        )
    for found, wanted in ((wire["update"], view.update), (wire["part"], view.part)):
        assert_scores(found["promoted"], wanted.promoted)
        assert_scores(found["suppressed"], wanted.suppressed)
    assert_scores(wire["queryReads"], view.query_reads)
    assert_scores(wire["keyReads"], view.key_reads)


@pytest.mark.parametrize("head", [None, 0, 8])
def test_maps(ask: Ask, ioi: Analysis, head: int | None) -> None:
    wire = ask("attentionMap", layer=11, head=head)
    view = heads.attention_map(ioi, 11, head)
    assert (wire["layer"], wire["head"]) == (11, head)
    assert wire["probability"]["dtype"] == "float32"
    assert numbers(wire["probability"]) == pytest.approx(view.probability, abs=1e-4)
    assert numbers(wire["contribution"]) == pytest.approx(view.contribution, abs=1e-4)


def test_maps_of_more_tokens_than_cells_come_in_cells(ask: Ask, ioi: Analysis) -> None:
    wire, view = ask("attentionMap", layer=11, head=8, side=4), heads.attention_map(ioi, 11, 8)
    assert wire["side"] == 4
    for name, dense in (("probability", view.probability), ("contribution", view.contribution)):
        largest, at = numbers(wire[name]), numbers(wire[f"{name}At"])
        assert largest.shape == at.shape == (4, 4)
        assert dense.flat[at] == pytest.approx(largest, abs=1e-4)
        assert largest.max() == pytest.approx(dense.max(), abs=1e-4)
    whole = ask("attentionMap", layer=11, head=8, side=15)
    assert (whole["side"], whole["probabilityAt"]) == (15, None)


@pytest.mark.parametrize("side", [48, 4])
def test_the_maps_of_a_layer(ask: Ask, ioi: Analysis, side: int) -> None:
    wire = ask("layerMaps", layer=11, side=side)
    view = heads.layer_maps(ioi, 11, side=side)
    assert wire["side"] == min(side, 15)
    assert wire["largest"] == pytest.approx(view.largest, abs=1e-4)
    assert wire["total"] == pytest.approx(view.total, abs=1e-4)
    for name in ("probability", "contribution"):
        found = numbers(wire[name])
        assert found.dtype == np.uint8 and found.shape == (9, wire["side"], wire["side"])
        assert np.abs(found.astype(int) - getattr(view, name)).max() <= 1


def test_the_tags_of_all_heads(ask: Ask, ioi: Analysis) -> None:
    wire = ask("headTags")
    assert wire["tags"] == ["previous", "first", "duplicate", "induction", "self"]
    assert wire["nTokens"] == 65
    assert numbers(wire["scores"]) == pytest.approx(heads.measure_head_tags(ioi.model).scores, abs=1e-3)


def test_the_tags_of_all_heads_are_measured_once(start: StartClient, tiny_llama_folder: Path) -> None:
    client = start("-m", "lm_transparency.server")
    client.initialize()
    run = client.ask(ANALYZE, {"prompt": "one two", "model": str(tiny_llama_folder)})["runId"]
    first = client.ask(HEAD_TAGS, {"runId": run, "workDoneToken": "first"})
    assert any("message" in step for step in client.progress("first"))
    assert client.ask(HEAD_TAGS, {"runId": run, "workDoneToken": "second"}) == first
    assert not any("message" in step for step in client.progress("second"))


def test_the_neurons_of_a_block(ask: Ask, ioi: Analysis) -> None:
    wire = ask("ffnNeurons", layer=7, position=14, topK=6)
    view = ffn.inspect_ffn(ioi, 7, 14, top_k=6)
    assert (wire["layer"], wire["position"], wire["nNeurons"]) == (7, 14, 1536)
    assert abs(wire["nContributing"] - view.n_contributing) <= 3
    for name in ("blockContribution", "neuronsTotal", "residual", "bias"):
        ours = {"blockContribution": view.block_contribution, "neuronsTotal": view.neurons_total}
        assert wire[name] == pytest.approx(ours.get(name, getattr(view, name, None)), abs=1e-4)
    assert [n["neuron"] for n in wire["neurons"]] == [n.neuron for n in view.neurons]
    for found, wanted in zip(wire["neurons"], view.neurons, strict=True):
        assert found["activation"] == pytest.approx(wanted.activation, rel=1e-3)
        assert found["contribution"] == pytest.approx(wanted.contribution, abs=1e-4)


def test_a_neuron(ask: Ask, ioi: Analysis) -> None:
    neuron = ffn.inspect_ffn(ioi, 7, 14).neurons[0].neuron
    wire = ask("neuron", layer=7, neuron=neuron, position=14, topK=5)
    view = ffn.inspect_neuron(ioi, 7, neuron, 14, top_k=5)
    assert (wire["layer"], wire["share"]["neuron"], wire["position"]) == (7, neuron, 14)
    assert wire["share"]["activation"] == pytest.approx(view.share.activation, rel=1e-3)
    assert wire["share"]["contribution"] == pytest.approx(view.share.contribution, abs=1e-4)
    assert wire["expert"] is None
    assert wire["activations"] == pytest.approx(view.activations, abs=1e-3)
    assert_scores(wire["update"]["promoted"], view.update.promoted)
    assert_scores(wire["update"]["suppressed"], view.update.suppressed)


def test_the_lens_over_all_layers(ask: Ask, server: Client, ioi: Analysis) -> None:
    mary = ioi.model.tokenizer.encode(" Mary", add_special_tokens=False)[0]
    wire = ask("lensGrid", token=mary, workDoneToken="grid")
    grid = lens.inspect_lens(ioi, token=mary)
    assert grid.token_probability is not None and grid.token_rank is not None
    top = numbers(wire["top"])
    assert top.shape == (31, 15)
    assert wire["token"] == mary
    assert len(wire["texts"]) > 5
    decoded = [[wire["texts"][str(i)] for i in row] for row in top]
    wanted = [[ioi.model.tokenizer.decode([i]) for i in row] for row in grid.top.tolist()]
    same = [a == b or "⟨" in a for x, y in zip(decoded, wanted, strict=True) for a, b in zip(x, y, strict=True)]
    assert np.mean(same) > 0.99
    assert decoded[-1][-1] == " Mary"
    assert numbers(wire["topProbability"]) == pytest.approx(grid.top_probability.numpy(), abs=1e-3)
    assert numbers(wire["tokenProbability"]) == pytest.approx(grid.token_probability.numpy(), abs=1e-3)
    ranks = numbers(wire["tokenRank"]).astype(int)
    assert ranks[-1, -1] == 0
    assert (np.abs(ranks - grid.token_rank.numpy()) <= np.maximum(3, 0.01 * ranks)).all()
    steps = server.progress("grid")
    assert (steps[0]["kind"], steps[-1]["kind"]) == ("begin", "end")
    reports = [step["message"] for step in steps if step["kind"] == "report"]
    assert reports
    assert all(message.startswith("Lens, ") and message.endswith(" of 31") for message in reports)


def test_a_few_rows_of_the_lens(ask: Ask) -> None:
    whole, some = ask("lensGrid", token=5), ask("lensGrid", token=5, firstRow=28, rowCount=2)
    assert (whole["firstRow"], some["firstRow"]) == (0, 28)
    assert numbers(some["topProbability"]) == pytest.approx(numbers(whole["topProbability"])[28:30], abs=1e-5)
    assert [[some["texts"][str(i)] for i in row] for row in numbers(some["top"])] == [
        [whole["texts"][str(i)] for i in row] for row in numbers(whole["top"])[28:30]
    ]


def test_a_lens_without_a_token_to_follow(ask: Ask) -> None:
    wire = ask("lensGrid", normalize=False)
    assert (wire["token"], wire["tokenProbability"], wire["tokenRank"]) == (None, None, None)
    assert numbers(wire["top"]).shape == (31, 15)


def test_tracks(ask: Ask, ioi: Analysis) -> None:
    wire = ask("lensTrack", position=14, tokens=[5, 6283, 5])
    assert wire["position"] == 14
    for found, wanted in zip(wire["tracks"], lens.track_tokens(ioi, 14, [5, 6283, 5]), strict=True):
        assert (found["token"], found["text"]) == (wanted.token, wanted.text)
        assert found["probability"] == pytest.approx(wanted.probability, abs=1e-4)
        assert found["logit"] == pytest.approx(wanted.logit, rel=1e-3, abs=1e-3)
        assert np.abs(np.array(found["rank"]) - wanted.rank).max() <= 5
    assert ask("lensTrack", position=14, tokens=[])["tracks"] == []
    named = ask("lensTrack", position=14, tokens=[5], texts=[" Mary", " John"])["tracks"]
    assert [track["text"] for track in named[1:]] == [" Mary", " John"]
    assert named[1]["rank"][-1] == 0


def test_exports(ask: Ask, ioi: Analysis) -> None:
    options: dict[str, Any] = {"target": 14, "threshold": 0.04}
    ours = json.loads(export_text(ioi, "json", **options))["edges"]
    document = json.loads(ask("export", format="json", **options)["text"])
    rows = list(csv.DictReader(io.StringIO(ask("export", format="csv", **options)["text"], newline="")))
    picture = ElementTree.fromstring(ask("export", format="svg", ink="local", appearance="dark", **options)["text"])
    paths = [e for e in picture.iter() if e.get("class") == "edge"]
    assert len(document["edges"]) == len(rows) == len(paths) == len(ours)
    drawn = {(p.get("data-source"), p.get("data-target"), p.get("data-kind")): p.get("data-weight") for p in paths}
    for found, row, wanted in zip(document["edges"], rows, ours, strict=True):
        assert (found["source"], found["target"], found["kind"]) == (wanted["source"], wanted["target"], wanted["kind"])
        assert found["weight"] == pytest.approx(wanted["weight"], abs=1e-3)
        assert float(row["weight"]) == found["weight"]
        assert float(drawn[found["source"], found["target"], found["kind"]] or "nan") == found["weight"]
    kept = json.loads(ask("export", format="json", renormalize=False, **options)["text"])
    assert not kept["renormalize"]
    assert kept["edges"] != document["edges"]


def test_a_description_is_a_run_file_or_a_report_without_bars(ask: Ask, ioi: Analysis) -> None:
    asked = {"specialTokens": "bos", "topK": 3}
    run = read_run(ask("describe", form="run", target=14, threshold=0.04, **asked)["text"], "run")
    assert (run.prompt, run.target, run.asked.special_tokens) == (IOI, 14, "bos")
    ours = json.loads(export_text(ioi, "json", target=14, threshold=0.04))
    assert [e["source"] for e in run.document["edges"]] == [e["source"] for e in ours["edges"]]
    assert [p["text"] for p in run.document["predictions"]] == [p["text"] for p in ours["predictions"]][:3]
    # neither target nor threshold: the answer's position, and about as many edges as can be read
    own = read_run(ask("describe", form="run", **asked)["text"], "run")
    assert (own.target, own.threshold) == (14, pytest.approx(ioi.routes(14, None).threshold, abs=1e-3))
    report = ask("describe", form="text", **asked)["text"]
    assert "·Mary" in report
    assert "Strongest routes" in report
    assert not set("█▏▎▍▌▋▊▉\x1b") & set(report)
    with pytest.raises(Refused, match="out of range"):
        ask("describe", form="text", target=15)


# ---------------------------------------------------------------- a window, time, cancelling


def test_a_sliding_window_sends_numbers_that_json_has(start: StartClient, tmp_path: Path) -> None:
    folder = save_mistral(tmp_path / "window", train_tokenizer())
    client = start("-m", "lm_transparency.server")
    client.initialize()
    answer = client.ask(ANALYZE, {"prompt": IOI, "source": str(folder), "dtype": "float32", "device": "cpu"})
    last = len(decode(answer)[0]["tokens"]) - 1
    hidden = client.ask(
        "lmTransparency/head", {"runId": answer["runId"], "layer": 1, "head": 0, "query": last, "key": 0}
    )
    assert hidden["key"]["probability"] == hidden["key"]["contribution"] == 0
    assert hidden["key"]["score"] is None
    # a window of 5: tokens outside are not keys of the row
    assert sorted(k["position"] for k in hidden["keys"]) == list(range(last - 4, last + 1))
    run = analyze(load_model(str(folder), dtype="float32", device="cpu"), IOI)
    ours = heads.inspect_head(run, 1, 0, last, 0)
    assert [k["score"] for k in hidden["keys"]] == pytest.approx([k.score for k in ours.keys], abs=1e-4)
    json.dumps(hidden, allow_nan=False)


def test_a_cancelled_lens_is_answered_at_once_and_the_next_question_works(server: Client, ask: Ask) -> None:
    long = " ".join(f"The number {i} follows {i - 1}." for i in range(25))
    run_id = server.ask(ANALYZE, {"prompt": long})["runId"]
    msg_id = server.request("lmTransparency/lensGrid", {"runId": run_id, "workDoneToken": "long"})
    server.wait_for(
        lambda m: (
            m.get("method") == "$/progress"
            and m["params"]["token"] == "long"
            and m["params"]["value"].get("message", "").startswith("Lens, ")
        )
    )
    server.cancel(msg_id)
    began = time.monotonic()
    with pytest.raises(Refused) as refused:
        server.answer(msg_id, 10)
    assert (refused.value.code, refused.value.kind) == (-32800, "cancelled")
    assert time.monotonic() - began < 2
    reports = [step for step in server.progress("long") if step["kind"] == "report"]
    assert not any(step["message"].endswith("30 of 31") for step in reports)
    assert server.progress("long")[-1]["kind"] == "end"
    assert ask("edgeHeads", layer=3, query=4, key=1)["heads"]
    assert numbers(server.ask("lmTransparency/attentionMap", {"runId": run_id, "layer": 3})["probability"]).any()


def test_what_a_panel_measures_by_itself_leaves_the_backend_ready(server: Client, ask: Ask) -> None:
    def busy() -> int:
        return sum(health["state"] == "busy" for health in server.healths())

    before = busy()
    ask("predictEffects", behind=True)
    ask("measureEffects", units=["M20_14"], behind=True)
    ask("faithfulness", predicted=[1.0], measured=[1.0], behind=True)
    assert busy() == before
    ask("predictEffects")
    assert busy() > before
