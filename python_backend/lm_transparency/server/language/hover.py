"""The hover of a token: its facts, its surprisal, and the tokens that the model expected there."""

from __future__ import annotations

import asyncio
import math
import unicodedata

from lsprotocol.types import Hover, MarkupContent, MarkupKind
from pygls.exceptions import JsonRpcException

from ...model.tokens import visible
from ...printable import markdown_code, markdown_text
from ...prompts.front_matter import KEYS
from ...prompts.spans import span_at
from ..compute.failures import need_not_be_heard
from .store import OpenDocument
from .view import Shown, View

#: Seconds that a hover waits for the model.
_PATIENCE = 10.0
_HOW = "Its surprisal and the tokens expected here appear once the model is loaded: analyze a prompt."


async def hover(view: View, document: OpenDocument, offset: int) -> Hover | None:
    front = await view.work(document, lambda: document.document.front)
    if front is not None and offset < front.end:
        return _of_key(document, offset)
    stretch = await view.work(document, lambda: document.document.at(offset))
    if not stretch.start <= offset < stretch.end:
        return None
    shown = await view.show(document, stretch)
    at = None if shown is None else shown.prompt.from_document(offset)
    span = None if shown is None or at is None else await view.work(document, lambda: span_at(shown.tokens.spans, at))
    if shown is None or span is None:
        return None
    stands = shown.prompt.stretches(span.start, span.end)
    if not stands or not any(start <= offset < end for start, end in stands):
        return None
    words = await _words(view, shown, span.tokens)
    shown_range = document.positions.range(stands[0][0], stands[-1][1])
    return Hover(MarkupContent(MarkupKind.Markdown, words), shown_range)


def _of_key(document: OpenDocument, offset: int) -> Hover | None:
    front = document.document.front
    assert front is not None
    for name, (start, end) in front.keys.items():
        if start <= offset < end:
            value = MarkupContent(MarkupKind.Markdown, f"**{name}**\n\n{KEYS[name]}")
            return Hover(value, document.positions.range(start, end))
    return None


async def _words(view: View, shown: Shown, positions: tuple[int, ...]) -> str:
    tokens, count = shown.tokens.tokens, len(shown.tokens.tokens)
    lines: list[str] = []
    if len(positions) > 1:
        lines += [f"One character, shared by {len(positions)} tokens.", ""]
    reading = None
    reason = _HOW
    if view.reader.loaded(shown.text.model) is not None:
        asked = asyncio.ensure_future(view.reader.reading(shown.text))
        try:
            reading = await asyncio.wait_for(asyncio.shield(asked), _PATIENCE)
        except asyncio.TimeoutError:
            need_not_be_heard(asked)
            reason = "The model is busy; the tokens it expected here appear when it is free."
        except JsonRpcException as error:
            reason = markdown_text(error.message)
    for position in positions:
        token = tokens[position]
        lines += [f"**{markdown_code(visible(token.text))}** · id {token.id} · token {position + 1} of {count:,}", ""]
        if codes := _codes(token.text):
            lines += [codes, ""]
        if reading is None:
            continue
        bits = float(reading.surprisal[position])
        if math.isnan(bits):
            lines += ["Nothing comes before it, so nothing was expected.", ""]
            continue
        lines += [f"Surprisal **{bits:.2f} bits** (probability {_per_cent(2**-bits)})", "", "Expected here:", ""]
        names = await view.reader.expected(shown.tokens, reading.expected[position].tolist())
        chances = reading.probabilities[position].tolist()
        lines += [f"1. {markdown_code(visible(n))} {_per_cent(p)}" for n, p in zip(names, chances, strict=True)]
        lines.append("")
    if reading is None:
        lines.append(reason)
    lines.append(f"*{markdown_text(shown.tokens.vocabulary.name)}*")
    return "\n".join(lines)


def _per_cent(chance: float) -> str:
    return f"{100 * chance:.1f} %" if chance >= 0.001 else f"{100 * chance:.1e} %"


def _codes(text: str) -> str:
    """The code points of a text with invisible characters."""
    unseen = any(unicodedata.category(c)[0] in "MCZ" for c in text if c not in " \n\t")
    return " ".join(f"U+{ord(c):04X}" for c in text[:12]) if unseen else ""
