"""The documents that a client has open: their text, kept as the client changes it, and how each is read."""

from __future__ import annotations

from dataclasses import dataclass

from lsprotocol.types import (
    DidChangeTextDocumentParams,
    DidCloseTextDocumentParams,
    DidOpenTextDocumentParams,
    PositionEncodingKind,
    TextDocumentContentChangePartial,
)

from ...prompts.documents import Document
from .positions import Positions


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


class Store:
    """By uri. `keep_last_newline`: whether the newline that ends a file is a part of its last prompt."""

    def __init__(self) -> None:
        self._open: dict[str, OpenDocument] = {}
        self.encoding: PositionEncodingKind | str = PositionEncodingKind.Utf16
        self.keep_last_newline = False

    def get(self, uri: str) -> OpenDocument | None:
        return self._open.get(uri)

    def all(self) -> list[OpenDocument]:
        return list(self._open.values())

    def opened(self, params: DidOpenTextDocumentParams) -> OpenDocument:
        item = params.text_document
        return self._put(item.uri, item.version, item.text, item.language_id)

    def changed(self, params: DidChangeTextDocumentParams) -> OpenDocument | None:
        """None for a document that was not opened."""
        before = self._open.get(params.text_document.uri)
        if before is None:
            return None
        positions = before.positions
        for change in params.content_changes:
            if isinstance(change, TextDocumentContentChangePartial):
                positions = positions.edited(change.range, change.text)
            else:
                positions = Positions(change.text, self.encoding)
        return self._keep(before.uri, params.text_document.version, positions, before.document.language)

    def closed(self, params: DidCloseTextDocumentParams) -> None:
        self._open.pop(params.text_document.uri, None)

    def keep(self, keep_last_newline: bool) -> None:
        """Read every document anew, with or without the newline that ends it."""
        if keep_last_newline != self.keep_last_newline:
            self.keep_last_newline = keep_last_newline
            for one in self.all():
                self._put(one.uri, one.version, one.text, one.document.language)

    def read(self, uri: str, language: str, text: str) -> Document:
        """The open document of `uri`; another is read from `text`."""
        known = self._open.get(uri)
        if known is not None and not text:
            return known.document
        return Document(text, language, keep_last_newline=self.keep_last_newline)

    def _put(self, uri: str, version: int, text: str, language: str) -> OpenDocument:
        return self._keep(uri, version, Positions(text, self.encoding), language)

    def _keep(self, uri: str, version: int, positions: Positions, language: str) -> OpenDocument:
        document = Document(positions.text, language, keep_last_newline=self.keep_last_newline)
        self._open[uri] = OpenDocument(uri, version, document, positions)
        return self._open[uri]
