"""A client's open documents are limited in number and size, whether they were opened large or grew by edits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from lsprotocol.types import (
    DidChangeTextDocumentParams,
    DidCloseTextDocumentParams,
    DidOpenTextDocumentParams,
    Position,
    Range,
    TextDocumentContentChangePartial,
    TextDocumentContentChangeWholeDocument,
    TextDocumentIdentifier,
    TextDocumentItem,
    VersionedTextDocumentIdentifier,
)

from lm_transparency import TransparencyError
from lm_transparency.server.language import store as module
from lm_transparency.server.language.desk import Desk
from lm_transparency.server.language.store import Store


def opened(store: Store, uri: str, text: str) -> None:
    store.opened(DidOpenTextDocumentParams(TextDocumentItem(uri, "lm-prompt", 1, text)))


def typed(store: Store, uri: str, text: str) -> None:
    start = Position(0, 0)
    change = TextDocumentContentChangePartial(range=Range(start, start), text=text)
    store.changed(DidChangeTextDocumentParams(VersionedTextDocumentIdentifier(2, uri), [change]))


def replaced(store: Store, uri: str, text: str) -> None:
    change = TextDocumentContentChangeWholeDocument(text=text)
    store.changed(DidChangeTextDocumentParams(VersionedTextDocumentIdentifier(2, uri), [change]))


@pytest.mark.parametrize("grow", [opened, typed, replaced])
def test_all_documents_together_have_a_limit(
    grow: Callable[[Store, str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOGETHER", 100)

    async def scene() -> None:
        store = Store(Desk())
        for uri in ("a", "b"):
            opened(store, uri, "")
        grow(store, "a", "x" * 60)
        first = await store.current("a")
        assert first is not None and first.size == 60
        grow(store, "b", "x" * 41)
        with pytest.raises(TransparencyError, match="Too many files are open at once"):
            await store.current("b")
        store.closed(DidCloseTextDocumentParams(TextDocumentIdentifier("a")))
        opened(store, "b", "")
        grow(store, "b", "x" * 41)
        assert (await store.current("b")) is not None

    asyncio.run(scene())


def test_documents_have_a_largest_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    monkeypatch.setattr(module, "_KNOWN", 4)

    async def scene() -> None:
        store = Store(Desk())
        for uri in ("a", "b", "b", "c"):
            opened(store, uri, "x")
        assert (await store.current("b")) is not None
        with pytest.raises(TransparencyError, match="Close some"):
            await store.current("c")
        for number in range(5):
            opened(store, f"d{number}", "x")
            store.lose(f"e{number}")
        opened(store, "file:///" + "n" * 20_000, "x")
        assert len(store.uris()) == 4

    asyncio.run(scene())
