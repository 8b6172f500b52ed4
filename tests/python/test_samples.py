"""Samples that say what to look at: two lines each, outside of the prompt, and the target is what the model says."""

from __future__ import annotations

from pathlib import Path

import pytest

from lm_transparency import LoadedModel, analyze
from lm_transparency.model.chat import parse_chat
from lm_transparency.prompts.documents import CHAT, PROMPT, Document

SAMPLES = Path(__file__).parents[2] / "samples"
EXPLAINED = sorted(
    p for p in SAMPLES.iterdir() if p.suffix in (".prompt", ".chat") and p.read_text("utf-8")[:3] == "---"
)


def test_there_is_one_for_each_kind() -> None:
    assert {path.stem for path in EXPLAINED} >= {"induction", "negation", "variables", "names", "long"}


@pytest.mark.parametrize("path", EXPLAINED, ids=lambda path: path.stem)
def test_two_lines_say_what_to_look_at_and_the_target_is_predicted(path: Path, embedded: LoadedModel) -> None:
    text = path.read_text("utf-8")
    document = Document(text, CHAT if path.suffix == ".chat" else PROMPT)
    assert not document.front_problems
    front, rest = text.split("\n---\n", 1)
    assert sum(line.startswith("# ") for line in front.splitlines()) == 2
    prompt = document.prompt(document.stretches[0]).text
    assert "#" not in prompt and (rest == prompt or path.suffix == ".chat")
    run = analyze(embedded, parse_chat(prompt) if path.suffix == ".chat" else prompt)
    assert embedded.tokenizer.decode([int(run.predictions(1).ids[-1, 0])]) == document.settings.target
