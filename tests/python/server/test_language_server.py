"""The language features in any editor: pytest-lsp's client and plain LSP against the real server process.

`editor` sends no capabilities at `initialize`; `neovim` has Neovim's, and counts characters in bytes.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest
import pytest_lsp
import torch
from editor import CONFIG, Document, Editor
from language_client import decode
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from lm_transparency import LoadedModel

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("error::pytest_lsp.LspSpecificationWarning"),
]

TEXT = "The capital of France is"
HINT = "5 tokens · smollm2-135m…"
EMBEDDED = "smollm2-135m-instruct"
ANALYZE = "lmTransparency.analyzePrompt"
EVEN, ODD, SHARED = "lmTokenEven", "lmTokenOdd", "lmTokenShared"


@pytest_lsp.fixture(config=CONFIG, scope="module")
async def editor(lsp_client: Editor) -> AsyncIterator[None]:
    await lsp_client.introduce(lsp.ClientCapabilities())
    yield
    await lsp_client.shutdown_session()


@pytest_lsp.fixture(config=CONFIG, scope="module")
async def neovim(lsp_client: Editor) -> AsyncIterator[None]:
    # as docs/editors.md sets it up
    told = await lsp_client.introduce(pytest_lsp.client_capabilities("neovim"), model="", loadModel=True)
    assert told.position_encoding == lsp.PositionEncodingKind.Utf8
    yield
    await lsp_client.shutdown_session()


async def run(editor: Editor, command: lsp.Command) -> str:
    """Click a lens, and return the page that it drew."""
    page = await editor.command(command.command, *(command.arguments or []))
    assert isinstance(page, str)
    return page


def drawn(page: str) -> dict[str, Any]:
    """The content of a page, with the prompt that was read. The page is removed."""
    path = Path(url2pathname(urlparse(page).path))
    found = re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    path.unlink()
    assert found is not None
    content = json.loads(found[1])
    meta, _ = decode(content)
    return {**content, "prompt": meta["prompt"]}


async def test_borders_and_counts_need_no_model_and_the_hover_says_what_does(editor: Editor) -> None:
    document = editor.open("cold.prompt", f"{TEXT}\n")
    assert await document.hints() == [("0:24", HINT)]
    said = await document.hover(0, 16)
    assert said is not None and "**`·France`** · id 4649 · token 4 of 5" in said[1]
    assert "appear once the model is loaded" in said[1] and "Surprisal" not in said[1]


async def test_the_model_is_loaded_by_a_command_and_hover_then_tells_its_own_probabilities(
    editor: Editor, embedded: LoadedModel
) -> None:
    assert await editor.command("lmTransparency.loadModel") == EMBEDDED
    document = editor.open("hover.prompt", f"{TEXT} 😀\n---\nOther\n")
    await says_what_the_model_expected(document, embedded, emoji="0:25-0:27")
    first = await document.hover(0, 1)
    assert first is not None and "Nothing comes before it" in first[1]
    assert await document.hover(1, 1) is None


async def says_what_the_model_expected(document: Document, embedded: LoadedModel, emoji: str) -> None:
    """Hover on France, and on an emoji that stands at `emoji`, in a document that begins with `TEXT` and it."""
    found = await document.hover(0, 16)
    assert found is not None
    where, said = found
    assert where == "0:14-0:21"
    assert "**`·France`** · id 4649 · token 4 of 7" in said
    ids = embedded.tokenizer(f"{TEXT} 😀")["input_ids"]
    with torch.no_grad():
        chances = embedded.model(torch.tensor([ids])).logits[0, 2].float().softmax(-1)
    assert f"Surprisal **{-math.log2(float(chances[ids[3]])):.2f} bits**" in said
    best = chances.topk(5)
    for token, chance in zip(best.indices.tolist(), best.values.tolist(), strict=True):
        shown = embedded.tokenizer.decode([token]).replace(" ", "·")
        assert f"1. `{shown}` {100 * chance:.1f} %" in said
    shared = await document.hover(0, 25)
    assert shared is not None and "shared by 2 tokens" in shared[1]
    assert shared[0] == emoji


async def test_token_borders_counts_lenses_symbols_and_folds(editor: Editor) -> None:
    document = editor.open("all.prompt", f"---\nthreshold: 0.1\n---\n{TEXT}\n---\r\na 😀\r\nb\r\n")
    assert await document.borders() == [
        *[(3, 0, 3, EVEN), (3, 3, 8, ODD), (3, 11, 3, EVEN), (3, 14, 7, ODD), (3, 21, 3, EVEN)],
        # " ⟨f0 9f 98⟩" and "⟨80⟩": the space belongs to the first, the emoji to both; line ends are not drawn
        *[(5, 0, 1, EVEN), (5, 1, 1, ODD), (5, 2, 2, SHARED), (6, 0, 1, EVEN)],
    ]
    assert await document.hints() == [
        ("3:24", HINT),
        ("6:1", HINT),
    ]
    assert await document.lenses() == [
        (3, lsp.Command("Analyze", ANALYZE, arguments=({"uri": document.uri, "start": 23},))),
        (5, lsp.Command("Analyze", ANALYZE, arguments=({"uri": document.uri, "start": 53},))),
    ]
    assert [(symbol.name, str(symbol.range)) for symbol in await document.symbols()] == [
        ("Front matter", "1:0-2:0"),
        (TEXT, "3:0-3:24"),
        ("a 😀", "5:0-6:1"),
    ]
    assert await document.folds() == [(0, 2), (5, 6)]


async def test_front_matter_is_completed_and_explained(editor: Editor) -> None:
    document = editor.open("front.prompt", "---\nmodel: \nspecial_tokens: b\nth\nchat:\n  - role: \n")
    assert EMBEDDED in await document.completions(1, 7)
    assert await document.completions(2, 17) == ["auto", "bos", "none"]
    assert "threshold" in await document.completions(3, 2)
    assert "assistant" in await document.completions(5, 10)
    assert await document.completions(0, 3) == []
    closed = editor.open("closed.prompt", "---\nmodel: x\n---\nth")
    assert await closed.completions(3, 2) == []
    said = await closed.hover(1, 2)
    assert said is not None and "The model that the prompts are for" in said[1]


async def test_what_is_wrong_is_said_where_it_is_and_goes_when_it_is_mended(editor: Editor) -> None:
    text = (
        "---\nmodel: smollm2-135m-instructed\ntarget: Parisian\ncontrast: ' Mary'\nthreshold: 7\ncolour: red\n---\n"
        "A <s> and <|im_end|>\n"
    )
    document = editor.open("wrong.prompt", text)
    found = await document.diagnostics()
    assert [(where, severity, code) for where, severity, code, _ in found] == [
        ("1:7-1:30", 2, "unknownModel"),
        ("4:11-4:12", 1, "threshold"),
        ("5:0-5:6", 2, "unknownKey"),
    ]
    assert "Did you mean smollm2-135m-instruct?" in found[0][3]
    assert "It takes 0.005 to 1." in found[1][3]
    # a model that exists, with its tokenizer
    document.change("", 1, 28, 30)
    document.change("0.1", 4, 11, 12)
    found = await document.diagnostics()
    assert [(where, severity, code) for where, severity, code, _ in found] == [
        ("2:8-2:16", 2, "notOneToken"),
        ("5:0-5:6", 2, "unknownKey"),
        ("7:2-7:5", 2, "lookAlike"),
        ("7:10-7:20", 3, "specialToken"),
    ]
    assert found[0][3] == "`target` is 2 tokens, not one: “Paris” “ian”. Give one token."
    bad = editor.open("yaml.prompt", "---\nmodel: [a\nthreshold: 1\n---\nx")
    ((where, severity, code, message),) = await bad.diagnostics()
    assert (severity, code) == (1, "yaml") and where.startswith("2:") and "It is not YAML" in message
    bad.close()
    closed = await editor.until(lambda: [params for params in bad.told() if params.version is None])
    assert [list(params.diagnostics) for params in closed] == [[]]


async def test_a_prompt_past_the_context_is_marked_from_the_first_token_that_is_not_read(editor: Editor) -> None:
    document = editor.open("long.prompt", "short\n---\n" + "a b " * 4_200)
    ((where, severity, code, message),) = await document.diagnostics()
    assert (severity, code) == (1, "promptTooLong")
    assert "The prompt has 8,401 tokens" in message and "at most 8,192" in message
    assert where == "2:16383-2:16800"


async def test_of_many_edits_the_last_is_answered_and_its_diagnostics_come_once(editor: Editor) -> None:
    document = editor.open("typed.prompt", "\n")
    for i, character in enumerate(TEXT):
        document.change(character, 0, i, i)
    assert await document.hints() == [("0:24", HINT)]
    assert await document.diagnostics() == []
    assert len(document.told()) <= 2
    assert document.told()[-1].version == document.version == 1 + len(TEXT)


async def test_other_languages_are_left_alone(editor: Editor) -> None:
    document = editor.open("a.md", "# T\n```\nx\n```\n", "markdown")
    assert await document.hover(2, 0) is None
    assert (await document.lenses(), await document.symbols(), await document.folds()) == ([], [], [])
    assert await document.hints() == []
    params = lsp.SemanticTokensParams(document.name)
    assert await editor.text_document_semantic_tokens_full_async(params) is None


async def test_twenty_thousand_prompts_show_what_is_looked_at_and_the_last_is_analyzed(editor: Editor) -> None:
    said = "the capital of France, which lies far from here, is the city of all"
    lines = [json.dumps({"id": i, "prompt": f"Prompt {i}: {said}"}) for i in range(20_000)]
    text = "\n".join(lines) + "\n"
    assert len(text) > 2_000_000
    document = editor.open("data.prompts.jsonl", text, "lm-prompts-jsonl")
    assert [line for line, _ in await document.lenses()] == list(range(101))
    began = time.monotonic()
    assert len(await document.hints(19_980, 20_000)) == 20
    lenses = await document.lenses()
    symbols = await document.symbols()
    print(f"hints, lenses and symbols at the end of the file: {time.monotonic() - began:.3f} s")
    assert lenses[-1][0] == 19_999 and len(lenses) < 500
    assert len(symbols) == 41
    assert [bool(symbol.children) for symbol in symbols].count(True) <= 2
    began = time.monotonic()
    for _ in range(20):
        document.change("!", 19_999, 30, 30)
    await document.hints(19_980, 20_000)
    print(f"20 edits and the hints of the last: {time.monotonic() - began:.3f} s")
    assert "Promp!!!!!!!!!!!!!!!!!!!!t 19999: " in drawn(await run(editor, lenses[-1][1]))["prompt"]
    assert await document.diagnostics() == []


async def test_the_lens_draws_a_page_and_says_where_it_lies_where_none_can_be_shown(editor: Editor) -> None:
    document = editor.open("page.prompt", f"---\nthreshold: 0.1\nrenormalize: false\n---\n{TEXT}\n")
    ((_, command),) = await document.lenses()
    page = await run(editor, command)
    await editor.until(lambda: page in "".join(params.message for params in editor.messages))
    assert editor.shown_documents == []
    content = drawn(page)
    assert (content["title"], content["prompt"]) == ("page.prompt", TEXT)
    assert (content["view"]["threshold"], content["view"]["renormalize"]) == (0.1, False)
    for wrong in ([], [{"uri": "file:///none", "start": 0}]):
        with pytest.raises(JsonRpcException) as caught:
            await editor.command(ANALYZE, *wrong)
        assert caught.value.data and caught.value.data["kind"] == "invalidParams"


async def test_a_chat_shows_the_tokens_of_its_messages_and_counts_its_templates_too(editor: Editor) -> None:
    text = "---\nchat:\n  - {role: system, content: Be brief.}\n---\n<|user|>\nHi there\n<|assistant|>\nHello"
    document = editor.open("talk.chat", text, "lm-chat")
    borders = await document.borders()
    assert sorted({line for line, *_ in borders}) == [5, 7]
    ((_, label),) = await document.hints()
    assert int(label.split()[0]) > len(borders) + 6
    found = await document.hover(5, 4)
    assert found is not None and "**`·there`**" in found[1] and "Surprisal **" in found[1]
    assert await document.hover(4, 3) is None
    # a role's line is syntax, not a special token in the text
    assert await document.diagnostics() == []


async def test_neovim_loads_the_model_by_itself_and_is_answered_in_the_bytes_that_it_counts(
    neovim: Editor, embedded: LoadedModel
) -> None:
    document = neovim.open("hover.prompt", f"{TEXT} 😀\n---\n<s>\n")
    assert await neovim.command("lmTransparency.loadModel") == EMBEDDED
    await neovim.until(lambda: len(set(neovim.refreshed)) == 2)
    await says_what_the_model_expected(document, embedded, emoji="0:25-0:29")
    assert (await document.borders())[5:7] == [(0, 24, 1, ODD), (0, 25, 4, SHARED)]
    assert [found[:3] for found in await document.diagnostics()] == [("2:0-2:3", 2, "lookAlike")]
    document.change("😀", 0, 29, 29)
    assert [where for where, _ in await document.hints()] == ["0:33", "2:3"]
    _, command = (await document.lenses())[0]
    page = await run(neovim, command)
    await neovim.until(lambda: neovim.shown_documents)
    assert neovim.shown_documents == [lsp.ShowDocumentParams(page, external=True)]
    assert neovim.messages == []
    assert drawn(page)["prompt"] == f"{TEXT} 😀😀"
