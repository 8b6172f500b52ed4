"""Chats written as messages, turned into the text that `model.chat.parse_chat` reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import TransparencyError
from ..model.chat import ROLES, parse_chat

#: A text and its place in the document; None where it does not appear there literally.
Part = tuple[str, int | None]


@dataclass(frozen=True)
class Written:
    """One message: its role, and the parts of its content."""

    role: str
    content: Sequence[Part]


def chat_parts(messages: Iterable[Written]) -> list[Part]:
    """A line `<|role|>` before each message. Empty lines around messages are dropped, as in every chat."""
    parts: list[Part] = []
    for message in messages:
        parts += [(f"<|{message.role}|>\n", None), *message.content, ("\n", None)]
    return parts


def check_messages(messages: Sequence[Written]) -> None:
    """Raise `TransparencyError("invalidPrompt")` for unknown roles, and for messages that look like several."""
    for number, message in enumerate(messages, start=1):
        if message.role not in ROLES:
            raise TransparencyError(
                "invalidPrompt", f"There is no role {message.role!r} (of message {number}).", f"Use {', '.join(ROLES)}."
            )
    found = parse_chat("".join(text for text, _ in chat_parts(messages))).messages
    # an empty assistant's message at the end does not count
    if [m.role for m in found] != [m.role for m in messages[: len(found)]] or len(messages) - len(found) > 1:
        raise TransparencyError(
            "invalidPrompt",
            "A message of the chat has a line that looks like the start of another message, such as <|user|>.",
            "Change that line.",
        )
