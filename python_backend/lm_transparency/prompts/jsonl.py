"""One line of a JSONL data set: an object with a `prompt`, which is a text or a list of chat messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from json.decoder import scanstring  # pyright: ignore[reportUnknownVariableType, reportAttributeAccessIssue]
from typing import Any

from ..errors import TransparencyError
from ..files.json_files import NotJson, decode_json
from ..model.chat import parse_chat
from .chats import Part, Written, chat_parts, check_messages
from .lines import Stretch
from .pace import steps
from .pieces import MOST_PIECES, PromptText, assembled, too_many_pieces
from .problems import Problem
from .refuse import check_text

_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u....|.)")
_SPACE = re.compile(r"[ \t\n\r]*")
REMEDY = 'A line is an object such as {"id": "a", "prompt": "The capital of France is"}.'
_DECODER = json.JSONDecoder()
#: Values of one line; more of them would be read in one long call, which stops every thread.
MOST_VALUES = 200_000


class BadLine(ValueError):
    """`reason` continues a sentence that names the line. `at`: the wrong character, where it is a single one."""

    def __init__(self, reason: str, at: int | None = None, *, is_json: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.at = at
        self.is_json = is_json


@dataclass(frozen=True)
class _Value:
    value: Any
    start: int
    end: int


def json_prompt(source: str, stretch: Stretch) -> PromptText:
    """The prompt of the line `stretch`. Raises `TransparencyError("invalidPrompt")`."""
    found, problem = read_line(source, stretch)
    if found is None:
        assert problem is not None
        raise TransparencyError("invalidPrompt", problem.message, problem.remedy)
    return found


def json_preview(line: str) -> str:
    """The beginning of the prompt of a line, or of the line itself where it is wrong."""
    try:
        prompt: Any = None if _has_too_many(line) else decode_json(line, strict=False)["prompt"]
    except (NotJson, KeyError, TypeError):
        return line
    if isinstance(prompt, str):
        return prompt
    if not isinstance(prompt, list):
        return line
    said = [message.get("content") for message in prompt if isinstance(message, dict)]
    return next((text for text in reversed(said) if isinstance(text, str)), line)


def line_problem(source: str, stretch: Stretch) -> Problem | None:
    """The problems of the line `stretch`; quick where there are none."""
    try:
        found, problem = read_line(source, stretch)
        if found is not None:
            check_text(found.text)
            if found.chat:
                parse_chat(found.text)
    except TransparencyError as error:
        problem = Problem(stretch.start, stretch.end, error.message, error.remedy, code="json")
    return problem


def read_line(source: str, stretch: Stretch) -> tuple[PromptText | None, Problem | None]:
    """The prompt of a line, or the problem with it."""
    line = source[stretch.start : stretch.end]
    try:
        read_object(line)
    except BadLine as wrong:
        start, end = _place(line, wrong)
        message = f"The line {wrong.reason}."
        return None, Problem(stretch.start + start, stretch.start + end, message, REMEDY, code="json")
    given = _last(_members(line, 0), "prompt")
    assert given is not None
    if isinstance(given.value, str):
        check_text(given.value)
        return assembled(_string_parts(line, given, stretch.start), stretch.start, stretch.end), None
    try:
        messages = _messages(line, given, stretch.start)
        check_messages(messages)
    except TransparencyError as error:
        start, end = stretch.start + given.start, stretch.start + given.end
        return None, Problem(start, end, error.message, error.remedy, code="json")
    return assembled(chat_parts(messages), stretch.start, stretch.end, chat=True), None


def read_object(line: str) -> dict[str, Any]:
    """The object of a line, whose `prompt` is a text or a list. Raises `BadLine`."""
    if _has_too_many(line):
        raise BadLine(f"has more than {MOST_VALUES:,} values")
    try:
        found: Any = decode_json(line, strict=False)
    except NotJson as error:
        raise BadLine(error.reason, error.at) from None
    if not isinstance(found, dict) or not isinstance(found.get("prompt"), str | list):
        raise BadLine("has no `prompt` that is a text or a list of messages", is_json=True)
    return found


def _has_too_many(line: str) -> bool:
    """Whether a line has more than `MOST_VALUES` values, as far as it can be read."""
    if _marks(line, 0, len(line)) < MOST_VALUES:
        return False
    found = at = 0
    for _ in steps(range(len(line))):
        quote = line.find('"', at)
        found += _marks(line, at, len(line) if quote < 0 else quote)
        if quote < 0 or found >= MOST_VALUES:
            break
        try:
            at = scanstring(line, quote + 1, False)[1]
        except ValueError:
            # it is not JSON
            return False
    return found >= MOST_VALUES


def _marks(line: str, start: int, end: int) -> int:
    return sum(line.count(mark, start, end) for mark in "[{,")


def _place(line: str, wrong: BadLine) -> tuple[int, int]:
    """The place of `wrong`: from, to."""
    if wrong.at is not None:
        return min(wrong.at, len(line)), min(wrong.at + 1, len(line))
    given = _last(_members(line, 0), "prompt") if wrong.is_json else None
    return (0, len(line)) if given is None else (given.start, given.end)


def _messages(line: str, given: _Value, base: int) -> list[Written]:
    found: list[Written] = []
    for number, item in enumerate(steps(_items(line, given.start)), start=1):
        members = list(_members(line, item.start)) if isinstance(item.value, dict) else []
        role, content = _last(members, "role"), _last(members, "content")
        if role is None or content is None or not isinstance(role.value, str) or not isinstance(content.value, str):
            raise TransparencyError(
                "invalidPrompt",
                f"Message {number} is not an object with the texts `role` and `content`.",
                'A chat is a list such as [{"role": "user", "content": "Hello"}].',
            )
        if len(found) == MOST_PIECES:
            raise too_many_pieces()
        found.append(Written(role.value, list(_string_parts(line, content, base))))
    return found


def _last(members: Any, name: str) -> _Value | None:
    # where a key is given twice, JSON takes the last
    values = [value for key, value in members if key == name]
    return values[-1] if values else None


def _members(line: str, at: int) -> Iterator[tuple[str, _Value]]:
    """The members of the object at `at`, in a line that is known to be JSON; none where it is not an object."""
    at = _skip(line, at)
    if not line.startswith("{", at):
        return
    at = _skip(line, at + 1)
    while not line.startswith("}", at):
        key, at = scanstring(line, at + 1, True)
        start = _skip(line, _skip(line, at) + 1)
        value, end = _DECODER.raw_decode(line, start)
        yield key, _Value(value, start, end)
        at = _skip(line, end)
        if line.startswith(",", at):
            at = _skip(line, at + 1)


def _items(line: str, at: int) -> Iterator[_Value]:
    at = _skip(line, at + 1)
    while not line.startswith("]", at):
        value, end = _DECODER.raw_decode(line, at)
        yield _Value(value, at, end)
        at = _skip(line, end)
        if line.startswith(",", at):
            at = _skip(line, at + 1)


def _skip(line: str, at: int) -> int:
    found = _SPACE.match(line, at)
    return found.end() if found else at


def _string_parts(line: str, given: _Value, base: int) -> Iterator[Part]:
    """The parts of a JSON string: runs that appear literally in the document, and escapes, which do not."""
    at, end = given.start + 1, given.end - 1
    for match in _ESCAPE.finditer(line, at, end):
        yield line[at : match.start()], base + at
        yield scanstring(f'{match[0]}"', 0, True)[0], None
        at = match.end()
    yield line[at:end], base + at
