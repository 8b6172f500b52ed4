"""While a model made to hang or fill memory is used in one window, another window's server still responds.

The model is named by front matter, which editors ask about, and by an analysis. As in `test_hostile_files`, the limits
only detect a hang; `LMT_MORE` tries all models, with the limits that a user would set.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from language_client import Client, Refused
from neighbours import PING_S, Beside, neighbour_of
from shared_world import PING, World, private_world

from longer import MORE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Unix sockets")

HUGE = 10**9

#: Changes a copy of a tiny model; what an analysis then names.
Make = Callable[[Path], Path]


def _json(name: str, **changes: Any) -> Make:
    def make(folder: Path) -> Path:
        content = json.loads((folder / name).read_text("utf-8"))
        (folder / name).write_text(json.dumps({**content, **changes}), "utf-8")
        return folder

    return make


def _gguf(entries: bytes, n_tensors: int = 0, n_entries: int = 1) -> Make:
    def make(folder: Path) -> Path:
        file = folder / "model.gguf"
        file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, n_tensors, n_entries) + entries)
        return file

    return make


def _text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def _split(pattern: str) -> Make:
    part = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return _json("tokenizer.json", pre_tokenizer=part)


def _normalizers(content: str, n: int, **pattern: str) -> Make:
    part = {"type": "Replace", "pattern": pattern, "content": content}
    return _json("tokenizer.json", normalizer={"type": "Sequence", "normalizers": [part] * n})


def _template(template: str) -> Make:
    return _json("tokenizer_config.json", chat_template=template)


_LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
#: A few of a kind each; others may be put in.
MODELS: dict[str, Make] = {
    "layers": _json("config.json", num_hidden_layers=HUGE),
    "layer types": _json("config.json", layer_types=["full_attention"] * 1_000_000),
    "growing normalizers": _normalizers("q", 30, Regex="(?<=q)"),
    "gguf array": _gguf(_text(b"a") + struct.pack("<IIQ", 9, 4, 1 << 60)),
    "gguf of nothing": _gguf(_text(b"general.architecture") + struct.pack("<I", 8) + _text(b"llama")),
    "template loops": _template(_LOOPS),
}
if MORE:
    MODELS |= {
        "labels": _json("config.json", num_labels=HUGE),
        "rope factors": _json("config.json", rope_scaling={"rope_type": "longrope", "short_factor": [1.0] * 300_000}),
        "special tokens": _json("tokenizer_config.json", additional_special_tokens=[f"x{i}" for i in range(200_000)]),
        "many normalizers": _json(
            "tokenizer.json", normalizer={"type": "Sequence", "normalizers": [{"type": "Lowercase"}] * 200_000}
        ),
        "panicking pattern": _split("(a+)+b"),
        "pattern that panics on one text": _split(r"(\x{3b1}+)+\x{3b2}"),
        "template output": _template("{{ 'x' * 10**9 }}"),
        "template of the message": _template("{{ messages[0].content * 200 }}"),
        "template of words": _template("{{ lipsum(n=10**6) }}"),
        "gguf entries": _gguf(b"", 0, 1 << 60),
        "gguf tensors": _gguf(b"", 1 << 60, 0),
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    # earlier checks are not known here
    cache = {"LM_TRANSPARENCY_CACHE": str(tmp_path_factory.mktemp("cache"))}
    with private_world("models", cache) as found:
        yield found


@pytest.fixture(scope="module")
def neighbour(world: World, tiny_gpt2_folder: Path) -> Client:
    return neighbour_of(world, tiny_gpt2_folder)


@pytest.fixture(scope="module")
def owner(world: World) -> Client:
    return world.client("owner")


def asked_by_an_editor(client: Client, uri: str, model: Path, text: str) -> list[int]:
    front = f"---\nmodel: {model}\n---\n{text}"
    item = {"uri": uri, "languageId": "lm-chat", "version": 1, "text": front}
    client.notify("textDocument/didOpen", {"textDocument": item})
    document: dict[str, Any] = {"textDocument": {"uri": uri}}
    whole = {"start": {"line": 0, "character": 0}, "end": {"line": 9, "character": 0}}
    return [
        client.request("textDocument/semanticTokens/full", document),
        client.request("textDocument/inlayHint", {**document, "range": whole}),
        client.request("textDocument/hover", {**document, "position": {"line": 4, "character": 2}}),
    ]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MODELS)
def test_a_hostile_model_in_one_window_holds_up_no_other(
    name: str,
    world: World,
    neighbour: Client,
    owner: Client,
    tiny_gpt2_folder: Path,
    tiny_llama_folder: Path,
    tmp_path: Path,
) -> None:
    model = MODELS[name](shutil.copytree(tiny_llama_folder, tmp_path / "hostile"))
    beside = Beside(world, neighbour, tiny_gpt2_folder)
    text = "<|user|>\nhello " + "α" * 50 + " qq"
    asked = asked_by_an_editor(owner, f"file:///hostile/{name}.chat", model, text)
    asked.append(owner.request("lmTransparency/analyze", {"source": str(model), "prompt": text, "chat": True}))
    beside.work(name, owner, asked, 40 if MORE else 5)
    began = time.monotonic()
    for msg_id in asked:
        owner.cancel(msg_id)
    kinds: set[str] = set()
    for msg_id in asked:
        try:
            owner.answer(msg_id, 120)
        except Refused as refused:
            kinds.add(refused.kind)
    # each answer is a sentence, or says that it was cancelled
    assert not kinds & {"internal", "outOfMemory"}
    ended = time.monotonic() - began
    beside.finish(240)
    beside.hold(name, ended)


def test_a_message_with_a_long_prompt_delays_nobody(neighbour: Client, owner: Client) -> None:
    for prompt, chat in (("x" * 8_000_000, False), ("<|user|>\n" + "\n" * 1_900_000, True), ("\n" * 8_000_000, True)):
        for method in ("lmTransparency/analyze", "lmTransparency/estimate"):
            asked = owner.request(method, {"prompt": prompt, "chat": chat, "source": "/nowhere"})
            began = time.monotonic()
            assert neighbour.ask(PING, timeout=60) is None
            assert time.monotonic() - began < PING_S
            with pytest.raises(Refused) as refused:
                owner.answer(asked)
            assert refused.value.kind in ("promptTooLong", "invalidPrompt", "modelNotFound")
