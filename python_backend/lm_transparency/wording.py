"""Quotes and lists in sentences, shortened to what a person reads."""

from __future__ import annotations

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
