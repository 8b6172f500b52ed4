"""The prompts of the tests: `samples/*.prompt`, and the same texts by name."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

IOI = "When Mary and John went to the store, John gave a drink to"
WAR = "The war lasted from the year 1732 to the year 17"
SUM = "5 + 4 = 9, 2 + 3 ="
CODE = 'def mean(values: list[float]) -> float:\n    """The arithmetic mean."""\n    return sum(values) /'
MULTILINGUAL = "Bonjour le monde — Привет, мир — 日本語のテキスト 👋🏽 — مرحبا"
#: About 150 tokens.
LONG = " ".join(
    f"{IOI} Mary. Then {who} walked home along the {what}, counted the boats and talked about the war of {year}."
    for who, what, year in (("John", "river", 1732), ("Ann", "old wall", 1848), ("Mary", "harbour", 1914))
)

BY_NAME = {"ioi": IOI, "war": WAR, "sum": SUM, "code": CODE, "multilingual": MULTILINGUAL}


def samples() -> dict[str, str]:
    """Every sample that users get and that is a plain text, and the five texts above, without duplicates."""
    found = dict(BY_NAME)
    for path in sorted((ROOT / "samples").glob("*.prompt")):
        text = path.read_text("utf-8")
        # front matter says what to look at; tests/python/test_samples.py reads those
        if text.strip() and not text.startswith("---") and text not in found.values():
            found[path.stem] = text
    return found
