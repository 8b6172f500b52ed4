"""Front matter of a prompt file: settings and a chat for all of its prompts, as YAML between lines of `---`.

Names follow Dotprompt (https://google.github.io/dotprompt) where both have them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, cast, get_args

from ..errors import TransparencyError
from ..model.options import LOWEST_THRESHOLD, SpecialTokens
from .chats import Part, Written, check_messages
from .pace import steps
from .problems import Problem, Severity

#: Keys and their help texts.
KEYS: dict[str, str] = {
    "model": "The model that the prompts are for: a hub id, a folder, a GGUF file, or the embedded default's name.",
    "special_tokens": "auto: the tokens that the tokenizer adds; bos: a beginning-of-sequence token first; none.",
    "target": "The token whose prediction is explained: its text with its leading space, ' Mary', or number, '#123'.",
    "contrast": "The token that the target is compared with: ' John', or its number.",
    "threshold": "Contributions below it are left out of the graph: 0.005 to 1.",
    "renormalize": "Whether the contributions above the threshold are scaled to sum to 1 again: true or false.",
    "chat": "Messages before each prompt of the file, each with a role and content; a prompt is the next user message.",
}
#: Keys of Dotprompt that have no effect here.
DOTPROMPT = ("name", "description", "variant", "version", "tools", "maxTurns", "toolDefs", "config", "input", "output")
#: The most characters of front matter; nothing longer was written by hand.
LONGEST = 65_536

_ESCAPES: dict[str, str] = dict(
    zip('0abtnvfre "/\\N_LP\t', '\0\a\b\t\n\v\f\r\x1b "/\\\x85\xa0\u2028\u2029\t', strict=True)
)
_BLANKS = re.compile(r"[ \t\r\n']*")
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")


@dataclass(frozen=True)
class Settings:
    """None for a setting that the front matter leaves out."""

    model: str | None = None
    special_tokens: SpecialTokens | None = None
    target: str | None = None
    contrast: str | None = None
    threshold: float | None = None
    renormalize: bool | None = None


@dataclass(frozen=True)
class FrontMatter:
    """`start`, `end`: the text between the lines of `---`, in characters of the document.

    `places`: the place of each value. `keys`: the place of each key.
    """

    start: int
    end: int
    settings: Settings = Settings()
    chat: tuple[Written, ...] = ()
    problems: tuple[Problem, ...] = ()
    places: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    keys: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def check(self) -> None:
        """Raise `TransparencyError("invalidPrompt")` for the first error."""
        for problem in self.problems:
            if problem.severity == "error":
                message = f"The front matter is wrong: {problem.message}"
                raise TransparencyError("invalidPrompt", message, problem.remedy)


def read_front_matter(text: str, start: int, end: int) -> FrontMatter:
    """The front matter from `start` to `end` of `text`. Its `problems` list what is wrong with it."""
    if end - start > LONGEST:
        problem = Problem(start, start, f"It has {end - start:,} characters.", f"It takes up to {LONGEST:,}.")
        return FrontMatter(start, end, problems=(problem,))
    return _Reader(text[start:end], start).read()


class _Reader:
    def __init__(self, source: str, base: int) -> None:
        self._source = source
        self._base = base
        self._problems: list[Problem] = []

    def read(self) -> FrontMatter:
        front = FrontMatter(self._base, self._base + len(self._source))
        root = self._compose()
        if root is not None and root.id != "mapping":
            self._wrong(root, "It is not a list of `key: value`.", "Write one key a line, such as model: NAME.")
        if root is None or root.id != "mapping":
            return replace(front, problems=tuple(self._problems))
        values: dict[str, Any] = {}
        chat: tuple[Written, ...] = ()
        places: dict[str, tuple[int, int]] = {}
        keys: dict[str, tuple[int, int]] = {}
        for key, value in root.value:
            name = str(key.value) if key.id == "scalar" else ""
            if name not in KEYS:
                self._unknown(key, name)
                continue
            if name in keys:
                self._wrong(key, f"`{name}` is given twice.", "Keep one of them.")
                continue
            keys[name], places[name] = self._range(key), self._range(value)
            if value.id == "scalar" and value.tag.endswith(":null"):
                self._commented(name, key)
                continue
            if name == "chat":
                chat = self._chat(value)
            else:
                found = self._setting(name, value)
                if found is not None:
                    values[name] = found
        return replace(
            front, settings=Settings(**values), chat=chat, problems=tuple(self._problems), places=places, keys=keys
        )

    def _compose(self) -> Any:
        import yaml

        try:
            return cast(Any, yaml.compose(self._source, Loader=yaml.SafeLoader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            at = min(mark.index if mark else 0, len(self._source))
            line = self._source.count("\n", 0, at) + 2
            said = " ".join(filter(None, [error.context, error.problem]))
            self._problem(
                at, at + 1, f"It is not YAML: {said} (line {line}).", "Correct it, or put quotes around texts."
            )
        except yaml.reader.ReaderError as error:
            at = int(error.position)
            self._problem(at, at + 1, f"It has a character that YAML does not allow: U+{error.character:04X}.", "")
        except RecursionError:
            self._problem(0, 1, "It is nested too deeply.", "Write one key a line, such as model: NAME.")
        except (ValueError, OverflowError) as error:
            # an escape such as \\UFFFFFFFF
            self._problem(0, len(self._source), f"It is not YAML: {error}.", "Correct it.")
        return None

    def _setting(self, name: str, value: Any) -> Any:
        if value.id != "scalar":
            self._wrong(value, f"`{name}` is not a single value.", KEYS[name])
            return None
        text = str(value.value)
        if name == "threshold":
            return self._threshold(value, text)
        if name == "renormalize":
            if value.tag.endswith(":bool"):
                return text.lower() in ("true", "yes", "on")
            self._wrong(value, f"`renormalize` is {text!r}.", "It takes true or false.")
            return None
        if name == "special_tokens" and text not in get_args(SpecialTokens):
            self._wrong(value, f"`special_tokens` is {text!r}.", f"It takes {', '.join(get_args(SpecialTokens))}.")
            return None
        if name in ("target", "contrast") and not text:
            self._wrong(value, f"`{name}` is empty.", KEYS[name])
            return None
        return text.strip() or None if name == "model" else text

    def _commented(self, name: str, key: Any) -> None:
        """The number of a token, which YAML takes for a comment."""
        found = re.compile(r": +(#\d+)").match(self._source, key.end_mark.index)
        if found and name in ("target", "contrast"):
            self._wrong(key, f"`{name}` is empty: to YAML {found[1]} is a comment.", f"Put it in quotes: '{found[1]}'.")

    def _threshold(self, value: Any, text: str) -> float | None:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if LOWEST_THRESHOLD <= number <= 1:
            return number
        said = f"`threshold` is {text!r}, not a number." if number != number else f"`threshold` is {text}."
        self._wrong(value, said, f"It takes {LOWEST_THRESHOLD} to 1.", code="threshold")
        return None

    def _chat(self, value: Any) -> tuple[Written, ...]:
        remedy = "A chat is a list of messages, each with the texts `role` and `content`."
        if value.id != "sequence":
            self._wrong(value, "`chat` is not a list.", remedy)
            return ()
        messages: list[Written] = []
        length = 0
        for number, item in enumerate(steps(value.value, 0), start=1):
            pairs = item.value if item.id == "mapping" else []
            given = {str(k.value): v for k, v in pairs if k.id == "scalar"}
            role, content = given.get("role"), given.get("content")
            if role is None or content is None or role.id != "scalar" or content.id != "scalar":
                self._wrong(item, f"Message {number} lacks the texts `role` and `content`.", remedy)
                return ()
            length += len(str(content.value))
            if length > LONGEST:
                # by aliases, which repeat a text
                self._wrong(item, f"The chat has more than {LONGEST:,} characters.", "Shorten it.")
                return ()
            message = Written(str(role.value), _parts(self._source, content, self._base))
            try:
                check_messages([message])
            except TransparencyError as error:
                if message.content or error.message.startswith("There is no role"):
                    self._wrong(role if "role" in error.message else content, error.message, error.remedy)
                    return ()
            messages.append(message)
        return tuple(messages)

    def _unknown(self, key: Any, name: str) -> None:
        if name in DOTPROMPT:
            said = f"`{name}` is a key of Dotprompt that has no effect here."
            self._wrong(key, said, "", severity="information", code="unusedKey")
            return
        said = f"There is no key `{name}`." if name else "A key is a single word."
        self._wrong(key, said, f"Keys are {', '.join(KEYS)}.", severity="warning", code="unknownKey")

    def _range(self, node: Any) -> tuple[int, int]:
        start = self._base + min(node.start_mark.index, len(self._source))
        end = self._base + min(node.end_mark.index, len(self._source))
        trimmed = len(self._source[start - self._base : end - self._base].rstrip())
        return start, start + max(trimmed, 0)

    def _wrong(
        self, node: Any, message: str, remedy: str, *, severity: Severity = "error", code: str = "frontMatter"
    ) -> None:
        start, end = self._range(node)
        self._problems.append(Problem(start, end, message, remedy, severity, code))

    def _problem(self, start: int, end: int, message: str, remedy: str) -> None:
        last = self._base + len(self._source)
        at = min(self._base + start, last)
        self._problems.append(Problem(at, min(self._base + end, last), message, remedy, "error", "yaml"))


def _parts(source: str, node: Any, base: int) -> list[Part]:
    """The parts of a scalar's value: runs that appear literally in the document, and those that do not."""
    value = str(node.value)
    start, end = node.start_mark.index, node.end_mark.index
    if node.style == '"' and "\\" in source[start:end]:
        return _escaped(source, start + 1, end - 1, value, base)
    if node.style in ("|", ">"):
        # after the indicator and the words beside it
        start = source.find("\n", start, end) + 1 or end
    parts: list[Part] = []
    at = start

    def find(text: str) -> int:
        # only blanks may come in between: further on, an equal word is another one
        blanks = _BLANKS.match(source, at, end)
        return source.find(text, at, min(end, (blanks.end() if blanks else at) + len(text)))

    for run in re.findall(r"\n|[^\n]+", value):
        found = find(run) if run != "\n" else -1
        if found >= 0:
            parts.append((run, base + found))
            at = found + len(run)
            continue
        # folded lines word by word; in single quotes, one quote is written as two
        for word in re.findall(r" +|'|[^ ']+" if node.style == "'" else r" +|[^ ]+", run):
            found = find(word) if word.strip() and word != "'" else -1
            parts.append((word, None if found < 0 else base + found))
            at = found + len(word) if found >= 0 else at
    return parts


def _escaped(source: str, start: int, end: int, value: str, base: int) -> list[Part]:
    """The parts of a double-quoted text with escapes; one over several lines appears nowhere literally."""
    parts: list[Part] = []
    at = start
    for match in _ESCAPE.finditer(source, start, end):
        parts.append((source[at : match.start()], base + at))
        digits = match[1] or match[2] or match[3]
        parts.append((chr(int(digits, 16)) if digits else _ESCAPES.get(match[4] or "", ""), None))
        at = match.end()
    parts.append((source[at:end], base + at))
    return parts if "".join(text for text, _ in parts) == value else [(value, None)]
