"""While a file made to block the server is open in one window, another window's server still responds.

The time limits only detect a hang on a busy machine; `LMT_MORE` sets the limits that a user would.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from language_client import Client, Refused
from neighbours import END_S, Beside, neighbour_of
from shared_world import PING, World, private_world, until

from longer import MORE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Unix sockets")

#: Characters of a file.
SIZE = 5_000_000 if MORE else 1_000_000
LANGUAGES = {"prompt": "lm-prompt", "chat": "lm-chat", "prompts": "lm-prompts", "jsonl": "lm-prompts-jsonl"}

Make = Callable[[int], str]


def _of(unit: str, before: str = "", after: str = "") -> Make:
    return lambda size: before + unit * (size // len(unit)) + after


_ALIASES = "---\nchat:\n  - &a {role: user, content: " + "x" * 20_000 + "}\n" + "  - *a\n" * 5000 + "---\nhi\n"
#: Name of a file → what it holds, for a size. Others may be put in.
FILES: dict[str, Make] = {
    "backslashes.jsonl": _of("\\", '{"prompt": "', '"}'),
    "line.chat": _of("ab cd ", "<|user|>\n"),
    "roles.chat": _of("<|user|> ", "<|user|>\n"),
    "messages.chat": _of("<|user|>\nhi\n<|assistant|>\nyo\n"),
    "blocks.prompt": _of("a\n---\n"),
    "blocks-with-a-chat.prompt": _of("a\n---\n", f"---\nchat:\n  - {{role: user, content: {'x ' * 20_000}}}\n---\n"),
    "aliases.chat": _of("hi\n", _ALIASES),
    "line-ends.prompts": _of("\r\n"),
    "emoji.prompt": _of("😀"),
    "brackets.jsonl": _of("[", '{"prompt": [', "]"),
    "special.prompt": _of("</s>"),
    "keys.prompt": _of("a: b\n", "---\nmodel: x\n"),
    "lines.jsonl": _of('{"prompt": "a"}\n'),
    "lists.jsonl": _of("[],", '{"prompt": [', "[]]}"),
    "problems.jsonl": _of('{"prompt": 1}\n'),
    "lines.prompts": _of("ab cd\n"),
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with private_world("hostile", {}) as found:
        yield found


@pytest.fixture(scope="module")
def neighbour(world: World, tiny_gpt2_folder: Path) -> Client:
    return neighbour_of(world, tiny_gpt2_folder)


def opened(client: Client, name: str, text: str, language: str) -> str:
    uri = f"file:///hostile/{name}"
    item = {"uri": uri, "languageId": language, "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": item})
    return uri


def everything(client: Client, uri: str, lines: int) -> list[int]:
    """Every request that an editor makes about an open document."""
    document = {"textDocument": {"uri": uri}}
    place = {"line": lines // 2, "character": 3}
    whole = {"start": {"line": 0, "character": 0}, "end": {"line": lines, "character": 0}}
    asked: list[tuple[str, dict[str, Any]]] = [
        ("lmTransparency/promptAt", {"uri": uri, "start": 0, "end": 0}),
        ("lmTransparency/listPrompts", {"uri": uri, "cursor": 0}),
        ("textDocument/semanticTokens/full", document),
        ("textDocument/inlayHint", {**document, "range": whole}),
        ("textDocument/codeLens", document),
        ("textDocument/documentSymbol", document),
        ("textDocument/foldingRange", document),
        ("textDocument/hover", {**document, "position": place}),
        ("textDocument/completion", {**document, "position": place}),
    ]
    return [client.request(method, params) for method, params in asked]


def edit(client: Client, uri: str, version: int) -> None:
    start = {"line": 0, "character": 0}
    change = {"range": {"start": start, "end": start}, "text": "x"}
    params = {"textDocument": {"uri": uri, "version": version}, "contentChanges": [change] * 20}
    client.notify("textDocument/didChange", params)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_in_one_window_holds_up_no_other(
    name: str, world: World, neighbour: Client, tiny_gpt2_folder: Path
) -> None:
    text = FILES[name](SIZE)
    beside = Beside(world, neighbour, tiny_gpt2_folder)
    owner = world.client(f"owner of {name}")
    uri = opened(owner, name, text, LANGUAGES[name.rpartition(".")[2]])
    asked = everything(owner, uri, text.count("\n"))
    edit(owner, uri, 2)
    asked += everything(owner, uri, text.count("\n"))
    beside.work(name, owner, asked, 60 if MORE else 5)
    beside.finish(120)
    # cancel the work that still runs
    began = time.monotonic()
    for msg_id in asked:
        owner.cancel(msg_id)
    for msg_id in asked:
        reply = owner.wait_for(lambda m, wanted=msg_id: "method" not in m and m.get("id") == wanted)
        kind = reply["error"]["data"]["kind"] if "error" in reply else ""
        assert kind in ("", "cancelled", "invalidPrompt", "promptTooLong"), reply
    beside.hold(name, time.monotonic() - began)
    owner.process.kill()
    owner.process.wait()


def test_a_file_that_is_too_large_is_reported_once_and_analyze_refuses_it(world: World, neighbour: Client) -> None:
    uri = opened(neighbour, "huge.prompt", "x" * 9_000_000, "plaintext")
    assert neighbour.ask(PING) is None
    said = neighbour.wait_for(lambda m: m.get("method") == "textDocument/publishDiagnostics" and uri in str(m))
    assert "more than 8,000,000 characters" in json.dumps(said)
    with pytest.raises(Refused, match="more than 8,000,000 characters") as refused:
        neighbour.ask("lmTransparency/promptAt", {"uri": uri, "start": 0, "end": 0})
    assert refused.value.remedy == "Split it into smaller files."
    neighbour.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    # a message above the size limit is skipped
    opened(neighbour, "message.prompt", "x" * 20_000_000, "lm-prompt")
    neighbour.wait_for(lambda m: "message.prompt" in str(m.get("params")) and "more than 8" in str(m))


def test_quit_is_answered_while_hostile_files_are_read(world: World, neighbour: Client) -> None:
    for name in ("backslashes.jsonl", "blocks.prompt"):
        owner = world.client(f"last owner of {name}")
        everything(owner, opened(owner, name, FILES[name](SIZE), LANGUAGES[name.rpartition(".")[2]]), 1000)
    began = time.monotonic()
    assert neighbour.ask("lmTransparency/quit", timeout=60) is None
    answered = time.monotonic() - began
    until(lambda: neighbour.process.poll() is not None, 60)
    print(f"\nquit answered in {answered:.2f} s, ended in {time.monotonic() - began:.2f} s")
    assert answered < END_S
