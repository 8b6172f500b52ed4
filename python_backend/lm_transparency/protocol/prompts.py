"""Which text of a document is the prompt. Answered at once: no model is needed for it. Offsets are in UTF-16 units."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..model.options import SpecialTokens


@dataclass(frozen=True)
class PromptAtParams:
    """The prompt of a document that is selected, or at the cursor (`start` = `end`).

    `text`: of a document that is not open over LSP; of one that is, the server has its own copy.
    """

    uri: str
    start: int
    end: int
    language_id: str = ""
    text: str = ""


@dataclass(frozen=True)
class PromptSettings:
    """What the front matter sets for the prompts of its file; null where it is silent.

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
    """`text` has \\n for every line end; `chat`: it is one, as `AnalyzeParams` takes it.

    `start`, `end`: the stretch of the document that the prompt is, which its settings and a chat in the front matter
    are outside of. `index`: its place among the document's prompts; -1 for a selection. Runs of the prompt that stand
    unchanged in the document, sorted both ways: from `piece_at` in the prompt, `piece_from` in the document, of
    `piece_length`. What lies between two pieces of the prompt stands there in other words (an escape), or not at all.
    """

    text: str
    chat: bool
    start: int
    end: int
    index: int
    piece_at: list[int]
    piece_from: list[int]
    piece_length: list[int]
    settings: PromptSettings


@dataclass(frozen=True)
class ListPromptsParams:
    """As in `PromptAtParams`; `cursor` -1: none."""

    uri: str
    language_id: str = ""
    text: str = ""
    cursor: int = -1


@dataclass(frozen=True)
class ListPromptsResult:
    """Every prompt of a document that has a text, as columns: where it stands and how it begins (100 characters).

    `active`: index of the one at the cursor, else -1.
    """

    start: list[int] = field(default_factory=list)
    end: list[int] = field(default_factory=list)
    preview: list[str] = field(default_factory=list)
    active: int = -1


@dataclass(frozen=True)
class SurprisalParams:
    """Of the prompt at `start`, as in `PromptAtParams`. It is computed by the loaded model when no request waits."""

    uri: str
    start: int = 0
    language_id: str = ""
    text: str = ""


@dataclass(frozen=True)
class SurprisalResult:
    """Stretches of the document in order, each of whole tokens, and how surprising they are to the model.

    `surprisal` in bits, -log2 of the probability given what comes before; -1 where nothing comes before. Tokens that
    share a character are one stretch, with the sum of their surprisals. One that stands in the document in several
    places (over a line end, or indentation) has an entry for each, with the same number.
    """

    model: str
    start: list[int]
    end: list[int]
    surprisal: list[float]
