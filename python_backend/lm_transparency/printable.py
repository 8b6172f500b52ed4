"""Foreign text made safe to show: nothing in it moves a cursor, reorders a line, hides, or escapes its markup.

Foreign is everything we did not write: tokens, labels, prompts, names of models and files, run files, and library
messages about them. Safe text is unchanged (Hebrew, Arabic, combining marks, emoji with their joiners); the rest shows
as a picture (␛, ↵) or as a code point (\\u202e).
"""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from html import escape as _html
from typing import Any

#: Unicode's Default_Ignorable_Code_Point above C1 and what is like it: formats that show nothing by themselves, line
#: and paragraph separators, halves of surrogate pairs, noncharacters.
_UNSEEN = (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff"
    "\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(1 << 16, 17 << 16, 1 << 16))
)
#: The flag of a part of a country: a black flag, its name in tags, the end of the tags.
_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f"
_SUSPECT = re.compile(f"{_FLAG}|[\\x00-\\x1f\\x7f-\\x9f{_UNSEEN}]")
#: The same without C0, which `json.dumps` has escaped already: the remaining C0 characters are our own line ends.
_SUSPECT_IN_JSON = re.compile(f"{_FLAG}|[\\x7f-\\x9f{_UNSEEN}]")

_SELECTORS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_JOINERS = "\u034f\u180e\u200b\u200c\u200d"
#: Characters that a selector may choose a form of, and that joiners may connect: the categories of Unicode.
_SELECTED = {"Lo", "Nd", "No", "Pd", "Po", "Sm", "So", "Sk"}
_JOINED = {"Lo", "Lm", "Mn", "Mc", "Sm", "So", "Sk"}

_PICTURES = {"\n": "↵", "\t": "→", "\x7f": "␡"}
_PICTURED = str.maketrans(
    {chr(0x2400 + n): chr(n) for n in range(0x20)} | {picture: character for character, picture in _PICTURES.items()}
)


def terminal(text: str) -> str:
    """`text` on one line of a terminal, a log or a message."""
    return _shown(text, _SUSPECT, _picture)


def from_terminal(text: str) -> str:
    """The text that `terminal` shows as `text`, where only one is possible."""
    # a backslash is shown unchanged
    return _ESCAPES.sub(lambda found: found[0] if found[0][1] == "\\" else _unescaped(found), text.translate(_PICTURED))


def whole_characters(text: str) -> str:
    """`text` with `?` for halves of surrogate pairs, which no reader of a file takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def terminal_lines(text: str) -> str:
    """`text` that may take several lines."""
    return "\n".join(map(terminal, text.replace("\r\n", "\n").split("\n")))


#: The most characters of a message; more is not a sentence any more.
_LONGEST_SENTENCE = 2000


def sentence(text: str) -> str:
    """A message on one line: line ends become spaces, and a long message loses its middle."""
    line = terminal(re.sub(r"\s*[\r\n]+\s*", " ", text).strip())
    half = _LONGEST_SENTENCE // 2
    return line if len(line) <= _LONGEST_SENTENCE else f"{line[:half]} … {line[-half:]}"


def xml(text: str) -> str:
    """`text` as the content of an element or an attribute of XML or HTML."""
    return _html(terminal(text))


def markdown_code(text: str) -> str:
    """`text` as a code span of Markdown, whatever it contains."""
    line = terminal(text) or " "
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    # a span loses one space at either end if both have one, and a backtick at an end would lengthen the fence
    pad = " " if line.strip(" ") and (line[0] in " `" or line[-1] in " `") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def markdown_text(text: str) -> str:
    """`text` as plain words within a line of Markdown: no link, no HTML, no emphasis, no block."""
    return re.sub(r"[!-/:-@\[-`{-~]|^ +| +$", _literal, terminal(text))


def _literal(found: re.Match[str]) -> str:
    return "&#32;" * len(found[0]) if found[0][0] == " " else f"\\{found[0]}"


#: How a spreadsheet's formulas begin, also as Japanese and Chinese keyboards write them.
_FORMULA = re.compile("[=+\\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_SUSPECT_IN_CELL = re.compile(f"{_FLAG}|[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f{_UNSEEN}]")
_ESCAPES = re.compile(r"\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4})|U(00(?:0[0-9a-f]|10)[0-9a-f]{4}))")


def csv_cell(text: str) -> str:
    """`text` as a cell of CSV that no spreadsheet reads as a formula; a number stays a number.

    A cell that begins with an apostrophe is escaped, every other cell is verbatim; `from_csv_cell` reads both. After
    the apostrophe, `\\\\` stands for a backslash, and `\\x1b`, `\\u202e` or `\\U000e0001` for invisible characters.
    """
    risky = text.startswith("'") or (_FORMULA.match(text) and not _NUMBER.fullmatch(text))
    if not risky and _shown(text, _SUSPECT_IN_CELL, _code) == text:
        return text
    return "'" + _shown(text.replace("\\", "\\\\"), _SUSPECT_IN_CELL, _code)


def from_csv_cell(cell: str) -> str:
    """The text of a cell that `csv_cell` made."""
    if not cell.startswith("'"):
        return cell
    return _ESCAPES.sub(_unescaped, cell[1:])


def _unescaped(found: re.Match[str]) -> str:
    return "\\" if found[0] == "\\\\" else chr(int(found[0][2:], 16))


def json_text(value: Any, *, indent: int | None = None, separators: tuple[str, str] | None = None) -> str:
    """`value` as JSON that is safe to print: equal to the result of `json.dumps`, with more of it as `\\uXXXX`.

    Raises `ValueError` for NaN and infinities, which JSON does not have.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)
    return _shown(text, _SUSPECT_IN_JSON, _of_json)


class PrintableFormatter(logging.Formatter):
    """Log records whose text, including that of an exception, is safe to print."""

    def format(self, record: logging.LogRecord) -> str:
        return terminal_lines(super().format(record))


def _shown(text: str, suspect: re.Pattern[str], escaped: Any) -> str:
    """`text` with every misplaced suspect character `escaped`."""
    parts: list[str] = []
    done = 0
    before = ""
    for found in suspect.finditer(text):
        start, end = found.span()
        if start > done:
            before = text[start - 1]
        parts.append(text[done:start])
        if end - start > 1 or _belongs(found[0], before, text[end : end + 1]):
            parts.append(found[0])
            before = text[end - 1]
        else:
            parts.append(escaped(found[0]))
            # nothing precedes the first character
            before = ""
        done = end
    return text if not done else "".join([*parts, text[done:]])


def _belongs(character: str, before: str, after: str) -> bool:
    """Whether an invisible character changes the look of its neighbours, as it is meant to."""
    if not before:
        return False
    if _SELECTORS.match(character):
        # ℹ is a letter by its category, and an emoji
        return unicodedata.category(before) in _SELECTED or before == "ℹ"
    if character not in _JOINERS or not after or before.isascii() or after.isascii():
        return False
    return all(unicodedata.category(side) in _JOINED for side in (before, after)) and not _SUSPECT.match(after)


def _picture(character: str) -> str:
    if character < " ":
        return _PICTURES.get(character) or chr(0x2400 + ord(character))
    return _PICTURES.get(character) or _code(character)


def _code(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _of_json(character: str) -> str:
    return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"
