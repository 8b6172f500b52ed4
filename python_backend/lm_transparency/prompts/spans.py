"""The places of tokens in a prompt: each character belongs to one span, and a span to one token or several."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ..model.tokens import Token


class Span(NamedTuple):
    """Characters `start` to `end` of the prompt, and the positions of the tokens that hold them.

    Several tokens share a span where the tokenizer splits one character: an emoji over three tokens.
    """

    start: int
    end: int
    tokens: tuple[int, ...]

    @property
    def shared(self) -> bool:
        return len(self.tokens) > 1


def spans_of(tokens: Sequence[Token]) -> list[Span]:
    """The spans of the text in `tokens`, in order and without gaps; tokens that were added to it have none."""
    edges: dict[int, tuple[list[int], list[int]]] = {}
    for at, token in enumerate(tokens):
        if token.start < token.end:
            edges.setdefault(token.start, ([], []))[0].append(at)
            edges.setdefault(token.end, ([], []))[1].append(at)
    spans: list[Span] = []
    # in the order in which they begin
    owners: dict[int, None] = {}
    for start, end in pairwise(sorted(edges)):
        begun, ended = edges[start]
        for at in ended:
            del owners[at]
        owners.update(dict.fromkeys(begun))
        if owners:
            spans.append(Span(start, end, tuple(sorted(owners))))
    return spans


def merged(spans: Sequence[Span]) -> list[Span]:
    """Spans of whole tokens: tokens that share a span count as one."""
    found: list[Span] = []
    for span in spans:
        last = found[-1] if found else None
        if last is not None and last.end == span.start and set(last.tokens) & set(span.tokens):
            found[-1] = Span(last.start, span.end, (*last.tokens, *(t for t in span.tokens if t not in last.tokens)))
        else:
            found.append(span)
    return found


def span_at(spans: Sequence[Span], offset: int) -> Span | None:
    """The span of the character at `offset`; at the end of the text the last one."""
    index = bisect_right(spans, offset, key=lambda span: span.start) - 1
    if index < 0:
        return None
    return spans[index] if offset < spans[index].end or index == len(spans) - 1 else None


def spans_within(spans: Sequence[Span], start: int, end: int) -> Sequence[Span]:
    """The spans that touch the characters `start` to `end`."""
    first = max(0, bisect_right(spans, start, key=lambda span: span.start) - 1)
    last = bisect_right(spans, end, key=lambda span: span.start)
    return spans[first:last]
