"""The documents that a client has open: their text, updated as the client edits, and how each is read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from lsprotocol.types import (
    DidChangeTextDocumentParams,
    DidCloseTextDocumentParams,
    DidOpenTextDocumentParams,
    PositionEncodingKind,
    TextDocumentContentChangePartial,
)

from ...errors import TransparencyError
from ...prompts.documents import Document, language_of
from ...prompts.pace import steps
from .desk import Desk
from .positions import Positions

#: Characters of one document, and of all of a client's; and how many it may have open.
LARGEST = 8_000_000
TOGETHER = 64_000_000
MOST = 1000
#: Characters of a document's name; and how many documents are known, those that are refused with a reason included.
_LONGEST_NAME = 10_000
_KNOWN = 2 * MOST


@dataclass(frozen=True)
class OpenDocument:
    """One version of a document; an edit makes a new one."""

    uri: str
    version: int
    document: Document
    positions: Positions

    @property
    def text(self) -> str:
        return self.document.text

    @property
    def size(self) -> int:
        return len(self.document.text)


@dataclass
class _Entry:
    """`editing`: brings `document` up to date. `lost`: the reason that it cannot be followed."""

    document: OpenDocument
    editing: asyncio.Task[None] | None = None
    lost: TransparencyError | None = None


class Store:
    """By uri. `keep_last_newline`: whether the newline that ends a file is part of its last prompt."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._open: dict[str, _Entry] = {}
        self.encoding: PositionEncodingKind | str = PositionEncodingKind.Utf16
        self.keep_last_newline = False

    def language(self, uri: str) -> str | None:
        """None for a document that is not open."""
        entry = self._open.get(uri)
        return None if entry is None else entry.document.document.language

    def uris(self) -> list[str]:
        return list(self._open)

    def is_current(self, document: OpenDocument) -> bool:
        entry = self._open.get(document.uri)
        return entry is not None and entry.document is document and entry.editing is None

    async def current(self, uri: str) -> OpenDocument | None:
        """The document after all edits so far; None for one that is not open.

        Raises `TransparencyError("promptTooLong")` for one that is no longer followed.
        """
        entry = self._open.get(uri)
        if entry is None:
            return None
        while entry.editing is not None:
            await asyncio.wait([entry.editing])
        if entry.lost is not None:
            raise entry.lost
        return entry.document

    def opened(self, params: DidOpenTextDocumentParams) -> None:
        item = params.text_document
        if not self._is_taken(item.uri):
            return
        self._open.pop(item.uri, None)
        self._put(item.uri, item.version, item.text, language_of(item.uri, item.language_id))

    def changed(self, params: DidChangeTextDocumentParams) -> bool:
        """Whether the document is open."""
        entry = self._open.get(params.text_document.uri)
        if entry is None:
            return False
        # earlier edits do not matter once the whole text is replaced
        changes = list(params.content_changes)
        whole = max(
            (i for i, c in enumerate(changes) if not isinstance(c, TextDocumentContentChangePartial)), default=-1
        )
        if whole >= 0:
            if entry.editing is not None:
                entry.editing.cancel()
            language = entry.document.document.language
            entry = self._put(entry.document.uri, params.text_document.version, changes[whole].text, language)
        edits = [c for c in changes[whole + 1 :] if isinstance(c, TextDocumentContentChangePartial)]
        if edits and entry.lost is None:
            before = entry.editing
            task = entry.editing = asyncio.ensure_future(self._edit(entry, before, edits, params.text_document.version))
            task.add_done_callback(lambda done: _done(entry, done))
        return True

    def closed(self, params: DidCloseTextDocumentParams) -> None:
        entry = self._open.pop(params.text_document.uri, None)
        if entry is not None and entry.editing is not None:
            entry.editing.cancel()

    def lose(self, uri: str) -> None:
        """The text of a document, or an edit of it, did not arrive."""
        entry = self._open.get(uri)
        if entry is None:
            if not self._is_taken(uri):
                return
            entry = self._put(uri, 0, "", language_of(uri, ""))
            entry.lost = _too_large()
        else:
            entry.lost = _lost()

    def keep(self, keep_last_newline: bool) -> None:
        """Read every document again, with or without the newline that ends it."""
        if keep_last_newline != self.keep_last_newline:
            self.keep_last_newline = keep_last_newline
            for entry in self._open.values():
                known = entry.document
                entry.document = self._read(known.uri, known.version, known.positions, known.document.language)

    async def read(self, uri: str, language: str, text: str) -> Document:
        """The open document of `uri`; any other is read from `text`. Raises `TransparencyError` as `current`."""
        known = None if text else await self.current(uri)
        if known is not None:
            return known.document
        return Document(text, language_of(uri, language), keep_last_newline=self.keep_last_newline)

    async def _edit(
        self,
        entry: _Entry,
        before: asyncio.Task[None] | None,
        edits: list[TextDocumentContentChangePartial],
        version: int,
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        known = entry.document

        def edited() -> Positions:
            positions = known.positions
            for edit in steps(edits, 0):
                positions = positions.edited(edit.range, edit.text)
                if len(positions.text) > LARGEST:
                    raise _too_large()
            return positions

        if entry.lost is not None:
            return
        try:
            positions = await self._desk.run(known.size + sum(len(edit.text) for edit in edits), edited)
        except TransparencyError as error:
            entry.lost = error
            return
        entry.lost = self._refusal(entry, len(positions.text))
        if entry.lost is not None:
            return
        entry.document = self._read(known.uri, version, positions, known.document.language)

    def _put(self, uri: str, version: int, text: str, language: str) -> _Entry:
        lost = self._refusal(self._open.get(uri), len(text))
        document = self._read(uri, version, Positions("" if lost else text, self.encoding), language)
        self._open[uri] = _Entry(document, lost=lost)
        return self._open[uri]

    def _is_taken(self, uri: str) -> bool:
        """Whether there is room for as much as the name of a document."""
        return uri in self._open or (len(uri) <= _LONGEST_NAME and len(self._open) < _KNOWN)

    def _refusal(self, entry: _Entry | None, size: int) -> TransparencyError | None:
        """Why `size` characters are too many for a document, a new one where `entry` is None."""
        if size > LARGEST:
            return _too_large()
        others = sum(e.document.size for e in self._open.values() if e is not entry)
        if size + others > TOGETHER or (entry is None and len(self._open) >= MOST):
            return TransparencyError("promptTooLong", "Too many files are open at once.", "Close some of them.")
        return None

    def _read(self, uri: str, version: int, positions: Positions, language: str) -> OpenDocument:
        document = Document(positions.text, language, keep_last_newline=self.keep_last_newline)
        return OpenDocument(uri, version, document, positions)


def _done(entry: _Entry, task: asyncio.Task[None]) -> None:
    if entry.editing is task:
        entry.editing = None
    if not task.cancelled() and task.exception() is not None:
        entry.lost = _lost()


def _too_large() -> TransparencyError:
    message = f"The file has more than {LARGEST:,} characters, too many for the language server."
    return TransparencyError("promptTooLong", message, "Split it into smaller files.")


def _lost() -> TransparencyError:
    message = "An edit of the file did not arrive, so its text is unknown."
    return TransparencyError("promptTooLong", message, "Close the file and open it again.")
