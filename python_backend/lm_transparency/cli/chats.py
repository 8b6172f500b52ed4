"""`--chat`: a prompt that is a chat, in the syntax of `model.chat` or as a JSON list of messages."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import TransparencyError

if TYPE_CHECKING:
    from ..model.chat import Chat

SUFFIX = ".chat"


def add_chat_option(parser: argparse.ArgumentParser) -> None:
    help_ = "the prompt is a chat: <|user|> lines before messages, or a JSON list of them (a *.chat file always is)"
    parser.add_argument("--chat", action="store_true", help=help_)


def is_chat(arguments: argparse.Namespace) -> bool:
    """Whether the prompt is a chat: by the option, by the file's name, or because its front matter begins one."""
    name: str = arguments.file or ""
    if arguments.chat or name.endswith(SUFFIX):
        return True
    from ..batch.prompts import prompt_document

    document = prompt_document(name)
    return document is not None and document.front is not None and bool(document.front.chat)


def as_prompt(text: str, arguments: argparse.Namespace) -> str | Chat:
    """`text`, or the chat it stands for. Raises `TransparencyError("invalidPrompt")`."""
    if not is_chat(arguments):
        return text
    if arguments.special_tokens != "auto":
        raise TransparencyError(
            "invalidParams", "--special-tokens has no say in a chat: the chat template writes them.", "Leave it out."
        )
    from ..model.chat import read_chat

    return read_chat(text)
