"""Which records of an earlier run still hold: they are matched by what they were computed from, not by their place.

A record holds for a prompt where prompt and model files have the same fingerprints. The output is then what a fresh run
would write: no record of a prompt that was edited or removed, and none of a model that was overwritten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .prompts import Prompt
from .records import Record, place_of, text_of

#: Failures that a second try may not repeat: of the machine, not of the prompt.
TRIED_AGAIN = ("internal", "outOfMemory")

Reason = Literal["edited", "model", "failed", "gone"]
_WORDS: dict[Reason, tuple[str, str]] = {
    "edited": ("1 prompt was edited", "{} prompts were edited"),
    "model": ("1 came from other model files", "{} came from other model files"),
    "failed": ("1 had failed and will be tried again", "{} had failed and will be tried again"),
    "gone": ("1 prompt is no longer there", "{} prompts are no longer there"),
}


@dataclass(frozen=True)
class Known:
    """A record in an output, as far as resuming needs it. `place`: its id, index, source and line.

    `prompt`, `model`: fingerprints, empty where an earlier version wrote the record; `text`: its prompt in that case.
    `failed`: the kind of its error.
    """

    place: dict[str, Any]
    prompt: str
    model: str
    failed: str | None
    text: str | None

    @property
    def id(self) -> str:
        return str(self.place["id"])

    @property
    def index(self) -> int:
        return int(self.place["index"] or 0)


def known(record: Record) -> Known:
    """The identity of a record. Raises `KeyError` or `TypeError` for anything else."""
    place = {"id": record["id"], **{name: record.get(name) for name in ("index", "source", "line")}}
    fingerprints, error = record.get("fingerprints") or {}, record.get("error") or {}
    prompt = fingerprints.get("prompt") or ""
    text = None if prompt else record.get("prompt")
    return Known(place, prompt, fingerprints.get("model") or "", error.get("kind"), text)


@dataclass
class Resumed:
    """`kept`: the number of the record of each prompt that has one; `left`: prompts to be analysed, in order.

    `out`: numbers of records that leave the output because they no longer hold; `why`: how many, for which reason.
    `unsure`: records kept that do not name their model files; `failed`: those with an error.
    """

    kept: list[tuple[int, Prompt]]
    left: list[Prompt]
    out: list[int]
    why: Counter[Reason] = field(default_factory=Counter)
    unsure: int = 0
    failed: int = 0

    def changes(self, records: Sequence[Known]) -> bool:
        """Whether the output must be rewritten before anything is added to it."""
        numbers = [number for number, _ in self.kept]
        as_they_are = all(records[number].place == place_of(prompt) for number, prompt in self.kept)
        return not as_they_are or len(set(numbers)) < len(numbers) or len(numbers) < len(records)

    def sentence(self) -> str:
        """Empty where all existing records hold."""
        said = [one if count == 1 else many.format(count) for one, many, count in self._counts()]
        parts = [f"Records that no longer hold: {', '.join(said)}."] if said else []
        if self.unsure:
            parts.append(f"{self.unsure} kept from an earlier version do not say which model files they are of.")
        return " ".join(parts)

    def _counts(self) -> list[tuple[str, str, int]]:
        return [(*words, self.why[reason]) for reason, words in _WORDS.items() if self.why[reason]]


def resume(records: Sequence[Known], prompts: Sequence[Prompt], model: str) -> Resumed:
    """Find out which of `records` hold for `prompts`. `model`: the fingerprint of its files, empty where unknown."""
    holding: dict[str, dict[str, int]] = {}
    for number, record in enumerate(records):
        if record.failed not in TRIED_AGAIN and _is_of(record, model):
            holding.setdefault(_key(record), {})[record.id] = number
    taken = _taken(prompts, holding)
    resumed = Resumed(
        [(number, prompt) for prompt in prompts if (number := taken.get(prompt.id)) is not None],
        [prompt for prompt in prompts if prompt.id not in taken],
        [],
        unsure=sum(bool(model) and not records[number].model for number in taken.values()),
        failed=sum(records[number].failed is not None for number in taken.values()),
    )
    used, ids = set(taken.values()), {prompt.id: prompt for prompt in prompts}
    for number, record in enumerate(records):
        if number not in used:
            reason = _reason(record, ids.get(record.id), model)
            resumed.why[reason] += 1
            # a failed record holds nothing that the next try would not
            resumed.out += [] if record.failed else [number]
    return resumed


def _taken(prompts: Sequence[Prompt], holding: dict[str, dict[str, int]]) -> dict[str, int]:
    """The record of each prompt that has one: its own, else an unused one, else one of an equal prompt."""
    found: dict[str, int] = {}
    for prompt in prompts:
        own = next((n for key in _keys(prompt) if (n := holding.get(key, {}).get(prompt.id)) is not None), None)
        if own is not None:
            found[prompt.id] = own
    used = set(found.values())
    spare = {key: [n for n in reversed(numbers.values()) if n not in used] for key, numbers in holding.items()}
    for prompt in prompts:
        equal = holding.get(prompt.fingerprint)
        if prompt.id not in found and equal:
            left = spare[prompt.fingerprint]
            found[prompt.id] = left.pop() if left else next(iter(equal.values()))
    return found


def _reason(record: Known, prompt: Prompt | None, model: str) -> Reason:
    """The reason that `record` no longer holds. `prompt`: the current prompt with its id."""
    if prompt is None:
        return "gone"
    if _key(record) not in _keys(prompt):
        return "edited"
    return "model" if not _is_of(record, model) else "failed"


def _is_of(record: Known, model: str) -> bool:
    return not model or not record.model or record.model == model


def _key(record: Known) -> str:
    # from an earlier version: the text under its own id
    return record.prompt or f"{record.id}\0{record.text}"


def _keys(prompt: Prompt) -> tuple[str, str]:
    return prompt.fingerprint, f"{prompt.id}\0{text_of(prompt)}"
