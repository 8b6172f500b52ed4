"""An editor without our extension: pytest-lsp's client, in plain LSP, with the process that editors start."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lsprotocol import types as lsp
from pygls.protocol import default_converter
from pytest_lsp import ClientServerConfig, LanguageClient, LanguageClientProtocol
from pytest_lsp.client import DEFAULT_CLIENT_FEATURES, register_lsp_features

PATIENCE = 60.0
T = TypeVar("T")


class StandardProtocol(LanguageClientProtocol):
    """Sends only messages that LSP defines."""

    async def send_request_async(self, method: str, params: Any = None, msg_id: Any = None) -> Any:
        assert method in lsp.METHOD_TO_TYPES, method
        return await super().send_request_async(method, params, msg_id)


class Editor(LanguageClient):
    """pytest-lsp's client, which also keeps the document version of each notification."""

    def __init__(self) -> None:
        super().__init__(converter_factory=default_converter, protocol_cls=StandardProtocol)
        self.legend: Sequence[str] = ()
        self.published: list[lsp.PublishDiagnosticsParams] = []
        self.refreshed: list[str] = []

        def keep(params: lsp.PublishDiagnosticsParams) -> None:
            self.published.append(params)

        def look_again(method: str) -> Callable[[None], None]:
            return lambda _: self.refreshed.append(method)

        refreshes = (lsp.WORKSPACE_SEMANTIC_TOKENS_REFRESH, lsp.WORKSPACE_INLAY_HINT_REFRESH)
        own = {lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS: keep, **{name: look_again(name) for name in refreshes}}
        register_lsp_features(self, {**DEFAULT_CLIENT_FEATURES, **own})

    async def introduce(self, capabilities: lsp.ClientCapabilities, **options: Any) -> lsp.ServerCapabilities:
        """`initialize` with these capabilities and initializationOptions. Returns the server's capabilities."""
        params = lsp.InitializeParams(capabilities=capabilities, initialization_options=options or None)
        found = (await self.initialize_session(params)).capabilities
        assert found.semantic_tokens_provider is not None
        self.legend = found.semantic_tokens_provider.legend.token_types
        return found

    def open(self, name: str, text: str, language: str = "lm-prompt") -> Document:
        document = Document(self, f"file:///work/{name}")
        item = lsp.TextDocumentItem(document.uri, language, document.version, text)
        self.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
        return document

    async def command(self, name: str, *arguments: Any) -> Any:
        params = lsp.ExecuteCommandParams(name, arguments=list(arguments))
        return await self.workspace_execute_command_async(params)

    async def until(self, happened: Callable[[], T]) -> T:
        """The result of `happened`, once it is truthy."""
        end = time.monotonic() + PATIENCE
        while not (found := happened()):
            assert time.monotonic() < end, "nothing came that was waited for"
            await asyncio.sleep(0.01)
        return found


@dataclass
class Document:
    """An open document, and the server's answers on it. Places are shown as line:character-line:character."""

    editor: Editor
    uri: str
    version: int = 1

    @property
    def name(self) -> lsp.TextDocumentIdentifier:
        return lsp.TextDocumentIdentifier(self.uri)

    def change(self, text: str, line: int, start: int, end: int) -> None:
        self.version += 1
        place = lsp.Range(lsp.Position(line, start), lsp.Position(line, end))
        edit = lsp.TextDocumentContentChangePartial(place, text)
        versioned = lsp.VersionedTextDocumentIdentifier(self.version, self.uri)
        self.editor.text_document_did_change(lsp.DidChangeTextDocumentParams(versioned, [edit]))

    def close(self) -> None:
        self.editor.text_document_did_close(lsp.DidCloseTextDocumentParams(self.name))

    async def diagnostics(self) -> list[tuple[str, int, str, str]]:
        """(where, severity, code, message) of each diagnostic of the latest version."""
        found = await self.editor.until(lambda: [p for p in self.told() if p.version == self.version])
        return [(str(d.range), int(d.severity or 0), str(d.code), str(d.message)) for d in found[0].diagnostics]

    def told(self) -> list[lsp.PublishDiagnosticsParams]:
        """Each set of diagnostics received, of any version."""
        return [params for params in self.editor.published if params.uri == self.uri]

    async def hover(self, line: int, character: int) -> tuple[str, str] | None:
        """The hover as (where, Markdown)."""
        params = lsp.HoverParams(self.name, lsp.Position(line, character))
        found = await self.editor.text_document_hover_async(params)
        if found is None:
            return None
        assert isinstance(found.contents, lsp.MarkupContent) and found.contents.kind == lsp.MarkupKind.Markdown
        return str(found.range), found.contents.value

    async def borders(self) -> list[tuple[int, int, int, str]]:
        """(line, character, length, type) of each semantic token."""
        params = lsp.SemanticTokensParams(self.name)
        found = await self.editor.text_document_semantic_tokens_full_async(params)
        assert found is not None
        line, character, tokens = 0, 0, []
        for down, right, length, kind, _ in zip(*[iter(found.data)] * 5, strict=True):
            line, character = line + down, right + (0 if down else character)
            tokens.append((line, character, length, self.editor.legend[kind]))
        return tokens

    async def hints(self, first: int = 0, last: int = 10_000) -> list[tuple[str, str]]:
        """(where, label) of each inlay hint in lines `first` to `last`."""
        params = lsp.InlayHintParams(self.name, lsp.Range(lsp.Position(first, 0), lsp.Position(last, 0)))
        found = await self.editor.text_document_inlay_hint_async(params)
        return [(str(hint.position), str(hint.label)) for hint in found or []]

    async def lenses(self) -> list[tuple[int, lsp.Command]]:
        """(line, command) of each code lens."""
        found = await self.editor.text_document_code_lens_async(lsp.CodeLensParams(self.name)) or []
        return [(lens.range.start.line, lens.command) for lens in found if lens.command is not None]

    async def symbols(self) -> list[lsp.DocumentSymbol]:
        params = lsp.DocumentSymbolParams(self.name)
        found = await self.editor.text_document_document_symbol_async(params) or []
        return [symbol for symbol in found if isinstance(symbol, lsp.DocumentSymbol)]

    async def folds(self) -> list[tuple[int, int]]:
        """(first line, last line) of each fold."""
        found = await self.editor.text_document_folding_range_async(lsp.FoldingRangeParams(self.name)) or []
        return [(fold.start_line, fold.end_line) for fold in found]

    async def completions(self, line: int, character: int) -> list[str]:
        """The labels of completions."""
        params = lsp.CompletionParams(self.name, lsp.Position(line, character))
        found = await self.editor.text_document_completion_async(params) or []
        return [item.label for item in (found.items if isinstance(found, lsp.CompletionList) else found)]


CONFIG = ClientServerConfig(
    # docs/editors.md names this command
    server_command=[sys.executable, "-m", "lm_transparency.server"],
    # one thread: parallel servers on few cores would wait for each other's threads
    server_env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    client_factory=Editor,
)
