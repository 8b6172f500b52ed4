"""Keys and values of front matter, as they are typed."""

from __future__ import annotations

import asyncio
import re
from typing import get_args

from lsprotocol.types import CompletionItem, CompletionItemKind, Position, TextEdit

from ...model.chat import ROLES
from ...model.listing import listed
from ...model.options import SpecialTokens
from ...prompts.blocks import is_separator
from ...prompts.documents import CHAT, PROMPT
from ...prompts.front_matter import KEYS
from .store import OpenDocument
from .view import View

#: Lines of front matter that is still open; anything longer is a prompt.
_LONGEST = 200
_VALUE = re.compile(r"([A-Za-z_][\w.-]*)[ \t]*:[ \t]*(.*)", re.DOTALL)
_ROLE = re.compile(r"\s*(?:- )?\s*role[ \t]*:[ \t]*(.*)", re.DOTALL)


async def complete(view: View, document: OpenDocument, position: Position) -> list[CompletionItem]:
    """Completion items; none outside of front matter."""
    offset = await view.work(document, lambda: document.positions.offset(position))
    found = await view.work(document, lambda: _complete(document, offset))
    if isinstance(found, list):
        return found
    models = await asyncio.to_thread(listed)
    return [_value(document, offset, found, m.source, m.family or m.kind) for m in models]


def _complete(document: OpenDocument, offset: int) -> list[CompletionItem] | str:
    """The typed part of a model's name."""
    lines = document.document.lines
    line = lines.at(offset)
    if not _is_in_front_matter(document, line):
        return []
    before = document.text[lines.start(line) : offset]
    if role := _ROLE.fullmatch(before):
        return [_value(document, offset, role[1], name, "") for name in ROLES]
    value = _VALUE.fullmatch(before)
    if value is None:
        return _keys(document, line, offset) if re.fullmatch(r"\w*", before) else []
    typed = value[2]
    if value[1] == "special_tokens":
        return [_value(document, offset, typed, name, "") for name in get_args(SpecialTokens)]
    if value[1] == "renormalize":
        return [_value(document, offset, typed, name, "") for name in ("true", "false")]
    if value[1] == "model":
        return typed
    return []


def _is_in_front_matter(document: OpenDocument, line: int) -> bool:
    text = document.document
    if text.language not in (PROMPT, CHAT) or line == 0 or line > _LONGEST or not is_separator(text.lines.line(0)):
        return False
    return not any(is_separator(text.lines.line(i)) for i in range(1, line + 1))


def _keys(document: OpenDocument, line: int, offset: int) -> list[CompletionItem]:
    front = document.document.front
    given = front.keys if front is not None else {}
    start = document.document.lines.start(line)
    place = document.positions.range(start, offset)
    return [
        CompletionItem(
            label=name,
            kind=CompletionItemKind.Property,
            documentation=said,
            text_edit=TextEdit(place, f"{name}: " if name != "chat" else "chat:\n  - role: "),
        )
        for name, said in KEYS.items()
        if name not in given or given[name][0] == start
    ]


def _value(document: OpenDocument, offset: int, typed: str, name: str, detail: str) -> CompletionItem:
    place = document.positions.range(offset - len(typed), offset)
    return CompletionItem(label=name, kind=CompletionItemKind.Value, detail=detail, text_edit=TextEdit(place, name))
