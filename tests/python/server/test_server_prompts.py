"""`promptAt` and `listPrompts` over the wire need no model and no torch, and never wait for a computation."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from language_client import Client, Refused

URI = "file:///prompts/a.prompt"


def open_document(client: Client, text: str, language: str = "lm-prompt", uri: str = URI) -> None:
    item = {"uri": uri, "languageId": language, "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": item})


def edit(client: Client, *changes: dict[str, Any], uri: str = URI) -> None:
    document = {"uri": uri, "version": 2}
    client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": list(changes)})


def at(line: int, character: int, line2: int, character2: int) -> dict[str, Any]:
    return {"start": {"line": line, "character": character}, "end": {"line": line2, "character": character2}}


def prompt_at(client: Client, start: int, end: int | None = None, uri: str = URI, **more: Any) -> dict[str, Any]:
    return client.ask(
        "lmTransparency/promptAt", {"uri": uri, "start": start, "end": start if end is None else end, **more}
    )


def test_the_prompt_of_a_text_that_is_not_open(fake: Client) -> None:
    text = "---\nmodel: m\nthreshold: 0.1\n---\n👍 one\r\n---\r\ntwo\r\n"
    found = prompt_at(fake, text.index("two") + 1, languageId="lm-prompt", text=text)
    # UTF-16: the emoji is two units
    start = text.index("two") + 1
    assert found == {
        "text": "two",
        "chat": False,
        "start": start,
        "end": start + 3,
        "pieceAt": [0],
        "pieceFrom": [start],
        "pieceLength": [3],
        "settings": {
            "model": "m",
            "specialTokens": None,
            "target": None,
            "contrast": None,
            "threshold": 0.1,
            "renormalize": None,
        },
    }
    listed = fake.ask("lmTransparency/listPrompts", {"uri": URI, "languageId": "lm-prompt", "text": text, "cursor": 0})
    assert listed == {"start": [32, start], "end": [38, start + 3], "preview": ["👍 one", "two"], "active": 0}
    unplaced = fake.ask("lmTransparency/listPrompts", {"uri": URI, "languageId": "lm-prompt", "text": text})
    assert unplaced["active"] is None


def test_the_servers_own_copy_follows_each_edit(fake: Client) -> None:
    open_document(fake, "one\r\n---\r\ntwo 👍\u2028x")
    edit(fake, {"range": at(2, 6, 2, 6), "text": "!"}, {"range": at(0, 0, 0, 3), "text": "uno\ndue"})
    found = prompt_at(fake, 18)
    assert found["text"] == "two 👍!\u2028x"
    assert fake.ask("lmTransparency/listPrompts", {"uri": URI})["preview"] == ["uno", "two 👍!\u2028x"]
    edit(fake, {"text": "whole"})
    assert prompt_at(fake, 0)["text"] == "whole"
    fake.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    with pytest.raises(Refused, match="the text is empty"):
        prompt_at(fake, 0)


def test_pieces_of_an_escaped_text_leave_the_escapes_out(fake: Client) -> None:
    text = '{"id": 1, "prompt": "a\\n\\u00e9b \\ud83d\\udc4d👍c"}\n'
    found = prompt_at(fake, 3, languageId="lm-prompts-jsonl", text=text)
    assert found["text"] == "a\néb 👍👍c"
    where = zip(found["pieceAt"], found["pieceFrom"], found["pieceLength"], strict=True)
    prompt, document = found["text"].encode("utf-16-le"), text.encode("utf-16-le")
    pieces = [(prompt[2 * a : 2 * (a + n)], document[2 * f : 2 * (f + n)]) for a, f, n in where]
    assert [a.decode("utf-16-le") for a, _ in pieces] == ["a", "b ", "👍c"]
    assert all(a == b for a, b in pieces)


def test_what_cannot_be_a_prompt_is_refused_with_a_remedy(fake: Client) -> None:
    cases: list[tuple[str, str, int, int, str]] = [
        ("lm-prompt", "\n\n", 0, 0, "the text is empty"),
        ("lm-prompt", "a\ud83d", 0, 0, r"lone surrogate U\+D83D"),
        ("lm-prompt", "a👍", 0, 2, r"lone surrogate U\+D83D"),
        ("lm-prompt", "---\nthreshold: 7\n---\nx", 25, 25, "`threshold` is 7"),
        ("lm-prompt", "---\nmodel: [\n---\nx", 16, 16, "It is not YAML"),
        ("lm-prompts-jsonl", '{"prompt": 1}', 0, 0, "no `prompt`"),
        ("lm-chat", "hello", 0, 0, "belongs to no message"),
    ]
    for language, text, start, end, message in cases:
        with pytest.raises(Refused, match=message) as caught:
            prompt_at(fake, start, end, languageId=language, text=text)
        assert (caught.value.kind, bool(caught.value.remedy)) == ("invalidPrompt", True)
    with pytest.raises(Refused, match="from 3 to 2"):
        prompt_at(fake, 3, 2, languageId="lm-prompt", text="abc")


def test_the_trailing_newline_is_kept_where_that_is_set(fake: Client) -> None:
    open_document(fake, "a\n")
    for keep in (True, False):
        settings = {"lmTransparency": {"prompts": {"keepTrailingNewline": keep}}}
        fake.notify("workspace/didChangeConfiguration", {"settings": settings})
        assert prompt_at(fake, 0)["text"] == ("a\n" if keep else "a")


def test_twenty_thousand_prompts_are_listed_while_something_computes(fake: Client) -> None:
    lines = [
        json.dumps({"prompt": f"Prompt {i}: the capital of France, of all places, é, is the city of"})
        for i in range(20_000)
    ]
    open_document(fake, "\n".join(lines) + "\n", "lm-prompts-jsonl", uri="file:///d.prompts.jsonl")
    running = fake.request("lmTransparency/loadModel", {"source": "step"})
    fake.until_logged("began step")
    began = time.monotonic()
    listed = fake.ask("lmTransparency/listPrompts", {"uri": "file:///d.prompts.jsonl", "cursor": 0})
    print(f"20,000 prompts listed in {time.monotonic() - began:.3f} s")
    assert len(listed["preview"]) == 20_000
    last = prompt_at(fake, listed["start"][-1], uri="file:///d.prompts.jsonl")
    assert last["text"][:13] == "Prompt 19999:"
    assert fake.answers(running) == []
    fake.cancel(running)
