"""Trial reading in a child process, before a foreign model is read here: its configuration, tokenizer and chat
template.

Functions for `isolation.run_isolated`: plain data in and out. They import what they need and never torch, which would
take seconds and hundreds of megabytes.
"""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import TransparencyError
from ..files.json_files import object_or_none
from .headers import gguf_header

_LONGEST_TOKENIZER = 512 << 20
#: How much the parts of a tokenizer together may multiply a text.
_MOST_GROWTH = 256
#: Length of the runs that patterns are tried on. A pattern that backtracks without end does so on far fewer characters.
_RUN = 400
#: Samples of the kinds of characters that patterns distinguish; characters of the pattern itself are added.
_CHARACTERS = ["a", "A", "1", ".", "_", "'", "\n", "é", "日", "🎉", " ", "a ", " a", "ab", "1a", "\t\n"]


def probe(folder: str, configuration: bool, tokenizer: bool) -> str:
    """Try the requested parts of the model in `folder`. Returns what could not be tried without torch, or an empty
    text.

    Raises `TransparencyError("modelUnusable")` for a part that would fail on, or multiply, every text.
    """
    if tokenizer and (Path(folder) / "tokenizer.json").is_file():
        probe_tokenizer(Path(folder) / "tokenizer.json")
    return probe_configuration(folder) if configuration else ""


def probe_configuration(folder: str) -> str:
    """Read the configuration in `folder` as loading will; returns what it needs of torch, if anything.

    Loading reports anything else that is wrong with it.
    """
    _without_torch()
    from transformers import AutoConfig

    try:
        AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except MemoryError:
        raise
    except Exception as error:
        return str(error)[:200] if "torch" in str(error) and "trust_remote_code" not in str(error) else ""
    return ""


def probe_configuration_with_torch(folder: str) -> str:
    """`probe_configuration` in a child process of its own."""
    from transformers import AutoConfig

    try:
        AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except MemoryError:
        raise
    except Exception:
        return ""
    return ""


def probe_tokenizer(file: Path) -> None:
    """Read a tokenizer.json, and tokenize samples that show whether it multiplies texts, fails on them or does not
    end.
    """
    from tokenizers import Tokenizer

    content = object_or_none(file, most=_LONGEST_TOKENIZER)
    if content is None:
        # loading reports what is wrong
        return
    parts = {name: content.get(name) for name in ("normalizer", "pre_tokenizer", "post_processor", "decoder")}
    growth = 1
    for text in _inserted(parts):
        growth *= max(1, len(text))
        if growth > _MOST_GROWTH:
            raise TransparencyError(
                "modelUnusable",
                f"The tokenizer multiplies texts: it puts {len(text)} characters in the place of a few.",
                "Use the tokenizer that the model was published with.",
            )
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception:
        # loading reports what is wrong
        return
    tokenizer.no_padding()
    tokenizer.no_truncation()
    own = sorted({c for text in _patterns(parts) for c in text if c.isalnum()})[:40]
    for characters in [*_CHARACTERS, *own]:
        text = (characters * _RUN)[:_RUN]
        tokenizer.encode(text)
        # the character after a run may be what the pattern waits for
        tokenizer.encode(text + "!")


def _inserted(value: Any) -> Iterator[str]:
    """Replacement texts of normalisers and of the similar settings of other parts."""
    for key, inner in _entries(value):
        if key in ("content", "prepend", "replacement", "append") and isinstance(inner, str):
            yield inner
        elif key == "precompiled_charsmap" and isinstance(inner, str):
            # a trie, then its entries, each ended by a NUL
            with suppress(ValueError):
                blob = base64.b64decode(inner)
                start = 4 + int.from_bytes(blob[:4], "little")
                yield max(blob[start:].decode("utf-8", "replace").split("\0"), key=len)


def _patterns(value: Any) -> Iterator[str]:
    for key, inner in _entries(value):
        if key == "Regex" and isinstance(inner, str):
            yield inner


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield from one.items()
        waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()


def probe_gguf(file: str) -> None:
    """Check the header of a GGUF file against its size. Raises `TransparencyError("modelUnusable")`."""
    gguf_header(Path(file))


def probe_patterns(patterns: list[str], names: list[str]) -> None:
    """Match the regular expressions of an adapter against names of modules, as peft does."""
    for pattern in patterns:
        for shape in (pattern, rf"(.*\.)?({pattern})$", rf".*\.[^.]*\.{pattern}\.(\d+)\."):
            try:
                compiled = re.compile(shape)
            except (re.error, OverflowError, RecursionError):
                # attaching reports what is wrong
                continue
            for name in names:
                compiled.match(name)
                compiled.fullmatch(name)


def render(template: str, messages: list[dict[str, str]], words: dict[str, Any]) -> dict[str, str]:
    """`messages` as a chat template writes them, by transformers' own renderer: the `text`, or the reason it
    `refused`.
    """
    _without_torch()
    from transformers.utils.chat_template_utils import render_jinja_template

    try:
        rendered, _ = render_jinja_template(conversations=[messages], chat_template=template, **words)
    except MemoryError:
        raise
    except Exception as error:
        # a template is a program: it refuses with an error of its own, or fails in any way
        return {"refused": str(error)[:1000] or type(error).__name__}
    return {"text": rendered[0]}


def _without_torch() -> None:
    sys.modules.setdefault("torch", None)  # pyright: ignore[reportArgumentType]
