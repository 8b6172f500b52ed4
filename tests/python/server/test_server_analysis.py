"""Loading, analysing and inspecting nodes, on the embedded model in a real process."""

from __future__ import annotations

import base64
import json
import math
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from language_client import Client, Refused, decode

from lm_transparency import LoadedModel
from lm_transparency.protocol import PROTOCOL_VERSION
from lm_transparency.protocol.analysis import COLUMNS

ANALYZE, LOAD, UNLOAD, NODE = (
    f"lmTransparency/{name}" for name in ("analyze", "loadModel", "unloadModel", "nodeTokens")
)
FRANCE = "The capital of France is"
EMBEDDED = "smollm2-135m-instruct"


@pytest.fixture(scope="module")
def france(server: Client) -> dict[str, Any]:
    return server.ask(ANALYZE, {"prompt": FRANCE, "workDoneToken": "france"})


def plain_probabilities(model: LoadedModel, prompt: str) -> torch.Tensor:
    """The next-token probabilities of transformers itself."""
    with torch.no_grad():
        logits = model.model(**model.tokenizer(prompt, return_tensors="pt")).logits[0, -1]
    return logits.float().softmax(-1)


def test_the_top_prediction_has_the_probability_that_transformers_gives_it(
    france: dict[str, Any], embedded: LoadedModel
) -> None:
    meta, columns = decode(france)
    plain = plain_probabilities(embedded, FRANCE)
    assert meta["predicted"][-1][0] == " Paris"
    assert columns["predictionId"][-1][0] == int(plain.argmax())
    assert columns["predictionProbability"][-1] == pytest.approx(plain.topk(10).values.numpy(), abs=1e-4)


def test_the_payload_holds_every_column_in_the_shape_that_the_protocol_states(france: dict[str, Any]) -> None:
    meta, columns = decode(france)
    sizes = {"L": meta["model"]["nLayers"], "T": len(meta["tokens"]), "K": 10}
    sizes["E"] = len(columns["edgeLayer"])
    sizes["N"] = len(columns["headIndex"])
    sizes["E+1"] = sizes["E"] + 1
    for name, (dtype, shape, _) in COLUMNS.items():
        head, *rest = name.split("_")
        column = columns[head + "".join(part.capitalize() for part in rest)]
        assert column.dtype == np.dtype(dtype).newbyteorder("<")
        assert column.shape == tuple(sizes[axis] for axis in shape.split("×")), name
    assert meta["runId"] == france["runId"]
    assert meta["proof"]["holds"]
    assert "".join(token["text"] for token in meta["tokens"] if not token["special"]) == FRANCE


def test_top_k_is_what_was_asked_for(server: Client) -> None:
    meta, columns = decode(server.ask(ANALYZE, {"prompt": FRANCE, "topK": 3}))
    assert [len(row) for row in meta["predicted"]] == [3] * 5
    assert columns["predictionId"].shape == (5, 3)


def test_the_last_residual_state_says_what_the_model_says(server: Client, france: dict[str, Any]) -> None:
    meta, columns = decode(france)
    node = server.ask(NODE, {"runId": france["runId"], "node": "I29_4", "topK": 10, "updateK": 10})
    assert node["node"] == "I29_4"
    assert [score["text"] for score in node["top"]] == meta["predicted"][-1]
    assert node["top"][0]["probability"] == pytest.approx(float(columns["predictionProbability"][-1][0]), abs=1e-4)
    assert len(node["update"]["promoted"]) == len(node["update"]["suppressed"]) == 10


@pytest.mark.parametrize(
    ("name", "has_state", "has_update"), [("X0_3", True, False), ("A7_4", True, True), ("M7_4", False, True)]
)
def test_a_node_tells_its_state_and_its_update_where_it_has_them(
    name: str, has_state: bool, has_update: bool, server: Client, france: dict[str, Any]
) -> None:
    node = server.ask(NODE, {"runId": france["runId"], "node": name})
    promoted, suppressed = node["update"]["promoted"], node["update"]["suppressed"]
    assert node["node"] == name
    assert (len(node["top"]), len(promoted), len(suppressed)) == (
        30 * has_state,
        15 * has_update,
        15 * has_update,
    )
    assert all(score["probability"] is None and score["rankChange"] is None for score in promoted)
    if has_state:
        assert all(0 < score["probability"] <= 1 for score in node["top"])
    assert (not has_update) or promoted[0]["logit"] > suppressed[0]["logit"]


def test_progress_begins_reports_and_ends_before_the_answer(server: Client, france: dict[str, Any]) -> None:
    steps = server.progress("france")
    kinds = [step["kind"] for step in steps]
    assert kinds == ["begin", *["report"] * (len(steps) - 2), "end"]
    assert steps[0]["title"] == "Analyzing"
    assert any(", layer " in step["message"] for step in steps[1:-1])
    percentages = [step["percentage"] for step in steps if "percentage" in step]
    assert percentages == sorted(percentages)
    order = [
        m for m in server.messages if m.get("result") == france or (m.get("params") or {}).get("token") == "france"
    ]
    assert "result" in order[-1]


def test_no_token_no_progress(server: Client) -> None:
    server.ask(ANALYZE, {"prompt": FRANCE})
    assert server.progress("") == []


@pytest.mark.parametrize(
    ("prompt", "kind", "says"),
    [
        ("", "invalidPrompt", "empty"),
        ("a\0b", "invalidPrompt", "NUL character at offset 1"),
        ("ab\ud83d", "invalidPrompt", "surrogate pair at offset 2"),
        ("a " * 9000, "promptTooLong", "reads at most 8192"),
    ],
)
def test_a_prompt_that_cannot_be_analysed_is_refused_with_a_remedy(
    prompt: str, kind: str, says: str, server: Client
) -> None:
    with pytest.raises(Refused, match=says) as refused:
        server.ask(ANALYZE, {"prompt": prompt, "workDoneToken": kind})
    assert (refused.value.code, refused.value.kind) == (-32803, kind)
    assert refused.value.remedy
    steps = server.progress(kind)
    assert not steps or steps[-1]["kind"] == "end"


def test_an_emoji_split_over_tokens_is_shown_as_bytes_with_a_notice(server: Client) -> None:
    meta, _ = decode(server.ask(ANALYZE, {"prompt": "Wave 👋🏽 now"}))
    shared = [token for token in meta["tokens"] if token["shared"]]
    assert len(shared) > 1
    assert all("⟨" in token["text"] for token in shared)
    assert any("pieces of characters" in notice for notice in meta["notices"])
    # in UTF-16 units: each emoji here is two
    assert meta["tokens"][-1]["end"] == len("Wave 👋🏽 now".encode("utf-16-le")) // 2


def test_unknown_models_and_unusable_folders_are_refused_and_the_loaded_one_stays(
    server: Client, tmp_path: Path, embedded_folder: Path
) -> None:
    config = (embedded_folder / "config.json").read_text("utf-8")
    folders = {name: tmp_path / name for name in ("empty", "weightless", "pickled")}
    for folder in folders.values():
        folder.mkdir()
    (folders["weightless"] / "config.json").write_text(config)
    (folders["pickled"] / "config.json").write_text(config)
    torch.save({}, folders["pickled"] / "pytorch_model.bin")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0\1")
    for source, kind, says in [
        ("nobody/nothing-of-this-name", "modelNotFound", "downloads are off"),
        (str(tmp_path / "not-there"), "modelNotFound", "no model at"),
        ("-oProxyCommand=x", "modelNotFound", "no model at"),
        (str(folders["empty"]), "modelUnusable", "no config.json"),
        (str(folders["weightless"]), "modelUnusable", "no weights"),
        (str(folders["pickled"]), "modelUnusable", "pickled"),
        (str(tmp_path / "picture.png"), "modelUnusable", "not a readable model file"),
    ]:
        for method, params in [(LOAD, {"source": source}), (ANALYZE, {"source": source, "prompt": "a"})]:
            with pytest.raises(Refused, match=says) as refused:
                server.ask(method, params)
            assert (refused.value.code, refused.value.kind) == (-32803, kind)
            assert refused.value.remedy
    assert [model["name"] for model in server.ask("lmTransparency/health")["loaded"]] == [EMBEDDED]


def test_models_are_listed_loaded_and_unloaded_and_a_run_goes_with_its_model(server: Client) -> None:
    run_id = server.ask(ANALYZE, {"prompt": FRANCE})["runId"]
    listed = server.ask("lmTransparency/listModels")
    assert listed["defaultSource"] == EMBEDDED
    assert (listed["models"][0]["name"], listed["models"][0]["kind"]) == (EMBEDDED, "embedded")
    assert listed["models"][0]["loaded"]
    assert listed["models"][0]["sizeBytes"] > 200_000_000
    assert server.ask(UNLOAD) == {"unloaded": [EMBEDDED]}
    assert server.ask("lmTransparency/health")["loaded"] == []
    assert not server.ask("lmTransparency/listModels")["models"][0]["loaded"]
    assert server.ask(UNLOAD, {"source": "nothing"}) == {"unloaded": []}
    with pytest.raises(Refused, match="no longer holds") as refused:
        server.ask(NODE, {"runId": run_id, "node": "I1_1"})
    assert refused.value.kind == "runExpired"
    info = server.ask(LOAD, {"workDoneToken": "load"})
    assert (info["name"], info["nLayers"], info["nHeads"], info["device"]) == (EMBEDDED, 30, 9, "cpu")
    assert server.progress("load")[1]["message"] == f"Reading weights of {EMBEDDED}"
    assert server.progress("load")[-1]["kind"] == "end"
    assert server.ask("lmTransparency/health")["loaded"] == [info]


def test_the_health_goes_from_starting_to_busy_to_ready(server: Client) -> None:
    server.ask(ANALYZE, {"prompt": FRANCE})
    # a start reports its progress more than once
    states = [state for state, _ in groupby(health["state"] for health in server.healths())]
    assert states[:4] == ["starting", "ready", "busy", "ready"]
    health = server.ask("lmTransparency/health")
    assert health["protocolVersion"] == PROTOCOL_VERSION
    assert health["torch"] == torch.__version__
    assert health["devices"][0]["id"] == "cpu"
    assert health["devices"][0]["memoryBytes"] > 2**30


def test_prompts_do_not_reach_the_log(server: Client) -> None:
    secret = "xyzzy plugh"
    server.ask(ANALYZE, {"prompt": secret})
    for params in ({"prompt": secret + "\0"}, {"prompt": secret, "dtype": "int8"}, {"prompt": [secret]}):
        with pytest.raises(Refused):
            server.ask(ANALYZE, params)
    server.send({"jsonrpc": "1.0", "id": "old", "method": ANALYZE, "params": {"prompt": secret}})
    server.send_body(json.dumps({"jsonrpc": "2.0", "method": ANALYZE, "params": {"prompt": secret}}).encode() + b"}")
    server.ask("lmTransparency/health")
    assert "plugh" not in server.stderr()
    assert "Analyzed" in server.stderr()


def test_every_number_in_an_answer_is_finite(server: Client, france: dict[str, Any]) -> None:
    meta, _ = decode(france)
    assert math.isfinite(meta["proof"]["maxRelativeError"])
    assert all(not math.isnan(x) for x in meta["proof"]["perLayer"])


def test_a_chat_is_written_by_the_models_template_and_leads_back_to_the_text(
    server: Client, embedded: LoadedModel
) -> None:
    text = "<|user|>\n😀 What is the capital of France?\n<|assistant|>\nThe capital of France is"
    meta, _ = decode(server.ask(ANALYZE, {"prompt": text, "chat": True}))
    messages = [
        {"role": "user", "content": "😀 What is the capital of France?"},
        {"role": "assistant", "content": "The capital of France is"},
    ]
    wanted = embedded.tokenizer.apply_chat_template(messages, continue_final_message=True, return_dict=False)
    assert [token["id"] for token in meta["tokens"]] == wanted
    assert (meta["prompt"], meta["target"], meta["predicted"][-1][0]) == (text, len(wanted) - 1, " Paris")
    units = text.encode("utf-16-le")
    for token in meta["tokens"]:
        assert token["template"] == (token["start"] == token["end"])
        if not token["template"] and not token["shared"]:
            assert units[2 * token["start"] : 2 * token["end"]].decode("utf-16-le") == token["text"]
    with pytest.raises(Refused, match="no role 'robot'"):
        server.ask(ANALYZE, {"prompt": "<|robot|>\nhi", "chat": True})
    # without the chat option, the same text is a plain prompt
    plain, _ = decode(server.ask(ANALYZE, {"prompt": text}))
    assert not any(token["template"] for token in plain["tokens"])


def test_the_plain_lens_of_a_prompt_travels_and_its_size_is_limited(server: Client) -> None:
    found = server.ask("lmTransparency/plainLens", {"prompt": FRANCE, "topK": 2, "most": 3})
    assert (found["first"], found["tokens"]) == (2, [" of", " France", " is"])
    assert found["top"]["shape"] == [31, 3, 2]
    ids = np.frombuffer(base64.b64decode(found["top"]["data"]), "<u4").reshape(31, 3, 2)
    assert found["texts"][str(ids[-1, -1, 0])] == " Paris"
    with pytest.raises(Refused, match="'most' is 1000"):
        server.ask("lmTransparency/plainLens", {"prompt": FRANCE, "most": 1000})
