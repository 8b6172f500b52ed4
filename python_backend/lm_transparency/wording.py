"""Quotes and lists in sentences, shortened to what a person reads."""

from __future__ import annotations

import re
from collections.abc import Iterable


def quoted(text: str, most: int = 60) -> str:
    """`'text'`: its beginning and the end of it; invisible characters are escaped."""
    end = most // 4
    return repr(text if len(text) <= most else f"{text[: most - end - 3]} … {text[len(text) - end :]}")


def listed(items: Iterable[object], most: int = 8, between: str = ", ") -> str:
    """`0, 1, 2 and 37 more`."""
    texts = list(map(str, items))
    if len(texts) <= most + 1:
        return between.join(texts)
    return f"{between.join(texts[:most])} and {len(texts) - most} more"


#: Letters of a model's name where there is little room; what holds the name whole is near.
_MOST_OF_NAME = 16
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REVISED = re.compile(r"((?:[\w.-]+/)?[\w.-]+)@(.+)", re.ASCII | re.DOTALL)


def short_model(source: str) -> str:
    """A model's name where there is little room: the last part of a path or hub id, cut between its words. A revision
    stays. `extension/shared/modelName.ts` agrees.
    """
    # only a hub id has a revision: a path may hold an @ as well
    hub = _REVISED.fullmatch(source)
    name, revision = hub.groups() if hub else (source, "")
    last = re.split(r"[\\/]", re.sub(r"[\\/]+$", "", name))[-1]
    short = _cut(re.sub(r"\.gguf$", "", last, flags=re.IGNORECASE))
    if not revision:
        return short
    return f"{short}@{revision[:7] if _COMMIT.fullmatch(revision) else _cut(revision)}"


def _cut(name: str) -> str:
    if len(name) <= _MOST_OF_NAME:
        return name
    start = name[:_MOST_OF_NAME]
    at = max(start.rfind(mark) for mark in "-_")
    return f"{start[:at] if at > 0 else start}…"
