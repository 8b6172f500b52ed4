"""Fenced code blocks of a Markdown text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .lines import Lines, Stretch
from .pace import matches
from .units import BLANKS

_FENCE = re.compile(r"^( {0,3})(`{3,}|~{3,})(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Fence:
    """`first`, `last`: lines of the fences themselves. `info`: the first word after the opening one, in lower case."""

    first: int
    last: int
    info: str
    inside: Stretch


def fences_of(lines: Lines, *, keep_last_newline: bool = False) -> list[Fence]:
    """Every fenced block, also an empty one; an unclosed block reaches to the end."""
    fences: list[Fence] = []
    opened: tuple[int, str, int, str] | None = None
    for match in matches(_FENCE, lines.text):
        index = lines.at(match.start())
        indent, fence, info = len(match[1]), match[2], match[3].rstrip("\r")
        if opened is None:
            # a line like ```code``` is not a fence
            if not (fence.startswith("`") and "`" in info):
                opened = (index, fence, indent, (info.split() or [""])[0].lower())
        elif not info.strip(BLANKS) and fence.startswith(opened[1]):
            fences.append(_fence(lines, opened, index, index - 1))
            opened = None
    if opened is not None:
        end = len(lines) - 1
        # without the file's last newline
        is_newline = not lines.line(end) and end > opened[0] + 1 and not keep_last_newline
        if end > opened[0]:
            fences.append(_fence(lines, opened, end, end - 1 if is_newline else end))
    return fences


def fence_at(fences: list[Fence], line: int) -> Fence | None:
    return next((fence for fence in fences if fence.first <= line <= fence.last), None)


def _fence(lines: Lines, opened: tuple[int, str, int, str], index: int, last: int) -> Fence:
    first, _, indent, info = opened
    if last <= first:
        at = lines.start(index)
        return Fence(first, index, info, Stretch(at, at))
    return Fence(first, index, info, Stretch(lines.start(first + 1), lines.end(last), indent))
