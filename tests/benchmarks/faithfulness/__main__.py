"""Measure, and write docs/faithfulness.md: `make faithfulness`.

What was measured is kept in build/faithfulness/, a file for each prompt, so a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from lm_transparency import LoadedModel, TransparencyError, load_model

from .measuring import measure
from .page import goals, write_page
from .prompts import Question, read_questions
from .record import NAMES, Record

ROOT = Path(__file__).resolve().parents[3]
KEPT = ROOT / "build" / "faithfulness"


def main() -> int:
    parser = argparse.ArgumentParser(prog="faithfulness", description=__doc__)
    parser.add_argument("--prompts", type=int, metavar="N", help="the first N prompts, of all kinds in turns")
    parser.add_argument("--model", action="append", metavar="M", help="… also of this model; by default the embedded")
    parser.add_argument("--again", action="store_true", help="forget what was measured before, by another engine")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    arguments = parser.parse_args()
    questions = read_questions()[: arguments.prompts]
    found: dict[str, list[Record]] = {}
    started = time.time()
    try:
        for source in ["", *(arguments.model or [])]:
            model = load_model(source)
            found[model.name] = list(_records(model, questions, arguments))
    except TransparencyError as error:
        print(error, file=sys.stderr)
        return 1
    write_page(found, len(questions))
    for name, records in found.items():
        print("\n".join([name, *goals(records)]))
    print(f"docs/faithfulness.md, after {time.time() - started:.0f} s")
    return 0


def _records(model: LoadedModel, questions: list[Question], arguments: argparse.Namespace) -> Iterator[Record]:
    folder = KEPT / f"{model.name.replace('/', '--')}-{model.dtype}"
    folder.mkdir(parents=True, exist_ok=True)
    for number, question in enumerate(questions, 1):
        file = folder / f"{question.kind}-{question.number}.json"
        known = None if arguments.again else _known(file, question)
        if known is not None and (arguments.page or known.names == list(NAMES)):
            yield known
            continue
        if arguments.page:
            continue
        place, started = f"{number}/{len(questions)} {question.kind}", time.time()

        def say(what: str, place: str = place, started: float = started) -> None:
            print(f"{place} {time.time() - started:5.0f} s  {what}", flush=True)

        record = measure(model, question, known.measured if known else {}, say)
        if record is None:
            say(f"left out: {model.name} prefers the contrast in {question.prompt!r}")
            continue
        unfinished = file.with_suffix(".tmp")
        unfinished.write_text(json.dumps(record.document()), "utf-8")
        unfinished.replace(file)
        say(f"done: {len(record.measured)} units")
        yield record


def _known(file: Path, question: Question) -> Record | None:
    """What was measured before for this prompt, with these or other scores."""
    if not file.is_file():
        return None
    record = Record(**json.loads(file.read_text("utf-8")))
    return record if (record.prompt, record.m_of) == (question.prompt, question.m_of) else None


if __name__ == "__main__":
    sys.exit(main())
