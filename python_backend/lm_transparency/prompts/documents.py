"""The prompts of one document: the one at the cursor, all of them, and their settings."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from ..errors import TransparencyError
from ..model.chat import parse_chat
from .blocks import Blocks
from .chats import chat_parts
from .columns import Rows
from .front_matter import FrontMatter, Settings, read_front_matter
from .jsonl import json_preview, json_prompt, line_problem
from .lines import MOST_PROMPTS, Lines, Stretch, at_most, prompt_line, prompt_lines
from .literals import literal_at, literal_prompt, string_literals
from .markdown import Fence, fence_at, fences_of
from .once import once
from .pace import steps
from .pieces import Piece, PromptText, assembled, taken
from .problems import Problem
from .refuse import check_text, half_character
from .units import BLANKS, Units

#: Prompts of several lines, separated by `---`, with front matter.
PROMPT = "lm-prompt"
#: Chats, likewise, with a line `<|user|>`, `<|assistant|>` … before each message.
CHAT = "lm-chat"
#: One prompt per line.
LINES = "lm-prompts"
#: One JSON object with a `prompt` per line.
JSONL = "lm-prompts-jsonl"
LANGUAGES = (PROMPT, CHAT, LINES, JSONL)
#: File name endings that decide the language, whatever an editor takes the file for.
_ENDINGS = {".prompt": PROMPT, ".chat": CHAT, ".prompts": LINES, ".prompts.jsonl": JSONL, "/prompts.txt": LINES}

_PREVIEW = 100
_ROLE_LINE = re.compile(rf"[{BLANKS}]*<\|[A-Za-z_]+\|>[ \t]*(\r?\n|$)")


def language_of(uri: str, language: str) -> str:
    """The language of a document: one of ours if the client names it, else by the file's name."""
    if language in LANGUAGES:
        return language
    path = uri.partition("?")[0].partition("#")[0].lower()
    return next((found for ending, found in _ENDINGS.items() if path.endswith(ending)), language)


class Document:
    """A document's text, read as `language`. Offsets are in characters. Parts are read only when requested."""

    def __init__(self, text: str, language: str, *, keep_last_newline: bool = False) -> None:
        self.text = text
        self.language = language
        self._keep = keep_last_newline

    @once
    def lines(self) -> Lines:
        return Lines(self.text)

    @once
    def units(self) -> Units:
        return Units(self.text)

    @once
    def front(self) -> FrontMatter | None:
        """The front matter, or None."""
        if self.language not in (PROMPT, CHAT) or not self._blocks.first:
            return None
        return read_front_matter(self.text, self.lines.start(1), self.lines.start(self._blocks.first - 1))

    @property
    def settings(self) -> Settings:
        return self.front.settings if self.front else Settings()

    @once
    def stretches(self) -> Sequence[Stretch]:
        """Every prompt that has text, in order."""
        return self.within()

    def has_more_than(self, count: int) -> bool:
        """Whether it may hold more prompts; in a file with one prompt per line, its lines count."""
        if self.language in (LINES, JSONL):
            return len(self.lines) > count
        if self.language in (PROMPT, CHAT) and not count < len(self._blocks) <= MOST_PROMPTS:
            return len(self._blocks) > count
        return len(self.stretches) > count

    def within(self, start: int = 0, end: int | None = None) -> Sequence[Stretch]:
        """The prompts that touch `start` to `end`, in order; in a large file far fewer than all.

        Raises `TransparencyError("promptTooLong")` for more than can be listed.
        """
        return Rows(Stretch, 3, at_most(self.each(start, end)))

    def each(self, start: int = 0, end: int | None = None) -> Iterator[Stretch]:
        """`within`, one prompt after the other."""
        if self.language in (LINES, JSONL):
            yield from prompt_lines(self.lines, start, end)
            return
        if self.language in (PROMPT, CHAT):
            shared = self._shared_chat
            found = self._blocks.each(start, end) if shared is None or self._has_blocks else [shared]
        else:
            parts = [f.inside for f in self._marked] if self.language == "markdown" else self._literals
            found = [s for s in steps(parts) if self.text[s.start : s.end].strip(BLANKS)]
            found = found or ([self._whole] if self.text.strip(BLANKS) else [])
        yield from (s for s in found if s.end >= start and (end is None or s.start <= end))

    def at(self, cursor: int) -> Stretch:
        """The prompt at the cursor, or the whole document where it has no parts. It may be empty."""
        if self.language in (LINES, JSONL):
            return prompt_line(self.lines, cursor)
        if self.language in (PROMPT, CHAT):
            found = self._blocks.at(cursor)
            is_empty = not self.text[found.start : found.end].strip(BLANKS)
            return self._shared_chat or found if is_empty and not self._has_blocks else found
        if self.language == "markdown":
            fence = fence_at(self._fences, self.lines.at(cursor))
            return self._whole if fence is None else fence.inside
        return literal_at(self._literals, cursor) or self._whole

    def prompt(self, stretch: Stretch) -> PromptText:
        """The prompt of `stretch`, which comes from `within` or `at`.

        Raises `TransparencyError` (`invalidPrompt`, `promptTooLong`) where it cannot be analysed.
        """
        if self.front is not None:
            self.front.check()
        if self.language == JSONL and self.text[stretch.start : stretch.end].strip(BLANKS):
            found = json_prompt(self.text, stretch)
        elif stretch in self._literals:
            found = literal_prompt(self.text, stretch)
        else:
            found = self._with_chat(stretch)
        check_text(found.text)
        if found.chat:
            parse_chat(found.text)
        return found

    def selected(self, start: int, end: int) -> PromptText:
        """The selection as a prompt; a chat if it begins with a role in a language of chats.

        `start`, `end` in UTF-16 units, since a selection may cut a character. Raises `TransparencyError` as `prompt`.
        """
        if self.front is not None:
            self.front.check()
        for at in (start, end):
            if self.units.cuts(at):
                character = self.units.to_characters(at)
                half = self.text[character].encode("utf-16-be")[0 if at == end else 2 :][:2]
                begin = self.units.to_characters(start)
                raise half_character(int.from_bytes(half, "big"), self.text.count("\n", begin, character) + 1)
        found = taken(self.text, Stretch(self.units.to_characters(start), self.units.to_characters(end)))
        check_text(found.text, selected=True)
        if self._is_chat(found.start) and _ROLE_LINE.match(found.text):
            return PromptText(found.text, found.start, found.end, found.pieces, chat=True)
        return found

    def first(self, stretch: Stretch) -> int:
        """The place of a prompt's first character, after any indentation."""
        line = self.text[stretch.start : min(stretch.end, stretch.start + stretch.indent)]
        return stretch.start + len(line) - len(line.lstrip(" "))

    def preview(self, stretch: Stretch) -> str:
        """The first line of a prompt, shortened."""
        text = self.text[stretch.start : min(stretch.end, stretch.start + 4 * _PREVIEW)]
        if self.language == JSONL:
            text = json_preview(self.text[stretch.start : stretch.end])
        line = next((line.strip(BLANKS) for line in text.split("\n") if line.strip(BLANKS)), "")
        return line if len(line) <= _PREVIEW else f"{line[: _PREVIEW - 1]}…"

    def index_of(self, stretch: Stretch) -> int | None:
        """The number of a prompt among all; None where it is not listed, as in a file with too many to list."""
        try:
            self.stretches  # noqa: B018
        except TransparencyError:
            return None
        index = bisect_left(self.stretches, (stretch.start,))
        found = index < len(self.stretches) and self.stretches[index].start == stretch.start
        return index if found else None

    @property
    def front_problems(self) -> list[Problem]:
        """The problems of the front matter."""
        return list(self.front.problems) if self.front else []

    def problems_of(self, stretches: Iterable[Stretch]) -> Iterator[Problem]:
        """The problems in the way each of `stretches` is written."""
        if any(problem.severity == "error" for problem in self.front_problems):
            return
        for stretch in steps(stretches, 0):
            if self.language == JSONL:
                problem = line_problem(self.text, stretch)
                if problem is not None:
                    yield problem
                continue
            try:
                self.prompt(stretch)
            except TransparencyError as error:
                yield Problem(stretch.start, stretch.end, error.message, error.remedy, code=error.kind)

    @once
    def _blocks(self) -> Blocks:
        return Blocks(self.lines, keep_last_newline=self._keep)

    @once
    def _has_blocks(self) -> bool:
        return self._blocks.any()

    @once
    def _fences(self) -> list[Fence]:
        return fences_of(self.lines, keep_last_newline=self._keep)

    @property
    def _marked(self) -> list[Fence]:
        return self._fences if self.language == "markdown" else []

    @once
    def _literals(self) -> list[Stretch]:
        return string_literals(self.text) if self.language == "python" else []

    @property
    def _whole(self) -> Stretch:
        end = len(self.text)
        if not self._keep and self.text.endswith("\n"):
            end -= 2 if self.text.endswith("\r\n") else 1
        start = self.lines.start(0)
        return Stretch(start, max(start, end))

    @property
    def _shared_chat(self) -> Stretch | None:
        """The place of the front matter's chat."""
        if self.front is None or not self.front.chat:
            return None
        return Stretch(*self.front.places["chat"])

    def _with_chat(self, stretch: Stretch) -> PromptText:
        body = taken(self.text, stretch)
        chat = self.front.chat if self.front else ()
        if not chat:
            is_chat = self.language == CHAT or any(f.info == "chat" and f.inside == stretch for f in self._marked)
            return PromptText(body.text, body.start, body.end, body.pieces, chat=True) if is_chat else body
        shared = assembled(chat_parts(chat), stretch.start, stretch.end, chat=True)
        if stretch == self._shared_chat or not body.text.strip(BLANKS):
            return shared
        before = shared.text if self.language == CHAT else f"{shared.text}<|user|>\n"
        moved = (Piece(p.at + len(before), p.source, p.length) for p in steps(body.pieces))
        pieces = Rows(Piece, 3, chain(shared.pieces, moved))
        return PromptText(before + body.text, stretch.start, stretch.end, pieces, chat=True)

    def _is_chat(self, offset: int) -> bool:
        if self.language == "markdown":
            fence = fence_at(self._fences, self.lines.at(offset))
            return fence is not None and fence.info == "chat"
        return self.language == CHAT
