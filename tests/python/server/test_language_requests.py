"""The features of prompt documents that our extension has beyond plain LSP: its requests, and its handshake."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from language_client import HERE, Client, Refused, StartClient

from lm_transparency import LoadedModel

TEXT = "The capital of France is"
Params = dict[str, Any]


def open_document(client: Client, name: str, text: str, language: str = "lm-prompt") -> Params:
    """The params that name the document in requests."""
    uri = f"file:///work/{name}"
    item = {"uri": uri, "languageId": language, "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": item})
    return {"textDocument": {"uri": uri}}


def test_the_surprisal_of_each_stretch_is_the_models_own(server: Client, embedded: LoadedModel) -> None:
    text = f'{{"prompt": "{TEXT}\\nParis 😀"}}\n'
    document = open_document(server, "s.prompts.jsonl", text, "lm-prompts-jsonl")
    found = server.ask("lmTransparency/surprisal", {"uri": document["textDocument"]["uri"], "start": 0})
    ids = torch.tensor([embedded.tokenizer(f"{TEXT}\nParis 😀")["input_ids"]])
    with torch.no_grad():
        own = embedded.model(ids, labels=ids).loss
    assert sum(value for value in found["surprisal"] if value is not None) * math.log(2) == pytest.approx(
        float(own) * (ids.shape[1] - 1), rel=1e-3
    )
    # nothing comes before the first token
    assert [place for place, value in enumerate(found["surprisal"]) if value is None] == [0]
    units = text.encode("utf-16-le")
    places = zip(found["start"], found["end"], strict=True)
    shown = [units[2 * start : 2 * end].decode("utf-16-le") for start, end in places]
    # an escape gives its token's place, and the tokens of the emoji are one range
    assert shown == ["The", " capital", " of", " France", " is", "\\n", "Paris", " 😀"]
    other = {"uri": "file:///o", "start": 24, "languageId": "lm-prompt", "text": "---\nmodel: org/none\n---\nx"}
    with pytest.raises(Refused, match="is not loaded") as caught:
        server.ask("lmTransparency/surprisal", other)
    assert caught.value.kind == "modelNotFound"


def test_the_prompt_of_a_fence_is_found_in_another_language(server: Client) -> None:
    document = open_document(server, "a.md", "# T\n```\nx\n```\n", "markdown")
    place = {"uri": document["textDocument"]["uri"], "start": 8, "end": 8}
    assert server.ask("lmTransparency/promptAt", place)["text"] == "x"


def test_the_extension_keeps_its_own_commands_and_is_asked_to_look_again(
    start: StartClient, empty_packages: dict[str, str]
) -> None:
    client = start(str(HERE / "fake_session.py"), **empty_packages)
    unused = ("tokenTypes", "tokenModifiers", "formats")
    capabilities = {
        "textDocument": {"semanticTokens": {"requests": {"range": True}, **{key: [] for key in unused}}},
        "workspace": {"codeLens": {"refreshSupport": True}},
    }
    told = {"processId": None, "rootUri": None, "capabilities": capabilities}
    result = client.ask("initialize", {**told, "initializationOptions": {"clientId": "c"}})["capabilities"]
    client.notify("initialized", {})
    assert result["executeCommandProvider"]["commands"] == []
    assert (result["semanticTokensProvider"].get("full"), result["semanticTokensProvider"]["range"]) == (None, True)
    document = open_document(client, "many.prompts", "a prompt\n" * 3_000, "lm-prompts")
    titles = [lens["command"]["title"] for lens in client.ask("textDocument/codeLens", document)]
    assert titles[:2] == ["Analyze", "Compare"] and len(titles) == 202
    seen = {"start": {"line": 2_000, "character": 0}, "end": {"line": 2_030, "character": 0}}
    client.ask("textDocument/inlayHint", {**document, "range": seen})
    client.wait_for(lambda m: m.get("method") == "workspace/codeLens/refresh")
    lines = [lens["range"]["start"]["line"] for lens in client.ask("textDocument/codeLens", document)]
    assert (lines[0], lines[-1]) == (1_900, 2_130)
