"""Work on a document grows linearly with its length, whatever it contains, and can be cancelled."""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol.types import Position, Range

from lm_transparency.errors import Cancelled, TransparencyError
from lm_transparency.model import chat as chats
from lm_transparency.model.tokens import Token
from lm_transparency.prompts import lines, pace
from lm_transparency.prompts.documents import CHAT, JSONL, LINES, PROMPT, Document
from lm_transparency.prompts.pace import Pace, TooSlow, matches, steps
from lm_transparency.prompts.spans import spans_of
from lm_transparency.protocol.prompts import ListPromptsParams, PromptAtParams
from lm_transparency.server.language.desk import Desk
from lm_transparency.server.language.positions import Positions
from lm_transparency.server.language.requests import list_prompts, prompt_at

UNITS = {
    "backslashes": "\\",
    "quotes": '"',
    "escaped quotes": '\\"',
    "single quotes": "'x' ",
    "ticks": "`",
    "newlines": "\n",
    "both line ends": "\r\n",
    "carriage returns": "\r",
    "blocks": "a\n---\n",
    "empty blocks": "---\n",
    "emoji": "😀",
    "role": "<|user|> ",
    "roles": "<|user|>\nhi\n",
    "fences": "```\na\n```\n",
    "parentheses": "('a')\n",
    "objects": '{"prompt":"a"}\n',
    "brackets": "[",
    "keys": "a: b\n",
}
AROUND = {
    PROMPT: ("", ""),
    CHAT: ("---\nchat:\n  - role: user\n    content: hi\n---\n<|user|>\n", "\n"),
    LINES: ("", ""),
    JSONL: ('{"prompt": "', '"}'),
    "markdown": ("```chat\n<|user|>\n", "\n```\n"),
    "python": ('x = "', "\n"),
}


class Counted:
    """Counts the steps of loops: the characters that patterns and slices of a text may touch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = 0
        monkeypatch.setattr(pace, "_looking", self._count)

    def _count(self, items: Any, look: Callable[[], None], _every: int) -> Any:
        for item in items:
            self.steps += 1
            yield item


def read(text: str, language: str) -> None:
    """Every question about a document, asked at once."""
    document = Document(text, language)
    positions = Positions(text)
    asked: list[Callable[[], Any]] = [
        lambda: list(itertools.islice(document.problems_of(document.stretches), 200)),
        lambda: list_prompts(document, ListPromptsParams(uri="", cursor=0)),
        lambda: positions.position(len(text)),
        lambda: positions.lines(0, len(text)),
    ]
    for at in (0, len(text) // 2, len(text)):
        asked.append(lambda at=at: prompt_at(document, PromptAtParams(uri="", start=at, end=at)))
    for ask in asked:
        try:
            ask()
        except TransparencyError:
            continue


@pytest.mark.parametrize("language", AROUND)
@pytest.mark.parametrize("unit", UNITS)
def test_twice_the_text_takes_twice_the_steps(language: str, unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    before, after = AROUND[language]
    taken: list[int] = []
    for size in (2000, 4000, 8000):
        counted.steps = 0
        with Pace(1000).kept():
            read(before + UNITS[unit] * (size // len(UNITS[unit])) + after, language)
        taken.append(counted.steps)
    assert taken[2] - taken[1] <= 2.5 * max(taken[1] - taken[0], 200), taken


class Sliced(str):
    """A text that counts the characters read from it."""

    taken = 0

    def __getitem__(self, key: Any) -> str:
        found = str.__getitem__(self, key)
        Sliced.taken += len(found)
        return found


def test_a_position_in_a_long_line_is_found_without_reading_the_line() -> None:
    text = Sliced("é😀" * 50_000)
    positions = Positions(text)
    positions.position(99_999)
    Sliced.taken = 0
    found = [positions.position(offset) for offset in range(0, 100_000, 100)]
    assert found[-1] == Position(0, 99_900 // 2 * 3)
    assert [positions.offset(place) for place in found] == list(range(0, 100_000, 100))
    assert Sliced.taken < 1000


def test_spans_of_tokens_that_lie_in_each_other_are_found_in_one_pass() -> None:
    tokens = [Token(0, "", at, at + 2, shared=True) for at in range(100_000)]
    assert len(spans_of(tokens)) == 100_001


class Template:
    """A tokenizer whose template writes 4,000 messages. `changes`: it alters the text of each."""

    chat_template = "a template"

    def __init__(self, changes: bool) -> None:
        self._changes = changes

    def apply_chat_template(self, messages: list[dict[str, str]], **_options: Any) -> str:
        texts = [m["content"] if not self._changes else m["content"].swapcase() for m in messages]
        return "".join(f"[{text}]" for text in texts)


@pytest.mark.parametrize("changes", [False, True])
def test_a_chat_of_many_messages_is_looked_through_once(changes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    chat = chats.parse_chat(
        "".join(f"<|user|>\nMessage {i}\n<|assistant|>\nAnswer\n" for i in range(2000)) + "<|user|>\nx"
    )
    looked = 0

    class Pieces(list[Any]):
        def __getitem__(self, key: Any) -> Any:
            nonlocal looked
            looked += 1
            return super().__getitem__(key)

    found = chats._exact_pieces  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(chats, "_exact_pieces", lambda *given: Pieces(found(*given)))
    monkeypatch.setattr(
        chats, "encode_text", lambda _t, text, **_o: [Token(0, c, at, at + 1) for at, c in enumerate(text)]
    )
    monkeypatch.setattr(chats, "_MOST_LOOKED", 1_000_000)
    tokens = chats.encode_chat(Template(changes), chat)
    inside = "".join(token.text for token in tokens if not token.template)
    assert changes or inside == "".join(message.content for message in chat.messages)
    assert looked < 5 * len(tokens)


def test_a_front_matter_that_repeats_a_message_by_aliases_is_refused() -> None:
    text = f'---\nchat:\n  - &a {{role: user, content: "{"x" * 30_000}"}}\n' + "  - *a\n" * 4000 + "---\nhi"
    with pytest.raises(TransparencyError, match="more than 65,536 characters"):
        Document(text, CHAT).prompt(Document(text, CHAT).stretches[0])


def test_work_that_takes_too_long_ends_with_a_sentence_and_what_nobody_waits_for_ends_too() -> None:
    with Pace(0.01).kept(), pytest.raises(TooSlow, match="takes too long"):
        for _ in steps(itertools.count()):
            pass
    wanted = Pace(1000)
    wanted.call_off()
    with wanted.kept(), pytest.raises(Cancelled):
        for _ in steps(itertools.count()):
            pass
    assert list(steps([1, 2])) == [1, 2]


def test_a_large_document_is_read_on_a_thread_that_ends_with_its_task() -> None:
    ended = threading.Event()

    def work() -> None:
        try:
            for _ in steps(itertools.count()):
                pass
        finally:
            ended.set()

    async def ask() -> None:
        desk = Desk()
        task = asyncio.ensure_future(desk.run(10**6, work))
        await asyncio.sleep(0.05)
        # the loop is free meanwhile
        assert await desk.run(1, threading.get_ident) == threading.get_ident()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while not ended.is_set():
            await asyncio.sleep(0.01)
        desk.close()

    asyncio.run(ask())


def test_edits_of_a_long_text_read_no_more_than_they_touch() -> None:
    positions = Positions("line\n" * 20_000)
    positions.position(0)
    for line in range(50):
        positions = positions.edited(Range(Position(line, 0), Position(line, 4)), "é😀")
    assert positions.text.startswith("é😀\n" * 50 + "line\n")
    assert positions.offset(Position(50, 2)) == 50 * 3 + 2


@given(
    text=st.text(st.sampled_from("-\n \ra<|s>`"), max_size=120),
    part=st.integers(1, 20),
    start=st.integers(0, 10),
)
def test_a_search_in_parts_finds_what_one_search_finds(text: str, part: int, start: int) -> None:
    start = min(start, len(text))
    by_line = re.compile(r"^--[ \r]*$|^ ?(`+)(.*)$", re.MULTILINE)
    anywhere = re.compile(r"<\|[as]{1,3}\||</?s>")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "_PART", part)
        for pattern, longest in ((by_line, 0), (anywhere, 6)):
            # a search begins where a line does, or where no match is under way
            at = text.rfind("\n", 0, start) + 1 if longest == 0 else start
            found = [match.span() for match in matches(pattern, text, at, longest)]
            assert found == [match.span() for match in pattern.finditer(text, at)]


def test_in_a_file_with_more_prompts_than_are_listed_the_one_at_the_cursor_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "MOST_PROMPTS", 3)
    document = Document("a\nb\nc\nd\n", LINES)
    for _ in range(2):
        with pytest.raises(TransparencyError, match="more than 3 prompts"):
            list_prompts(document, ListPromptsParams(uri="", cursor=0))
    found = prompt_at(document, PromptAtParams(uri="", start=6, end=6))
    assert found.text == "d"
    assert [stretch.start for stretch in itertools.islice(document.each(), 4)] == [0, 2, 4, 6]
