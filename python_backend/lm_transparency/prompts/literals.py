"""String literals of a Python text, as prompts: their values, and where each character stands."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from .chats import Part
from .lines import Stretch
from .pieces import PromptText, assembled

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
    |(?P<name>\w+)?(?P<quote>\"{3}|'{3}|"|')
    |(?P<open>[\[({])|(?P<close>[\])}])|(?P<newline>\n)|(?P<blank>[ \t\f\r]+|\\\r?\n)|(?P<other>\w+|[^\w\s])""",
    re.VERBOSE,
)
_PREFIXES = {"", "r", "u", "f", "rf", "fr"}
#: What ends a literal, and escapes, in which nothing does.
_ENDS = {
    quote: re.compile(rf"\\(?:\r\n|.)|{quote}" + ("" if len(quote) == 3 else r"|\r?\n"), re.DOTALL)
    for quote in ('"', "'", '"' * 3, "'" * 3)
}
_NOT_AS_IS = re.compile(
    r"""(?P<escape>\\(?:\r?\n|[\\'"abfnrtv]|[0-7]{1,3}|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|N\{[^}\n]+\}))
    |(?P<brace>\{\{|\}\})|\r\n""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class _Literal:
    """One literal, from its prefix to its last quote; `inside` is between the quotes."""

    start: int
    end: int
    inside: tuple[int, int]
    prefix: str


def string_literals(source: str) -> list[Stretch]:
    """Where string literals with a text stand; those that Python joins are one. Literals of bytes are none."""
    groups = (g for g in _groups(source) if any(one.inside[0] < one.inside[1] for one in g))
    return [Stretch(group[0].start, group[-1].end) for group in groups]


def literal_at(literals: list[Stretch], cursor: int) -> Stretch | None:
    """The one of `literals` that the cursor is in or beside."""
    return next((one for one in literals if one.start <= cursor <= one.end), None)


def literal_prompt(source: str, stretch: Stretch) -> PromptText:
    """The value of the literals that `stretch` covers. Of an f-string its fields stay as they are written."""
    parts: list[Part] = []
    for group in _groups(source):
        if group[0].start == stretch.start:
            for literal in group:
                parts += _value(source, literal)
    return assembled(parts, stretch.start, stretch.end)


def _groups(source: str) -> list[list[_Literal]]:
    groups: list[list[_Literal]] = []
    at, depth, joins = 0, 0, False
    while (match := _TOKEN.search(source, at)) is not None:
        at = match.end()
        quote = match["quote"]
        if quote:
            prefix = (match["name"] or "").lower()
            raw_end = _close(source, at, quote)
            end = raw_end + len(quote) if source.startswith(quote, raw_end) else raw_end
            if prefix in _PREFIXES:
                literal = _Literal(match.start(), end, (at, raw_end), prefix)
                if joins:
                    groups[-1].append(literal)
                else:
                    groups.append([literal])
            joins = prefix in _PREFIXES
            at = end
        elif match["open"] or match["close"]:
            depth = max(0, depth + (1 if match["open"] else -1))
            joins = False
        elif match["newline"]:
            joins = joins and depth > 0
        elif match["other"]:
            joins = False
    return groups


def _close(source: str, at: int, quote: str) -> int:
    """Where the literal whose inside begins at `at` ends: at its closing quotes, or at the end of the line or text."""
    for match in _ENDS[quote].finditer(source, at):
        if not match[0].startswith("\\"):
            return match.start()
    return len(source)


def _value(source: str, literal: _Literal) -> list[Part]:
    at, end = literal.inside
    parts: list[Part] = []
    for match in _NOT_AS_IS.finditer(source, at, end):
        brace, escape = match["brace"], match["escape"]
        if (brace and "f" not in literal.prefix) or (escape and "r" in literal.prefix):
            continue
        # a line end in a literal is \n
        text = brace[0] if brace else _unescaped(escape) if escape else "\n"
        parts += [(source[at : match.start()], at), (text, None)]
        at = match.end()
    return [*parts, (source[at:end], at)]


def _unescaped(escape: str) -> str:
    if escape.endswith("\n"):
        return ""
    try:
        return codecs.decode(escape, "unicode_escape")
    except UnicodeDecodeError:
        # a name that no character has
        return escape
