"""String literals of a Python text, as prompts: their values, and the place of each character."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from .chats import Part
from .lines import Stretch, at_most
from .pace import steps
from .pieces import PromptText, assembled

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
    |(?P<name>\w+)?(?P<quote>\"{3}|'{3}|"|')
    |(?P<open>[\[({])|(?P<close>[\])}])|(?P<newline>\n)|(?P<blank>[ \t\f\r]+|\\\r?\n)|(?P<other>\w+|[^\w\s])""",
    re.VERBOSE,
)
_PREFIXES = {"", "r", "u", "f", "rf", "fr"}
#: The end of a literal, and escapes, inside which nothing ends.
_ENDS = {
    quote: re.compile(rf"\\(?:\r\n|.)|{quote}" + ("" if len(quote) == 3 else r"|\r?\n"), re.DOTALL)
    for quote in ('"', "'", '"' * 3, "'" * 3)
}
_NOT_AS_IS = re.compile(
    r"""(?P<escape>\\(?:\r?\n|[\\'"abfnrtv]|[0-7]{1,3}|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|N\{[^}\n]+\}))
    |(?P<brace>\{\{|\}\})|\r\n""",
    re.VERBOSE,
)


class _Literal(NamedTuple):
    """One literal, from its prefix to its last quote; `inside` is the part between the quotes."""

    start: int
    end: int
    inside: tuple[int, int]
    prefix: str


def string_literals(source: str) -> list[Stretch]:
    """The places of string literals with text; literals that Python joins count as one. Literals of bytes do not
    count.
    """
    groups = (g for g in _groups(source, 0, len(source)) if any(one.inside[0] < one.inside[1] for one in g))
    return list(at_most(Stretch(group[0].start, group[-1].end) for group in groups))


def literal_at(literals: list[Stretch], cursor: int) -> Stretch | None:
    """The literal in `literals` that the cursor is in or beside."""
    return next((one for one in literals if one.start <= cursor <= one.end), None)


def literal_prompt(source: str, stretch: Stretch) -> PromptText:
    """The value of the literals in `stretch`. Fields of an f-string stay as they are written."""
    # joined literals form one stretch, which reads the same by itself as in the whole text
    literals = [one for group in _groups(source, stretch.start, stretch.end) for one in group]
    parts = (part for literal in literals for part in _value(source, literal))
    return assembled(parts, stretch.start, stretch.end)


def _groups(source: str, at: int, end: int) -> Iterator[list[_Literal]]:
    group: list[_Literal] = []
    depth, joins = 0, False
    for _ in steps(count()):
        match = _TOKEN.search(source, at, end)
        if match is None:
            break
        at = match.end()
        quote = match["quote"]
        if quote:
            prefix = (match["name"] or "").lower()
            raw_end = _close(source, at, quote)
            at = raw_end + len(quote) if source.startswith(quote, raw_end) else raw_end
            if prefix in _PREFIXES:
                literal = _Literal(match.start(), at, (match.end(), raw_end), prefix)
                if group and not joins:
                    yield group
                    group = []
                group.append(literal)
            joins = prefix in _PREFIXES
        elif match["open"] or match["close"]:
            depth = max(0, depth + (1 if match["open"] else -1))
            joins = False
        elif match["newline"]:
            joins = joins and depth > 0
        elif match["other"]:
            joins = False
    if group:
        yield group


def _close(source: str, at: int, quote: str) -> int:
    """The end of the literal whose inside begins at `at`: its closing quotes, or the end of the line or text."""
    for match in steps(_ENDS[quote].finditer(source, at)):
        if not match[0].startswith("\\"):
            return match.start()
    return len(source)


def _value(source: str, literal: _Literal) -> Iterator[Part]:
    at, end = literal.inside
    for match in _NOT_AS_IS.finditer(source, at, end):
        brace, escape = match["brace"], match["escape"]
        if (brace and "f" not in literal.prefix) or (escape and "r" in literal.prefix):
            continue
        # a line end in a literal is \n
        text = brace[0] if brace else _unescaped(escape) if escape else "\n"
        yield source[at : match.start()], at
        yield text, None
        at = match.end()
    yield source[at:end], at


def _unescaped(escape: str) -> str:
    if escape.endswith("\n"):
        return ""
    try:
        return codecs.decode(escape, "unicode_escape")
    except UnicodeDecodeError:
        # a name that no character has
        return escape
