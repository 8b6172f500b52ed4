"""Token borders as semantic tokens, and counts as inlay hints."""

from __future__ import annotations

from functools import partial

from lsprotocol.types import InlayHint, InlayHintKind, SemanticTokens, SemanticTokensLegend

from ...printable import terminal
from ...prompts.pace import steps
from ...wording import short_model
from .store import OpenDocument
from .view import Shown, View, affordable

#: Alternating token types, so that neighbours differ, and one for characters that several tokens share.
LEGEND = SemanticTokensLegend(token_types=["lmTokenEven", "lmTokenOdd", "lmTokenShared"], token_modifiers=[])
_SHARED = 2
#: Bits of a line, of a column and of a length.
_BITS = 32
_MASK = (1 << _BITS) - 1
#: The share of the context from which the label shows it; the tooltip has the number.
_WORTH_TELLING = 0.1


async def semantic_tokens(view: View, document: OpenDocument, start: int, end: int) -> SemanticTokens:
    """The token borders from `start` to `end`; where a client requests all of a file with many prompts, of the first
    ones.
    """
    rows: list[int] = []
    for stretch in await view.work(document, lambda: affordable(document.document.each(start, end))):
        shown = await view.show(document, stretch)
        if shown is not None:
            rows += await view.work(document, partial(_rows, shown, start, end))
    return await view.work(document, lambda: _encoded(rows))


def _encoded(rows: list[int]) -> SemanticTokens:
    data: list[int] = []
    line = column = 0
    for row in steps(sorted(rows)):
        at, character, length, kind = (row >> bits & _MASK for bits in (3 * _BITS, 2 * _BITS, _BITS, 0))
        data += [at - line, character - (column if at == line else 0), length, kind, 0]
        line, column = at, character
    return SemanticTokens(data=data)


def _rows(shown: Shown, start: int, end: int) -> list[int]:
    """Line, column, length and kind of each border, in one number: the collector visits no numbers."""
    positions = shown.open.positions
    rows: list[int] = []
    for index, span, stretches in steps(shown.spans(start, end)):
        kind = _SHARED if span.shared else index % 2
        # a token may cross a line's end, which the client need not support
        for piece in [p for s in stretches for p in positions.lines(*s)]:
            if piece[0] < shown.stretch.start:
                # the front matter's chat belongs to every prompt
                continue
            at, until = positions.position(piece[0]), positions.position(piece[1])
            length = until.character - at.character
            rows.append(((at.line << _BITS | at.character) << 2 * _BITS) | length << _BITS | kind)
    return rows


async def inlay_hints(view: View, document: OpenDocument, start: int, end: int) -> list[InlayHint]:
    """The token count of each prompt for a model, with its share of the context where that is large."""
    hints: list[InlayHint] = []
    for stretch in await view.work(document, lambda: affordable(document.document.each(start, end))):
        shown = await view.show(document, stretch)
        if shown is not None and start <= stretch.end <= end:
            hints.append(await view.work(document, partial(_hint, shown)))
    return hints


def _hint(shown: Shown) -> InlayHint:
    count, vocabulary = len(shown.tokens.tokens), shown.tokens.vocabulary
    tokens = "1 token" if count == 1 else f"{count:,} tokens"
    share = count / vocabulary.n_context if vocabulary.n_context else 0.0
    # far from the end of the context it is of no interest
    near = f" · {100 * share:.0f} %" if share >= _WORTH_TELLING else ""
    of = f" of the {vocabulary.n_context:,} that it reads" if vocabulary.n_context else ""
    return InlayHint(
        position=shown.open.positions.position(shown.stretch.end),
        # another model may split the same text into other tokens
        label=f"{tokens} · {short_model(terminal(vocabulary.name))}{near}",
        kind=InlayHintKind.Type,
        tooltip=f"{tokens} for {vocabulary.name}{of}.",
        padding_left=True,
    )
