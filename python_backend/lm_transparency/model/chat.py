"""Chats: messages with roles, as plain text and as the tokens that a tokenizer's chat template makes of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import Any

from ..errors import STOPS, TransparencyError
from ..files.json_files import parse_json
from .templates import render_chat
from .tokens import Token, encode_text

ROLES = ("system", "developer", "user", "assistant", "tool")

_ROLE_LINE = re.compile(r"<\|([A-Za-z_]+)\|>[ \t]*")
_SYNTAX = "Put a line <|user|>, <|assistant|> or <|system|> before each message."
#: Private-use characters, which appear in no template and no message.
_MARK = "\ue000{}\ue001"
#: Characters searched for messages that a template has changed, and characters searched in vain before giving up.
_MOST_LOOKED = 100_000_000


@dataclass(frozen=True)
class Message:
    """`start`: the character of the chat's text at which `content` begins."""

    role: str
    content: str
    start: int


@dataclass(frozen=True)
class Chat:
    """`messages` as they appear in `text`. The model answers next, or continues an assistant's message at the end."""

    text: str
    messages: tuple[Message, ...]

    @property
    def continues(self) -> bool:
        """Whether the model is to continue the last message."""
        return self.messages[-1].role == "assistant"


def parse_chat(text: str) -> Chat:
    """A chat in which a line `<|role|>` precedes each message; empty lines around messages are dropped.

    An empty assistant's message at the end means the same as none: the answer begins there. Raises
    `TransparencyError("invalidPrompt")`.
    """
    found: list[tuple[str, int, int]] = []
    at = 0
    for number, line in enumerate(text.split("\n"), start=1):
        end = at + len(line)
        role = _ROLE_LINE.fullmatch(line)
        if role is not None:
            found.append((_known(role[1], f"in line {number}"), end + 1, end + 1))
        elif line.strip():
            if not found:
                raise TransparencyError("invalidPrompt", f"Line {number} of the chat belongs to no message.", _SYNTAX)
            name, start, last = found[-1]
            # empty lines before the text are dropped
            found[-1] = (name, at if last <= start else start, end)
        at = end + 1
    messages = [Message(role, text[start:end], start) for role, start, end in found]
    return _checked(text, messages)


def read_chat(text: str) -> Chat:
    """A chat as `parse_chat` reads it, or a JSON list of messages. Raises `TransparencyError("invalidPrompt")`."""
    if not text.lstrip().startswith("["):
        return parse_chat(text)
    remedy = "Give a JSON list of messages, or begin with a line <|user|>."
    # half a surrogate pair is refused by name, as in any prompt
    return chat_of(parse_json(text, "The chat begins like JSON and", kind="invalidPrompt", remedy=remedy, strict=False))


def chat_of(messages: Sequence[Any]) -> Chat:
    """The chat of `messages`, each `{"role": …, "content": …}` with strings. Raises `TransparencyError`."""
    text, found = "", list[Message]()
    for number, message in enumerate(messages, start=1):
        given = dict[str, Any](message) if isinstance(message, dict) else {}
        role, content = given.get("role"), given.get("content")
        if not isinstance(role, str) or not isinstance(content, str):
            raise TransparencyError(
                "invalidPrompt",
                f"Message {number} is not an object with the texts `role` and `content`.",
                'A chat is a list such as [{"role": "user", "content": "Hello"}].',
            )
        text += f"<|{_known(role, f'of message {number}')}|>\n"
        found.append(Message(role, content, len(text)))
        text += content + "\n"
    return _checked(text, found)


def _known(role: str, where: str) -> str:
    if role not in ROLES:
        raise TransparencyError("invalidPrompt", f"There is no role {role!r} ({where}).", f"Use {', '.join(ROLES)}.")
    return role


def _checked(text: str, messages: list[Message]) -> Chat:
    if messages and messages[-1].role == "assistant" and not messages[-1].content.strip():
        messages = messages[:-1]
    if not messages:
        raise TransparencyError("invalidPrompt", "The chat has no message.", _SYNTAX)
    return Chat(text, tuple(messages))


def encode_chat(tokenizer: Any, chat: Chat) -> list[Token]:
    """The tokens of `chat` as the tokenizer's chat template writes it, with spans in `chat.text`.

    Tokens that the template adds have `template` set, and an empty span. Raises `TransparencyError("invalidPrompt")`
    for a tokenizer without a template and for a chat that the template refuses.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise TransparencyError(
            "invalidPrompt",
            "The model's tokenizer has no chat template; it seems to be a base model.",
            "Analyze the text as a plain prompt, or choose an instruction-tuned model.",
        )
    rendered = _render(tokenizer, chat)
    pieces = _exact_pieces(tokenizer, chat, rendered) or _found_pieces(chat, rendered)
    tokens: list[Token] = []
    at = first = 0
    for token in encode_text(tokenizer, rendered, add_special_tokens=False):
        # both are in order: a piece that ends before a token does not reach the next ones either
        while first < len(pieces) and pieces[first].end <= token.start:
            first += 1
        inside = list(takewhile(lambda piece: piece.at < token.end, islice(pieces, first, None)))  # noqa: B023
        inside = [piece for piece in inside if max(piece.at, token.start) < min(piece.end, token.end)]
        if inside:
            start, end = inside[0].in_text(token.start), inside[-1].in_text(token.end)
            tokens.append(replace(token, start=start, end=end))
            at = end
        else:
            tokens.append(replace(token, start=at, end=at, special=True, template=True))
    return tokens


@dataclass(frozen=True)
class _Piece:
    """A stretch of the rendered text, from `at` to `end`, that begins at `start` in the chat's text."""

    at: int
    end: int
    start: int

    def in_text(self, offset: int) -> int:
        return self.start + min(max(offset, self.at), self.end) - self.at


def _render(tokenizer: Any, chat: Chat) -> str:
    messages = [{"role": message.role, "content": message.content} for message in chat.messages]
    goes_on = chat.continues
    try:
        return render_chat(tokenizer, messages, goes_on=goes_on)
    except (ModuleNotFoundError, TransparencyError, *STOPS):
        raise
    except BaseException as error:
        # a template is a program: it refuses with an error of its own, or fails in any way
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise TransparencyError(
            "invalidPrompt",
            f"The model's chat template refuses this chat: {reason.rstrip('.')}.",
            "Change the roles or their order, or analyze the text as a plain prompt.",
        ) from error


def _exact_pieces(tokenizer: Any, chat: Chat, rendered: str) -> list[_Piece]:
    """The place of each message: the template is rendered once more with marks in place of the messages.

    Empty where the template does not treat all texts alike (and for a chat without any text).
    """
    marks = [_MARK.format(i) for i in range(len(chat.messages))]
    marked = Chat(chat.text, tuple(replace(m, content=mark) for m, mark in zip(chat.messages, marks, strict=True)))
    try:
        rest = _render(tokenizer, marked)
    except TransparencyError:
        return []
    pieces: list[_Piece] = []
    at = behind = 0
    for message, mark in zip(chat.messages, marks, strict=True):
        found = rest.find(mark, behind)
        literal = rest[behind : max(behind, found)]
        at += len(literal)
        behind = found + len(mark)
        if found < 0 or not rendered.startswith(literal, at - len(literal)):
            return []
        piece = next((p for p in _as_written(message, at) if rendered.startswith(_text(chat, p), at)), None)
        if piece is None:
            return []
        pieces.append(piece)
        at = piece.end
    return pieces if rendered[at:] == rest[behind:] else []


def _found_pieces(chat: Chat, rendered: str) -> list[_Piece]:
    """Messages found in `rendered` word for word, one after the other."""
    pieces: list[_Piece] = []
    at, looked = 0, 0
    for message in chat.messages:
        for written in _as_written(message, 0):
            if written.end == 0 or looked > _MOST_LOOKED:
                continue
            found = rendered.find(_text(chat, written), at)
            looked += (found if found >= 0 else len(rendered)) - at
            if found >= 0:
                pieces.append(_Piece(found, found + written.end, written.start))
                at = found + written.end
                break
    return pieces


def _as_written(message: Message, at: int) -> tuple[_Piece, _Piece]:
    """A message unchanged, and as many templates trim it."""
    trimmed = message.content.strip()
    start = message.start + len(message.content) - len(message.content.lstrip())
    return _Piece(at, at + len(message.content), message.start), _Piece(at, at + len(trimmed), start)


def _text(chat: Chat, piece: _Piece) -> str:
    return chat.text[piece.start : piece.start + piece.end - piece.at]
