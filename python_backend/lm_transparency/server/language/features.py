"""The language features of one connection, registered on its server.

An LSP feature never shows an error message: what is unknown is left out. Our own requests say what is wrong.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from lsprotocol import types as lsp
from pygls.capabilities import ServerCapabilitiesBuilder, get_capability

from ... import protocol
from ...errors import TransparencyError
from ...model.options import SpecialTokens
from ...prompts.documents import LANGUAGES
from ...protocol.models import ClientOptions, Health, ModelInfo
from ...protocol.prompts import ListPromptsParams, PromptAtParams, SurprisalParams
from ...protocol.wire import read, to_wire
from ...watch import Watch
from ..compute.backend import Asked, Backend
from ..compute.failures import as_reply, need_not_be_heard
from ..connection.rpc import AnsweringServer
from ..connection.writing import Written
from .borders import LEGEND, inlay_hints, semantic_tokens
from .commands import ANALYZE, LOAD_MODEL, draw, load
from .completion import complete
from .diagnostics import diagnose, notice, told
from .hover import hover
from .outline import COMMANDS, code_lenses, folding, symbols
from .reader import Reader
from .requests import list_prompts, prompt_at
from .store import OpenDocument, Store
from .surprisal import surprisal
from .view import View

if TYPE_CHECKING:
    from ...session.session import Session

T = TypeVar("T")
Handler = Callable[[Any], Awaitable[Any]]

logger = logging.getLogger(__name__)

#: Seconds without changes before a document is checked.
_REST = 0.3
_REFRESHES = {
    "workspace.semantic_tokens.refresh_support": lsp.WORKSPACE_SEMANTIC_TOKENS_REFRESH,
    "workspace.inlay_hint.refresh_support": lsp.WORKSPACE_INLAY_HINT_REFRESH,
}


class LanguageFeatures:
    """One client's open documents, and the answers about them."""

    def __init__(self, server: AnsweringServer, backend: Backend, reader: Reader) -> None:
        self._server = server
        self._backend = backend
        self._view = View(reader)
        self._store = Store(self._view.desk)
        server.protocol.on_lost = self._lost
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._loaded: list[ModelInfo] = []
        self._requests = 0
        self._load_first = False
        self._has_extension = False

    def register(self, answering: Callable[[Handler], Handler]) -> None:
        """`answering` turns a handler's failure into its reply."""
        feature = self._server.feature
        own: dict[str, Handler] = {
            protocol.PROMPT_AT: self._prompt_at,
            protocol.LIST_PROMPTS: self._list_prompts,
            protocol.SURPRISAL: self._surprisal,
        }
        for method, handle in own.items():
            feature(method)(answering(handle))
        notices: dict[str, Callable[[Any], None]] = {
            lsp.TEXT_DOCUMENT_DID_OPEN: self._opened,
            lsp.TEXT_DOCUMENT_DID_CHANGE: self._changed,
            lsp.TEXT_DOCUMENT_DID_CLOSE: self._closed,
            lsp.WORKSPACE_DID_CHANGE_CONFIGURATION: self._configured,
        }
        for method, heed in notices.items():
            feature(method)(_function(heed))
        asked: dict[str, Callable[[OpenDocument, Any], Awaitable[Any]]] = {
            lsp.TEXT_DOCUMENT_HOVER: self._hover,
            lsp.TEXT_DOCUMENT_INLAY_HINT: self._inlay_hints,
            lsp.TEXT_DOCUMENT_CODE_LENS: self._code_lenses,
            lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL: self._symbols,
            lsp.TEXT_DOCUMENT_FOLDING_RANGE: self._folding,
        }
        for method, answer in asked.items():
            feature(method)(self._of_open(answer))
        options = lsp.CompletionOptions(trigger_characters=[":", " "])
        feature(lsp.TEXT_DOCUMENT_COMPLETION, options)(self._of_open(self._complete))

    def meet(self, params: lsp.InitializeParams, options: ClientOptions) -> None:
        """Read the client's capabilities and options."""
        capabilities = params.capabilities
        self._store.encoding = ServerCapabilitiesBuilder.choose_position_encoding(capabilities)
        self._store.keep(options.keep_trailing_newline)
        self._view.options.model = options.model
        self._view.options.special_tokens = options.special_tokens
        self._load_first = options.load_model
        feature = self._server.feature
        if get_capability(capabilities, "text_document.semantic_tokens.requests.range"):
            # a client that can request a visible part is not sent all of a large file
            feature(lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_RANGE, LEGEND)(self._of_open(self._borders_within))
        else:
            feature(lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, LEGEND)(self._of_open(self._borders))
        self._has_extension = bool(options.client_id)
        if not self._has_extension:
            # the extension has its own commands, with progress and choices
            self._server.command(LOAD_MODEL)(_command(self._load_model))
            self._server.command(ANALYZE)(_command(self._analyze))

    def begin(self) -> None:
        """The client is ready: load the model if requested."""
        if self._load_first:
            self._load_first = False
            # the health reports a failure
            need_not_be_heard(asyncio.ensure_future(self._load_model()))

    def health_changed(self, health: Health) -> None:
        """Another model may read the same text differently."""
        if health.loaded == self._loaded:
            return
        self._loaded = health.loaded
        self._refresh()

    def leave(self) -> None:
        for task in self._looking.values():
            task.cancel()
        self._view.desk.close()

    # ---- our own requests

    async def _prompt_at(self, raw: Any) -> Written:
        params = read(PromptAtParams, raw)
        document = await self._store.read(params.uri, params.language_id, params.text)
        return await self._written(len(document.text), lambda: prompt_at(document, params))

    async def _list_prompts(self, raw: Any) -> Written:
        params = read(ListPromptsParams, raw)
        document = await self._store.read(params.uri, params.language_id, params.text)
        return await self._written(len(document.text), lambda: list_prompts(document, params))

    async def _surprisal(self, raw: Any) -> Written:
        params = read(SurprisalParams, raw)
        document = await self._store.read(params.uri, params.language_id, params.text)
        found = await surprisal(self._view, document, params)
        return await self._written(len(document.text), lambda: found)

    async def _written(self, size: int, answer: Callable[[], Any]) -> Written:
        """`answer()` about a document of `size` characters."""
        return await self._view.desk.run(size, lambda: self._server.protocol.written(to_wire(answer())))

    # ---- documents

    def _opened(self, params: lsp.DidOpenTextDocumentParams) -> None:
        self._store.opened(params)
        self._look_over(params.text_document.uri)

    def _changed(self, params: lsp.DidChangeTextDocumentParams) -> None:
        if self._store.changed(params):
            self._look_over(params.text_document.uri)

    def _closed(self, params: lsp.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        language = self._store.language(uri)
        self._store.closed(params)
        self._view.forget(uri)
        task = self._looking.pop(uri, None)
        if task is not None:
            task.cancel()
        if language in LANGUAGES:
            self._publish(uri, None, [])

    def _lost(self, uri: str) -> None:
        if uri:
            self._store.lose(uri)
            self._look_over(uri)

    def _configured(self, params: lsp.DidChangeConfigurationParams) -> None:
        given: Any = params.settings
        section: Any = given.get("lmTransparency") if isinstance(given, dict) else None
        if not isinstance(section, dict):
            return
        prompts: Any = section.get("prompts")
        keep = prompts.get("keepTrailingNewline") if isinstance(prompts, dict) else None
        if isinstance(keep, bool):
            self._store.keep(keep)
        if isinstance(section.get("model"), str):
            self._view.options.model = section["model"].strip()
        if section.get("specialTokens") in get_args(SpecialTokens):
            self._view.options.special_tokens = section["specialTokens"]
        self._refresh()

    def _refresh(self) -> None:
        for uri in self._store.uris():
            self._look_over(uri)
        for capability, method in _REFRESHES.items():
            self._ask_client(method, capability)

    def _look_over(self, uri: str) -> None:
        """Diagnostics once the document rests; for several versions the latest."""
        if self._store.language(uri) not in LANGUAGES:
            return
        before = self._looking.get(uri)
        if before is not None:
            before.cancel()
        task = self._looking[uri] = asyncio.ensure_future(self._diagnose(uri))
        need_not_be_heard(task)

    async def _diagnose(self, uri: str) -> None:
        await asyncio.sleep(_REST)
        try:
            document = await self._store.current(uri)
        except TransparencyError as error:
            self._publish(uri, None, [told(notice(error))])
            return
        if document is None:
            return
        try:
            found = await diagnose(self._view, document)
        except Exception as error:
            logger.warning("A document could not be looked over.", exc_info=error)
            return
        if self._store.is_current(document):
            self._publish(uri, document.version, found)

    def _publish(self, uri: str, version: int | None, found: list[lsp.Diagnostic]) -> None:
        params = lsp.PublishDiagnosticsParams(uri=uri, version=version, diagnostics=found)
        self._server.protocol.notify(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS, params)

    # ---- features

    def _of_open(self, answer: Callable[[OpenDocument, Any], Awaitable[Any]]) -> Handler:
        """The feature for open documents in our languages; null for others, and where it fails."""

        async def reply(params: Any) -> Any:
            try:
                document = await self._store.current(params.text_document.uri)
                if document is None or document.document.language not in LANGUAGES:
                    return None
                found = await answer(document, params)
                return await self._view.work(document, lambda: self._server.protocol.written(found))
            except asyncio.CancelledError:
                raise
            except TransparencyError:
                # the diagnostics report it
                return None
            except BaseException as error:
                # native code raises BaseException, too
                logger.warning("A language feature failed.", exc_info=error)
                return None

        return reply

    async def _hover(self, document: OpenDocument, params: lsp.HoverParams) -> lsp.Hover | None:
        offset = await self._view.work(document, lambda: document.positions.offset(params.position))
        return await hover(self._view, document, offset)

    async def _inlay_hints(self, document: OpenDocument, params: lsp.InlayHintParams) -> list[lsp.InlayHint]:
        start, end = await self._looked(document, params.range)
        return await inlay_hints(self._view, document, start, end)

    async def _borders(self, document: OpenDocument, _params: Any) -> lsp.SemanticTokens:
        return await semantic_tokens(self._view, document, 0, len(document.text))

    async def _borders_within(
        self, document: OpenDocument, params: lsp.SemanticTokensRangeParams
    ) -> lsp.SemanticTokens:
        start, end = await self._looked(document, params.range)
        return await semantic_tokens(self._view, document, start, end)

    async def _code_lenses(self, document: OpenDocument, _params: Any) -> list[lsp.CodeLens]:
        commands = COMMANDS if self._has_extension else COMMANDS[:1]
        return await self._view.work(document, lambda: code_lenses(self._view, document, commands))

    async def _symbols(self, document: OpenDocument, _params: Any) -> list[lsp.DocumentSymbol]:
        return await self._view.work(document, lambda: symbols(self._view, document))

    async def _folding(self, document: OpenDocument, _params: Any) -> list[lsp.FoldingRange]:
        return await self._view.work(document, lambda: folding(document))

    async def _complete(self, document: OpenDocument, params: lsp.CompletionParams) -> list[lsp.CompletionItem]:
        return await complete(self._view, document, params.position)

    async def _looked(self, document: OpenDocument, place: lsp.Range) -> tuple[int, int]:
        """The part that the client shows, in characters."""

        def look() -> tuple[int, int, bool]:
            start, end = document.positions.offsets(place)
            return start, end, self._view.look(document, start, end)

        start, end, is_news = await self._view.work(document, look)
        if is_news:
            self._ask_client(lsp.WORKSPACE_CODE_LENS_REFRESH, "workspace.code_lens.refresh_support")
        return start, end

    def _ask_client(self, method: str, capability: str, params: Any = None) -> bool:
        """Whether the client supports a request."""
        if not get_capability(self._server.client_capabilities, capability):
            return False
        self._requests += 1
        self._server.protocol.ask(f"ask-{self._requests}", method, params)
        return True

    async def _load_model(self, *arguments: Any) -> str:
        """Load the named model, else the client's default; returns its name."""
        source = arguments[0] if arguments and isinstance(arguments[0], str) else self._view.options.model
        watch = Watch()
        return (await self._run(load(source, watch), watch, "Loading the model")).name

    async def _analyze(self, *arguments: Any) -> str:
        """Draw the routes of the prompt at `{uri, start}` as a page, and have it shown; returns its uri."""
        place: Any = arguments[0] if arguments else None
        params = read(PromptAtParams, {"end": 0, **place} if isinstance(place, dict) else place)
        document = await self._store.current(params.uri)
        if document is None:
            raise TransparencyError("invalidParams", f"{params.uri} is not open.", "Open it, then analyze its prompts.")
        text = document.document
        start = max(0, params.start)
        prompt = await self._view.work(document, lambda: text.prompt(text.at(text.units.to_characters(start))))
        watch = Watch()
        title = params.uri.rpartition("/")[2]
        job = draw(self._view.text(text, prompt), text.settings, title, watch)
        page = (await self._run(job, watch, "Analyzing")).as_uri()
        shown = {"uri": page, "external": True}
        if not self._ask_client(lsp.WINDOW_SHOW_DOCUMENT, "window.show_document.support", shown):
            said = lsp.ShowMessageParams(lsp.MessageType.Info, f"The routes are drawn in {page}")
            self._server.protocol.notify(lsp.WINDOW_SHOW_MESSAGE, said)
        return page

    async def _run(self, job: Callable[[Session], T], watch: Watch, doing: str) -> T:
        return await self._backend.run(job, watch, doing, Asked(self._server.protocol))


def _function(notice: Callable[[Any], None]) -> Callable[[Any], None]:
    # pygls sets attributes on the function it is given, which a method does not allow
    def noted(params: Any) -> None:
        notice(params)

    return noted


def _command(run: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def command(*arguments: Any) -> Any:
        try:
            return await run(*arguments)
        except BaseException as error:
            raise as_reply(error) from None

    return command
