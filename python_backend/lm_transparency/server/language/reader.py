"""Tokenizers' and models' facts about a text, for editors: computed off the event loop, cached, never in the way.

One per process. Borders and counts need only a tokenizer; expected tokens need the model loaded.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ...errors import TransparencyError
from ...model import embedded
from ...model.chat import encode_chat, parse_chat
from ...model.naming import entry_named
from ...model.options import SpecialTokens
from ...model.tokenizers import load_tokenizer, tokenizer_folder, tokenizer_state
from ...model.tokens import Token, encode, encode_text
from ...model.vocabulary import vocabulary_text
from ...prompts.once import once
from ...prompts.spans import Span, spans_of
from ..compute.failures import need_not_be_heard
from .fair import FairThread
from .specials import Specials

if TYPE_CHECKING:
    from ...inspection.surprisal import Reading
    from ...protocol.models import ModelInfo
    from ...session.session import Session
    from ...watch import Watch
    from ..compute.backend import Backend

logger = logging.getLogger(__name__)
K = TypeVar("K")
V = TypeVar("V")

#: The most characters of a prompt whose tokens are shown while it is edited; no editor shows more in time.
LONGEST = 200_000
#: How many tokens, how many with surprisal, and how many tokenizers are kept.
_KEPT_TOKENS = 300_000
_KEPT_READINGS = 50_000
_KEPT_TOKENIZERS = 4
#: Characters that take the memory of one token: a tokenizer may make a single token of a long text.
_CHARACTERS = 32
#: Seconds between two checks of a model's files, and how many models are checked.
_LOOK_S = 2.0
_KEPT_STATES = 64
#: Seconds until files that were refused, and have not changed, are tried again.
_REFUSED_S = 60.0


@dataclass(frozen=True)
class Text:
    """A text as a model is to read it."""

    model: str
    text: str
    chat: bool
    special_tokens: SpecialTokens


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer used by one thread. `name`: of the model; `n_context`: tokens that it reads, or 0."""

    name: str
    tokenizer: Any
    n_context: int

    @once
    def specials(self) -> Specials:
        """Texts that the tokenizer reads as one special token wherever they stand."""
        added = getattr(self.tokenizer, "added_tokens_decoder", {}).values()
        return Specials([*self.tokenizer.all_special_tokens, *(str(token) for token in added if token.special)])

    def id_of(self, special: str) -> int:
        return int(self.tokenizer.convert_tokens_to_ids(special))

    def pieces(self, text: str) -> list[str]:
        """The one token that `text` names (`model.naming`), else how it splits into tokens."""
        try:
            meant = entry_named(self.tokenizer, text, len(self.tokenizer), self.name)
        except TransparencyError:
            pass
        else:
            return [vocabulary_text(self.tokenizer, meant.id)]
        return [token.text for token in encode_text(self.tokenizer, text, add_special_tokens=False)]


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of a text, and their places in it."""

    vocabulary: Vocabulary
    tokens: tuple[Token, ...]

    @once
    def spans(self) -> list[Span]:
        return spans_of(self.tokens)


@dataclass
class _State:
    """The state of a model's files (`tokenizer_state`), when it was read, and when its tokenizer was last refused."""

    files: str = ""
    looked: float = float("-inf")
    refused: float = float("-inf")


class Reader:
    """Used from one event loop."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._thread = FairThread("tokens")
        self._vocabularies: OrderedDict[str, asyncio.Future[Vocabulary | None]] = OrderedDict()
        self._tokens: _Kept[Text, Tokens] = _Kept(_KEPT_TOKENS)
        self._running: dict[tuple[Text, str], tuple[asyncio.Task[Reading | None], int]] = {}
        self._readings: _Kept[tuple[Text, str], Reading] = _Kept(_KEPT_READINGS)
        self._states: OrderedDict[str, _State] = OrderedDict()

    def loaded(self, model: str) -> ModelInfo | None:
        """See `Backend.loaded`."""
        return self._backend.loaded(model)

    def meant(self, named: str | None, preferred: str) -> str:
        """The model that a text is read with: the one named in its file, else the loaded one, else `preferred`."""
        loaded = self._backend.health.loaded
        return named if named is not None else loaded[0].source if loaded else preferred

    async def vocabulary(self, model: str) -> Vocabulary | None:
        """The tokenizer of `model`, read without its weights; None where it is not on this machine."""
        await self._forget_if_changed(model)
        kept = self._vocabularies.get(model)
        if kept is None or (kept.done() and _came_to_nothing(kept) and not self._is_refused(model)):
            kept = self._vocabularies[model] = asyncio.ensure_future(self._read_vocabulary(model))
            need_not_be_heard(kept)
            while len(self._vocabularies) > _KEPT_TOKENIZERS:
                self._vocabularies.popitem(last=False)
        self._vocabularies.move_to_end(model)
        return await asyncio.shield(kept)

    async def tokens(self, text: Text, longest: int = LONGEST, asked_by: Hashable = None) -> Tokens | None:
        """The tokens of `text`; None without a tokenizer, for one that is too long, and for one that is refused."""
        await self._forget_if_changed(text.model)
        found = self._tokens.get(text)
        if found is not None or len(text.text) > longest:
            return found
        vocabulary = await self.vocabulary(text.model)
        if vocabulary is None:
            return None
        try:
            tokens = await self._thread.run(asked_by, lambda: _encoded(vocabulary, text))
        except TransparencyError:
            return None
        found = Tokens(vocabulary, tuple(tokens))
        if (size := _size(text, len(tokens))) <= _KEPT_TOKENS:
            self._tokens.put(text, found, size)
        return found

    async def apply(self, model: str, work: Any, asked_by: Hashable = None) -> Any:
        """`work(vocabulary)` on the tokenizer's thread; None without one."""
        vocabulary = await self.vocabulary(model)
        if vocabulary is None:
            return None
        return await self._thread.run(asked_by, lambda: work(vocabulary))

    async def reading(self, text: Text) -> Reading | None:
        """The tokens that the loaded model expects at each token; None where `text.model` is not loaded.

        Computed when no request waits. Raises the reply for a failure.
        """
        info = self.loaded(text.model)
        if info is None:
            return None
        key = (text, f"{info.dtype} {info.device}")
        found = self._readings.get(key)
        if found is None:
            found = await self._shared(key, info.source)
            if found is not None:
                self._readings.put(key, found, _size(text, len(found.surprisal)))
        return found

    async def _shared(self, key: tuple[Text, str], source: str) -> Reading | None:
        """Requested by several, it is computed once, and cancelled when the last of them no longer waits."""
        task, waiting = self._running.get(key) or (None, 0)
        if task is None:
            job = self._backend.run_spare(lambda session, watch: _read(session, source, key[0], watch))
            task, waiting = asyncio.ensure_future(job), 0
        self._running[key] = task, waiting + 1
        try:
            return await asyncio.shield(task)
        finally:
            task, waiting = self._running[key]
            self._running[key] = task, waiting - 1
            if waiting == 1:
                task.cancel()
                del self._running[key]

    async def expected(self, tokens: Tokens, ids: list[int]) -> list[str]:
        """The readable texts of vocabulary entries."""
        tokenizer = tokens.vocabulary.tokenizer
        return await self._thread.run(tokens, lambda: [vocabulary_text(tokenizer, i) for i in ids])

    async def _forget_if_changed(self, model: str) -> None:
        """Let go of what was read of a model whose files were written to since; looked at every few seconds."""
        now = time.monotonic()
        known = self._states.setdefault(model, _State())
        self._states.move_to_end(model)
        while len(self._states) > _KEPT_STATES:
            self._states.popitem(last=False)
        if now < known.looked + _LOOK_S:
            return
        # nobody looks meanwhile
        known.looked = now
        # a folder that a file names may be large, or far away
        before, known.files = known.files, await asyncio.to_thread(tokenizer_state, model)
        if known.files != before:
            known.refused = float("-inf")
        if before and known.files and known.files != before:
            logger.info("The files of %s have changed; its tokenizer is read again.", model)
            self._vocabularies.pop(model, None)
            self._tokens.drop(lambda text: text.model == model)
            self._readings.drop(lambda key: key[0].model == model)

    def _is_refused(self, model: str) -> bool:
        """Whether the files of `model` were tried not long ago, in vain: a hostile one takes seconds of all clients."""
        known = self._states.get(model)
        return known is not None and known.files != "" and time.monotonic() < known.refused + _REFUSED_S

    async def _read_vocabulary(self, model: str) -> Vocabulary | None:
        # the backend imports transformers' needs once
        await asyncio.shield(self._backend.start())
        info = self.loaded(model)
        found = await self._thread.run(model, lambda: _from_disk(model))
        if found is None and model in self._states:
            self._states[model].refused = time.monotonic()
        if found is None and info is not None:
            # a GGUF file's tokenizer, for example, is in the model only
            found = await self._backend.run_spare(lambda session, _watch: _from_model(session, info.source))
        return found


class _Kept(Generic[K, V]):
    """The latest entries, up to a total size."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def drop(self, gone: Callable[[K], bool]) -> None:
        for key in [key for key in self._kept if gone(key)]:
            self._size -= self._kept.pop(key)[1]

    def put(self, key: K, value: V, size: int) -> None:
        self._size += size - self._kept.pop(key, (None, 0))[1]
        self._kept[key] = (value, size)
        while self._size > self._most and len(self._kept) > 1:
            self._size -= self._kept.popitem(last=False)[1][1]


def _size(text: Text, n_tokens: int) -> int:
    """The memory that a text takes here, in tokens."""
    return n_tokens + len(text.text) // _CHARACTERS


def _came_to_nothing(kept: asyncio.Future[Vocabulary | None]) -> bool:
    # a model may have arrived on this machine meanwhile
    return kept.cancelled() or kept.exception() is not None or kept.result() is None


def _from_disk(model: str) -> Vocabulary | None:
    folder = tokenizer_folder(model)
    if folder is None:
        return None
    try:
        tokenizer, n_context = load_tokenizer(folder)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        # native code raises BaseException, too; loading reports problems of a folder
        logger.info("The tokenizer in %s cannot be read: %s", folder, str(error).splitlines()[:1])
        return None
    return Vocabulary(model or embedded.NAME, tokenizer, n_context)


def _from_model(session: Session, source: str) -> Vocabulary | None:
    import copy

    model = session.current(source)
    if model is None:
        return None
    return Vocabulary(model.name, copy.deepcopy(model.tokenizer), model.anatomy.n_context)


def _encoded(vocabulary: Vocabulary, text: Text) -> list[Token]:
    if text.chat:
        return encode_chat(vocabulary.tokenizer, parse_chat(text.text))
    return encode(vocabulary.tokenizer, text.text, text.special_tokens)


def _read(session: Session, source: str, text: Text, watch: Watch) -> Reading | None:
    from ...analysis.making import tokens_of
    from ...inspection.surprisal import read_text

    model = session.current(source)
    if model is None:
        return None
    tokens = tokens_of(model, parse_chat(text.text) if text.chat else text.text, text.special_tokens)
    return read_text(model, tokens, watch=watch)
