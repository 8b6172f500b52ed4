"""Trial reading in a child process, before a foreign model is read here: its configuration, tokenizer and chat
template.

Functions for `isolation.run_isolated`: plain data in and out. They import what they need, and torch only where that is
asked for: it takes seconds and hundreds of megabytes.
"""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Callable, Iterator
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


def probe(folder: str, configuration: bool, torch: bool = False) -> str:
    """Try the tokenizer of the model in `folder`, and its configuration where that is asked for, as loading will read
    them. Why they could not be read without PyTorch, where that is so; else an empty text.

    Raises `TransparencyError("modelUnusable")` for what would fail on, or multiply, every text. Anything else that is
    wrong is said by loading.
    """
    if not torch:
        _without_torch()
    wants = _probe_tokenizer(Path(folder))
    if configuration:
        from transformers import AutoConfig

        wants = _why_not(lambda: AutoConfig.from_pretrained(folder, **_LOCAL)) or wants
    return "" if torch else wants


_LOCAL: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}


def _why_not(read: Callable[[], Any]) -> str:
    """The error of `read` about the missing PyTorch, which this process does without; empty for any other."""
    try:
        read()
    except MemoryError:
        raise
    except Exception as error:
        return str(error)[:200] if "torch" in str(error) and "trust_remote_code" not in str(error) else ""
    return ""


def _probe_tokenizer(folder: Path) -> str:
    """Read a tokenizer, and tokenize what shows whether it multiplies texts, fails on them or does not end."""
    from transformers import AutoTokenizer

    # loading says what is wrong with one that cannot be read
    content = object_or_none(folder / "tokenizer.json", most=_LONGEST_TOKENIZER) or {}
    parts = {name: content.get(name) for name in ("normalizer", "pre_tokenizer", "post_processor", "decoder")}
    del content
    growth = 1
    for text in _inserted(parts):
        growth *= max(1, len(text))
        if growth > _MOST_GROWTH:
            raise TransparencyError(
                "modelUnusable",
                f"The tokenizer multiplies texts: it puts {len(text)} characters in the place of a few.",
                "Use the tokenizer that the model was published with.",
            )
    read: list[Any] = []
    wants = _why_not(lambda: read.append(AutoTokenizer.from_pretrained(str(folder), **_LOCAL)))
    tokenizer = getattr(read[0], "backend_tokenizer", None) if read else None
    if tokenizer is None:
        return wants
    tokenizer.no_padding()
    tokenizer.no_truncation()
    own = sorted({c for text in _patterns(parts) for c in text if c.isalnum()})[:40]
    for characters in [*_CHARACTERS, *own]:
        text = (characters * _RUN)[:_RUN]
        tokenizer.encode(text)
        # the character after a run may be what the pattern waits for
        tokenizer.encode(text + "!")
    return ""


def _inserted(value: Any) -> Iterator[str]:
    """Texts that normalisers, and their kin in the other parts, put in the place of others."""
    for entry in _objects(value):
        for key, inner in entry.items():
            if key in ("content", "prepend", "replacement", "append") and isinstance(inner, str):
                # what a regular expression finds may be nothing, before or behind a character that then stays
                pattern = entry.get("pattern")
                yield inner + "." if isinstance(pattern, dict) and "Regex" in pattern else inner
            elif key == "precompiled_charsmap" and isinstance(inner, str):
                # a trie, then what its ends stand for, each ended by a NUL
                with suppress(ValueError):
                    blob = base64.b64decode(inner)
                    start = 4 + int.from_bytes(blob[:4], "little")
                    yield max(blob[start:].decode("utf-8", "replace").split("\0"), key=len)


def _patterns(value: Any) -> Iterator[str]:
    for entry in _objects(value):
        if isinstance(entry.get("Regex"), str):
            yield entry["Regex"]


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
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
