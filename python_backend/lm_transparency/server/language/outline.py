"""The structure of a document: code lenses over prompts, document symbols, folding."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol.types import CodeLens, Command, DocumentSymbol, FoldingRange, FoldingRangeKind, Range, SymbolKind

from ...prompts.documents import JSONL, LINES
from ...prompts.pace import steps
from .store import OpenDocument
from .view import MANY, View

#: Titles and commands for a prompt, each with the prompt's `{uri, start}` as its argument.
COMMANDS = (("Analyze", "lmTransparency.analyzePrompt"), ("Compare", "lmTransparency.comparePrompt"))
#: Prompts, or lines, in one group of the outline of a file with many; more where there would be too many groups.
_GROUP = 500
_MOST_GROUPS = 1_000
#: Folding ranges of one document; VS Code uses no more.
_MOST_FOLDS = 5_000


def code_lenses(view: View, document: OpenDocument, commands: Sequence[tuple[str, str]]) -> list[CodeLens]:
    """`commands` over each prompt; in a file with many, around the visible part."""
    lenses: list[CodeLens] = []
    for stretch in steps(view.near(document)):
        start = document.document.first(stretch)
        at = document.positions.position(start)
        place = {"uri": document.uri, "start": document.document.units.to_units(start)}
        for title, command in commands:
            lenses.append(CodeLens(Range(at, at), Command(title, command, arguments=[place])))
    return lenses


def symbols(view: View, document: OpenDocument) -> list[DocumentSymbol]:
    """The front matter and each prompt; in a file with many, groups with prompts in the visible ones."""
    found: list[DocumentSymbol] = []
    front = document.document.front
    if front is not None:
        found.append(_symbol(document, "Front matter", SymbolKind.Namespace, front.start, front.end))
    if not document.document.has_more_than(MANY):
        return found + [_prompt(document, i) for i in steps(range(len(document.document.stretches)))]
    return found + _groups(view, document)


def _groups(view: View, document: OpenDocument) -> list[DocumentSymbol]:
    text, near = document.document, view.near_offsets(document)
    groups: list[DocumentSymbol] = []
    by_line = text.language in (LINES, JSONL)
    count = len(text.lines) if by_line else len(text.stretches)
    size = max(_GROUP, -(-count // _MOST_GROUPS))
    for first in steps(range(0, count, size), 0):
        last = min(first + size, count) - 1
        if by_line:
            start, end = text.lines.start(first), text.lines.end(last)
        else:
            start, end = text.stretches[first].start, text.stretches[last].end
        name = f"{'Lines' if by_line else 'Prompts'} {first + 1}–{last + 1}"
        group = _symbol(document, name, SymbolKind.Namespace, start, end)
        if start <= near[1] and end >= near[0]:
            inside = (start, end) if size == _GROUP else (max(start, near[0]), min(end, near[1]))
            group.children = [
                _symbol(document, text.preview(s), SymbolKind.String, s.start, s.end) for s in text.within(*inside)
            ]
        groups.append(group)
    return groups


def _prompt(document: OpenDocument, index: int) -> DocumentSymbol:
    stretch = document.document.stretches[index]
    return _symbol(document, document.document.preview(stretch), SymbolKind.String, stretch.start, stretch.end)


def _symbol(document: OpenDocument, name: str, kind: SymbolKind, start: int, end: int) -> DocumentSymbol:
    place = document.positions.range(start, end)
    return DocumentSymbol(name=name or "…", kind=kind, range=place, selection_range=Range(place.start, place.start))


def folding(document: OpenDocument) -> list[FoldingRange]:
    """The front matter, and prompts of several lines."""
    text = document.document
    ranges: list[FoldingRange] = []
    if text.front is not None:
        last = document.positions.position(text.front.end).line
        ranges.append(FoldingRange(start_line=0, end_line=last, kind=FoldingRangeKind.Comment))
    if text.language in (LINES, JSONL):
        return ranges
    for stretch in steps(text.stretches):
        if len(ranges) == _MOST_FOLDS:
            break
        place = document.positions.range(stretch.start, stretch.end)
        if place.end.line > place.start.line:
            ranges.append(FoldingRange(start_line=place.start.line, end_line=place.end.line))
    return ranges
