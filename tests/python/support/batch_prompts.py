"""Prompts for the tests of many prompts."""

from __future__ import annotations

import json
import random
from pathlib import Path

_WORDS = ("When", "Mary", "and", "John", "went", "to", "the", "store", "a", "drink", "was", "given", "by", "one", "war")


def texts(count: int, *, longest: int = 24) -> list[str]:
    """Different texts of different lengths, the same each time."""
    choose = random.Random(7)
    return [f"{i} " + " ".join(choose.choices(_WORDS, k=choose.randint(1, longest))) for i in range(count)]


def write_jsonl(path: Path, prompts: list[str]) -> Path:
    lines = [json.dumps({"id": f"p{i}", "prompt": text}) for i, text in enumerate(prompts)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path
