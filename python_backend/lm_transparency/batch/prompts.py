"""Prompts from files, directories, lines and JSONL, each with an id that is the same in every run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import TransparencyError
from ..files.fingerprint import text_fingerprint
from ..files.inputs import input_bytes
from ..files.reading import expanded
from ..model.chat import Chat, read_chat
from ..prompts.documents import CHAT as CHAT_LANGUAGE
from ..prompts.documents import PROMPT as PROMPT_LANGUAGE
from ..prompts.documents import Document
from ..prompts.front_matter import Settings
from ..prompts.jsonl import REMEDY, BadLine, read_object

#: Files with one prompt per line, and the files that a directory is searched for.
LINES, JSONL, CHAT, PROMPT = ".prompts", ".jsonl", ".chat", ".prompt"
SUFFIXES = (PROMPT, ".txt", CHAT, LINES, JSONL)

#: The format of a file's prompts.
LANGUAGES = {PROMPT: PROMPT_LANGUAGE, CHAT: CHAT_LANGUAGE}


@dataclass(frozen=True)
class Prompt:
    """`index`: the place in the input, from 0. `line`: of `source`, from 1; None where the file is one prompt.

    `error`: the reason that there is nothing to analyse. `chat`: `text` is a chat, in either form that `read_chat`
    reads.
    """

    id: str
    index: int
    source: str
    line: int | None
    text: str
    chat: bool = False
    error: TransparencyError | None = None

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the text to analyse, wherever it is."""
        error = "" if self.error is None else str(self.error)
        return text_fingerprint("chat" if self.chat else "text", self.text, error)

    def content(self) -> str | Chat:
        """The text to analyse. Raises `TransparencyError("invalidPrompt")`."""
        if self.error is not None:
            raise self.error
        return read_chat(self.text) if self.chat else self.text


def has_many(name: str) -> bool:
    """Whether `name` is more than the file of one prompt."""
    if not name:
        return False
    path = expanded(name)
    if path.suffix in (LINES, JSONL) or path.name == "prompts.txt" or os.path.isdir(path):
        return True
    document = prompt_document(name)
    return document is not None and len(document.stretches) > 1


def prompt_document(name: str) -> Document | None:
    """A `.prompt` or `.chat` file, which may have front matter and several prompts; None for other or unreadable
    files.
    """
    path = expanded(name)
    if path.suffix not in LANGUAGES:
        return None
    try:
        text = input_bytes(name).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    return Document(text.replace("\r\n", "\n"), LANGUAGES[path.suffix])


def common_settings(names: Sequence[str]) -> Settings:
    """The settings in the front matters of the files `names`, and of files in directories.

    Raises `TransparencyError("invalidPrompt")` where one cannot be read or two differ: one run has one model.
    """
    first: tuple[str, Settings] | None = None
    # the reader reports missing files
    names = [name for name in names if os.path.exists(expanded(name))]
    for path in dict.fromkeys(path for name in names for path in _files(name)):
        document = prompt_document(path)
        if document is not None and document.front is not None:
            document.front.check()
        settings = document.settings if document is not None else Settings()
        if first is not None and settings != first[1]:
            raise TransparencyError(
                "invalidPrompt",
                f"The front matter of {path} sets other values than that of {first[0]}.",
                "Analyze files with different settings one by one.",
            )
        first = first or (path, settings)
    return first[1] if first else Settings()


def read_prompts(names: Sequence[str], line_files: Sequence[str] = (), *, chat: bool = False) -> list[Prompt]:
    """The prompts of the files and directories `names`, and the lines of `line_files`; a file named twice is read
    once.

    A `.prompt` or `.chat` file holds prompts separated by lines of `---`, after optional front matter. A `.prompts`
    file, or one named prompts.txt, holds one prompt per line (empty lines are skipped). JSONL holds a `prompt` per line
    (a text or a list of chat messages) and optionally an `id`. Any other file is one prompt. `-` is stdin. A problem
    with one prompt is its `error`. Raises `TransparencyError` for a file that cannot be found, a directory without
    prompts, and an id that two prompts have.
    """
    found: list[Prompt] = []
    seen: set[Path] = set()
    for name, by_line in [*((name, False) for name in names), *((name, True) for name in line_files)]:
        for path in _files(name):
            where = expanded(path).resolve()
            if where not in seen:
                seen.add(where)
                found += _in_file(path, by_line, chat)
    return numbered(found)


def prompts_of(given: Iterable[Prompt | str | Chat]) -> list[Prompt]:
    """Texts and chats from Python as prompts. Raises `TransparencyError` for an id that two prompts have."""
    found: list[Prompt] = []
    for number, one in enumerate(given, start=1):
        if not isinstance(one, (str, Chat, Prompt)):  # pyright: ignore[reportUnnecessaryIsInstance]
            reason = f"Prompt {number} is {type(one).__name__!r}, which is neither a text nor a chat."
            one = _prompt("", number, "", TransparencyError("invalidPrompt", reason, "Give a str, or a Chat."))
        if isinstance(one, Chat):
            messages = [{"role": m.role, "content": m.content} for m in one.messages]
            one = _prompt("", number, json.dumps(messages, ensure_ascii=False), chat=True)
        found.append(_prompt("", number, one) if isinstance(one, str) else one)
    return numbered(found)


def numbered(prompts: Iterable[Prompt]) -> list[Prompt]:
    """`prompts` with their places as `index`. Raises `TransparencyError` for an id that two of them have.

    A prompt whose id no file can hold gets the hash of its place and text instead, and an error.
    """
    first: dict[str, Prompt] = {}
    found: list[Prompt] = []
    for index, prompt in enumerate(prompts):
        if not _is_text(prompt.id):
            reason = f"The id of {_place(prompt)} has half of a character (a lone surrogate)."
            error = TransparencyError("invalidPrompt", reason, "Ids are text: correct it, or leave it out.")
            prompt = _prompt(prompt.source, prompt.line, prompt.text, error, chat=prompt.chat)
        other = first.setdefault(prompt.id, prompt)
        if other is not prompt:
            raise TransparencyError(
                "invalidParams",
                f"Two prompts have the id {prompt.id!r}: {_place(other)} and {_place(prompt)}.",
                "Ids identify records: give each prompt its own, or none.",
            )
        found.append(replace(prompt, index=index))
    return found


def _is_text(text: str) -> bool:
    return text.encode("utf-8", "replace").decode("utf-8") == text


def _place(prompt: Prompt) -> str:
    if not prompt.source:
        return f"prompt {prompt.line}"
    return prompt.source if prompt.line is None else f"{prompt.source}:{prompt.line}"


def _files(name: str) -> list[str]:
    if not name:
        raise TransparencyError(
            "invalidPrompt", "The name of a file is empty.", "Name files or directories of prompts."
        )
    path = expanded(name)
    # also a pipe, such as the shell makes for <(…)
    if name == "-" or (os.path.exists(path) and not os.path.isdir(path)):
        return [name]
    if not os.path.isdir(path):
        raise TransparencyError("invalidPrompt", f"{name} cannot be found.", "Name files or directories of prompts.")
    found = sorted(
        str(p)
        for p in path.rglob("*")
        if p.suffix in SUFFIXES and p.is_file() and not any(s.startswith(".") for s in p.relative_to(path).parts)
    )
    if not found:
        raise TransparencyError(
            "invalidPrompt", f"{name} holds no prompts.", f"A directory is searched for {', '.join(SUFFIXES)} files."
        )
    return found


def _in_file(name: str, by_line: bool, chat: bool) -> Iterator[Prompt]:
    try:
        raw = input_bytes(name)
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        yield _prompt(name, None, "", TransparencyError("invalidPrompt", f"{name} cannot be read: {error.strerror}."))
        return
    except UnicodeDecodeError as error:
        reason = f"{name} is not UTF-8: byte {error.start} cannot be read."
        yield _prompt(name, None, "", TransparencyError("invalidPrompt", reason, "Save it as UTF-8."))
        return
    path = Path(name)
    if path.suffix == JSONL or (name == "-" and not by_line and _begins_as_jsonl(text)):
        # not splitlines: a JSON text may hold U+2028 as it is
        lines = enumerate(text.split("\n"), start=1)
        yield from (_json_line(name, number, line, chat) for number, line in lines if line.strip())
    elif by_line or path.suffix == LINES or path.name == "prompts.txt":
        lines = enumerate(text.split("\n"), start=1)
        yield from (_prompt(name, number, line, chat=chat) for number, line in lines if line.strip())
    elif path.suffix in LANGUAGES:
        yield from _blocks(name, Document(text, LANGUAGES[path.suffix]), chat)
    else:
        yield _prompt(name, None, text.removesuffix("\n"), chat=chat)


def _begins_as_jsonl(text: str) -> bool:
    """Whether the first line of stdin, whose name says nothing, is a line of a data set."""
    try:
        read_object(text.lstrip().split("\n", 1)[0])
    except BadLine:
        return False
    return True


def _blocks(name: str, document: Document, chat: bool) -> Iterator[Prompt]:
    stretches = document.stretches
    for stretch in stretches or [document.at(0)]:
        line = document.lines.at(stretch.start) + 1 if len(stretches) > 1 else None
        try:
            found = document.prompt(stretch)
        except TransparencyError as error:
            yield _prompt(name, line, document.text[stretch.start : stretch.end], error, chat=chat)
        else:
            yield _prompt(name, line, found.text, chat=chat or found.chat)


def _json_line(name: str, number: int, line: str, chat: bool) -> Prompt:
    def wrong(reason: str) -> Prompt:
        return _prompt(name, number, line, TransparencyError("invalidPrompt", f"{name}:{number} {reason}.", REMEDY))

    try:
        given = read_object(line)
    except BadLine as error:
        return wrong(error.reason)
    prompt = given["prompt"]
    own: Any = given.get("id")
    if own is not None and not isinstance(own, str | int):
        return wrong("has an `id` that is neither a text nor a whole number")
    text = prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False)
    made = _prompt(name, number, text, chat=chat or isinstance(prompt, list))
    return made if own is None else replace(made, id=str(own))


def _prompt(
    source: str, line: int | None, text: str, error: TransparencyError | None = None, *, chat: bool = False
) -> Prompt:
    # a lone surrogate, which JSON can spell, has no UTF-8
    said = f"{source}\0{line}\0{text}".encode("utf-8", "surrogatepass")
    return Prompt(hashlib.sha256(said).hexdigest()[:16], 0, source, line, text, chat, error)
