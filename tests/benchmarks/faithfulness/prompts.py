"""The prompts of `tests/prompts/`, with target and contrast."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from lm_transparency import LoadedModel

FOLDER = Path(__file__).resolve().parents[2] / "prompts"

#: Kinds, in the order of the page.
PROMPT_KINDS = ("indirect-objects", "facts", "induction", "numbers", "agreement", "code")

#: Short prompts of which every attention edge is measured.
ALL_EDGES = ("The capital of France is", "The keys on the wooden shelf", "2 + 2 = ")


@dataclass(frozen=True)
class Question:
    """Whether `target` follows `prompt`, rather than `contrast`. `number`: of the prompt within its kind, from 0."""

    kind: str
    number: int
    prompt: str
    target: str
    contrast: str

    @property
    def m_of(self) -> str:
        return f"{self.target} − {self.contrast}"

    @property
    def all_edges(self) -> bool:
        return self.prompt in ALL_EDGES

    def ids(self, model: LoadedModel) -> tuple[int, int]:
        """Target and contrast; the first token of each where a tokenizer splits them."""
        encode = model.tokenizer.encode
        target, contrast = (encode(text, add_special_tokens=False)[0] for text in (self.target, self.contrast))
        return target, contrast


def read_questions() -> list[Question]:
    """One of each kind, then the next of each kind: a run that is cut short has all kinds."""
    kinds = {kind: (FOLDER / f"{kind}.jsonl").read_text("utf-8").splitlines() for kind in PROMPT_KINDS}
    found = [
        Question(kind, number, **json.loads(line)) for kind, lines in kinds.items() for number, line in enumerate(lines)
    ]
    return sorted(found, key=lambda question: question.number)
