"""The prompts of a document. Answered at once, because no model is needed. Offsets are in UTF-16 units."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..model.options import SpecialTokens


@dataclass(frozen=True)
class PromptAtParams:
    """The selected prompt of a document, or the prompt at the cursor (`start` = `end`).

    `text`: the text of a document that is not open over LSP. The server has its own copy of open documents.
    """

    uri: str
    start: int
    end: int
    language_id: str = ""
    text: str = ""


@dataclass(frozen=True)
class PromptSettings:
    """The settings in front matter, for all prompts of the file; null where not set.

    `target`, `contrast`: texts of tokens.
    """

    model: str | None = None
    special_tokens: SpecialTokens | None = None
    target: str | None = None
    contrast: str | None = None
    threshold: float | None = None
    renormalize: bool | None = None


@dataclass(frozen=True)
class PromptAtResult:
    """`text` has \\n for every line end. `chat`: the text is a chat, as in `AnalyzeParams`.

    `start`, `end`: the prompt's range in the document, without its settings and without a chat in the front matter.
    `piece_at`, `piece_from`, `piece_length`: the pieces of the prompt that are unchanged in the document, by their
    offset in the prompt, their offset in the document and their length; both offsets ascend. Text between two pieces is
    written differently in the document (an escape), or not there at all.
    """

    text: str
    chat: bool
    start: int
    end: int
    piece_at: list[int]
    piece_from: list[int]
    piece_length: list[int]
    settings: PromptSettings


@dataclass(frozen=True)
class ListPromptsParams:
    """Fields as in `PromptAtParams`. `cursor`: an offset, None where there is no cursor."""

    uri: str
    language_id: str = ""
    text: str = ""
    cursor: int | None = None


@dataclass(frozen=True)
class ListPromptsResult:
    """Every prompt of a document that is not empty, as columns: its range and its first 100 characters.

    `active`: index of the prompt at the cursor; None where no listed prompt is there.
    """

    start: list[int] = field(default_factory=list)
    end: list[int] = field(default_factory=list)
    preview: list[str] = field(default_factory=list)
    active: int | None = None


@dataclass(frozen=True)
class SurprisalParams:
    """The prompt at `start`, as in `PromptAtParams`. The loaded model computes surprisal when no request waits."""

    uri: str
    start: int = 0
    language_id: str = ""
    text: str = ""


@dataclass(frozen=True)
class SurprisalResult:
    """Ranges of the document in order, each of whole tokens, and their surprisal.

    `surprisal`: bits, -log2 of the probability given the text before; None where there is no text before. Tokens
    that share a character are one range, with the sum of their surprisals. A range that the document interrupts (by a
    line end or indentation) has one entry for each piece, all with the same number.
    """

    model: str
    start: list[int]
    end: list[int]
    surprisal: list[float | None]
