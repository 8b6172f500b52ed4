"""Refused files of a model that a prompt file names are tried once, and off the event loop."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lm_transparency import TransparencyError
from lm_transparency.model.tokens import Token
from lm_transparency.server.language import reader as module
from lm_transparency.server.language.reader import Reader, Text


class Ready:
    """A backend without a model."""

    health = SimpleNamespace(loaded=[])

    def loaded(self, _model: str) -> None:
        return None

    def start(self) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose tokenizer was tried; each is refused."""
    tried: list[Path] = []

    def refuse(folder: Path) -> Any:
        tried.append(folder)
        raise TransparencyError("modelUnusable", "It took more than 15 s.")

    monkeypatch.setattr(module, "load_tokenizer", refuse)
    # look at the files each time
    monkeypatch.setattr(module, "_LOOK_S", 0.0)
    return tried


def test_refused_files_are_tried_again_once_they_change_or_a_while_later(
    tried: list[Path], tiny_gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, clock = "one", 1000.0
    monkeypatch.setattr(module, "tokenizer_state", lambda _model: state)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock))

    async def run() -> None:
        nonlocal state, clock
        reader: Any = Reader(Ready())  # pyright: ignore[reportArgumentType]
        text = Text(str(tiny_gpt2_folder), "hello", False, "auto")
        for _ in range(3):
            assert await reader.tokens(text) is None
            assert await reader.apply(text.model, lambda _v: 1) is None
        assert len(tried) == 1
        state = "two"
        assert await reader.tokens(text) is None
        assert len(tried) == 2
        clock += 61
        assert await reader.tokens(text) is None
        assert len(tried) == 3

    asyncio.run(run())


def test_a_model_that_is_not_here_is_looked_for_each_time(
    tried: list[Path], tmp_path: Path, tiny_gpt2_folder: Path
) -> None:
    async def run() -> None:
        reader: Any = Reader(Ready())  # pyright: ignore[reportArgumentType]
        folder = tmp_path / "later"
        assert await reader.vocabulary(str(folder)) is None
        folder.symlink_to(tiny_gpt2_folder)
        assert await reader.vocabulary(str(folder)) is None
        assert tried == [folder]

    asyncio.run(run())


def test_files_are_looked_at_where_nothing_waits_for_them(tried: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def look(_model: str) -> str:
        threads.append(threading.current_thread())
        return ""

    monkeypatch.setattr(module, "tokenizer_state", look)

    async def run() -> None:
        reader: Any = Reader(Ready())  # pyright: ignore[reportArgumentType]
        await reader.vocabulary("/nowhere")

    asyncio.run(run())
    assert threads and threading.main_thread() not in threads


@pytest.mark.parametrize(("n_characters", "n_tokens"), [(10, 100), (3_200, 1)])
def test_what_is_kept_of_texts_is_limited_by_their_tokens_and_their_length(
    n_characters: int, n_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tokenizer may make many tokens of a short text, and one of a long one."""
    encoded: list[str] = []

    def encode(_vocabulary: object, text: Text) -> list[Token]:
        encoded.append(text.text[:1])
        return [Token(7, text.text, 0, len(text.text))] * n_tokens

    monkeypatch.setattr(module, "_encoded", encode)
    monkeypatch.setattr(module, "_from_disk", lambda model: module.Vocabulary(model, None, 0))
    monkeypatch.setattr(module, "_KEPT_TOKENS", 250)

    async def run() -> None:
        reader: Any = Reader(Ready())  # pyright: ignore[reportArgumentType]
        for letter in "aabbabccbaa":
            assert await reader.tokens(Text("a model", letter * n_characters, False, "auto")) is not None

    asyncio.run(run())
    # two are kept; the one that was not looked at for longest gives way
    assert "".join(encoded) == "abca"


def test_a_text_that_is_larger_than_all_that_is_kept_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_encoded", lambda _vocabulary, text: [Token(7, text.text, 0, len(text.text))])
    monkeypatch.setattr(module, "_from_disk", lambda model: module.Vocabulary(model, None, 0))
    monkeypatch.setattr(module, "_KEPT_TOKENS", 250)

    async def run() -> None:
        reader: Any = Reader(Ready())  # pyright: ignore[reportArgumentType]
        short, long = (Text("a model", "x" * n, False, "auto") for n in (9, 90_000))
        first = await reader.tokens(short)
        assert await reader.tokens(long) is not await reader.tokens(long)
        assert await reader.tokens(short) is first

    asyncio.run(run())
