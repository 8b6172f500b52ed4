"""Problems of a document as diagnostics: in its syntax, and in what the model would make of it."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import AsyncIterator
from itertools import islice

from lsprotocol.types import Diagnostic, DiagnosticSeverity, Position, Range

from ...errors import TransparencyError
from ...model.listing import listed
from ...model.tokenizers import tokenizer_folder
from ...model.tokens import LONGEST_PROMPT, visible
from ...printable import terminal_lines
from ...prompts.documents import CHAT, JSONL
from ...prompts.front_matter import FrontMatter
from ...prompts.lines import Stretch
from ...prompts.pace import steps
from ...prompts.problems import Problem
from .reader import Vocabulary
from .store import OpenDocument
from .view import View, affordable

SOURCE = "lm-transparency"
#: The most diagnostics of one document.
_MOST = 200
_SEVERITIES = {
    "error": DiagnosticSeverity.Error,
    "warning": DiagnosticSeverity.Warning,
    "information": DiagnosticSeverity.Information,
}
_ROLE_LINE = re.compile(r"<\|[A-Za-z_]+\|>[ \t]*\r?(?:\n|$)")


async def diagnose(view: View, document: OpenDocument) -> list[Diagnostic]:
    """Cancelled where the document changes meanwhile."""
    found: list[Problem] = []
    try:
        async for problem in _problems(view, document):
            found.append(problem)
            if len(found) == _MOST:
                break
    except TransparencyError as error:
        found.insert(0, notice(error))
    ordered = sorted(found, key=lambda p: p.start)
    try:
        return await view.work(document, lambda: [_diagnostic(document, problem) for problem in ordered])
    except TransparencyError as error:
        return [told(notice(error))]


def notice(error: TransparencyError) -> Problem:
    """Says that a document was not checked, or not to its end."""
    return Problem(0, 0, error.message, error.remedy, "warning", "notReadWhole")


def told(problem: Problem) -> Diagnostic:
    """For a document whose text is unknown: at its beginning."""
    return _said(problem, Range(Position(0, 0), Position(0, 0)))


async def _problems(view: View, document: OpenDocument) -> AsyncIterator[Problem]:
    text = document.document
    front = await view.work(document, lambda: text.front)
    for problem in text.front_problems:
        yield problem
    stretches = await view.work(document, lambda: text.stretches)
    written: list[Problem] = []
    try:
        await view.work(document, lambda: written.extend(islice(text.problems_of(stretches), _MOST)))
    finally:
        # including those found before the time was over
        for problem in list(written):
            yield problem
    if front is not None and (problem := await _model_problem(view, front)):
        yield problem
    model = view.reader.meant(text.settings.model, view.options.model)
    vocabulary = await view.reader.vocabulary(model)
    if vocabulary is None:
        return
    if front is not None:
        for name in ("target", "contrast"):
            if problem := await _token_problem(view, model, front, name):
                yield problem
    for problem in await view.work(document, lambda: _look_alikes(document, vocabulary)):
        yield problem
    # a token is a byte at least
    least = (vocabulary.n_context or LONGEST_PROMPT) / 4

    def long() -> list[Stretch]:
        return affordable((s for s in steps(stretches) if s.end - s.start >= least), LONGEST_PROMPT)

    for stretch in await view.work(document, long) if vocabulary.n_context else []:
        if problem := await _length_problem(view, document, stretch, vocabulary):
            yield problem


async def _model_problem(view: View, front: FrontMatter) -> Problem | None:
    model = front.settings.model
    if model is None or view.reader.loaded(model) is not None:
        return None
    if model.lower().endswith(".gguf") or await asyncio.to_thread(tokenizer_folder, model) is not None:
        return None
    names = [found.source for found in await asyncio.to_thread(listed)]
    if model in names:
        return None
    near = difflib.get_close_matches(model, names, 1, 0.5)
    remedy = f"Did you mean {near[0]}?" if near else "Check the spelling, or allow downloads."
    said = f"There is no model {model} on this machine."
    return Problem(*front.places["model"], said, remedy, "warning", "unknownModel")


async def _token_problem(view: View, model: str, front: FrontMatter, name: str) -> Problem | None:
    text = getattr(front.settings, name)
    if text is None:
        return None
    pieces: list[str] = await view.reader.apply(model, lambda v: v.pieces(text), view)
    if len(pieces) == 1:
        return None
    split = " ".join(f"“{visible(piece)}”" for piece in pieces)
    spaced: list[str] = await view.reader.apply(model, lambda v: v.pieces(f" {text}"), view)
    remedy = f"With its leading space it is one: “{visible(' ' + text)}”." if len(spaced) == 1 else "Give one token."
    message = f"`{name}` is {len(pieces)} tokens, not one: {split}."
    return Problem(*front.places[name], message, remedy, "warning", "notOneToken")


def _look_alikes(document: OpenDocument, vocabulary: Vocabulary) -> list[Problem]:
    found: list[Problem] = []
    for start, end, own in vocabulary.specials.found_in(document.text):
        if document.document.language == CHAT and _is_role(document.text, start):
            continue
        if _holding(document, start) is None:
            continue
        name = document.text[start:end]
        if own:
            said = f"{name} is one special token for {vocabulary.name} (id {vocabulary.id_of(name)}), not text."
            found.append(Problem(start, end, said, "", "information", "specialToken"))
        else:
            said = f"{name} looks like a special token, but {vocabulary.name} reads it as plain text."
            remedy = "Leave it out, or choose the model that it is of."
            found.append(Problem(start, end, said, remedy, "warning", "lookAlike"))
        if len(found) == _MOST:
            break
    return found


def _holding(document: OpenDocument, offset: int) -> Stretch | None:
    found = document.document.within(offset, offset)
    return next((s for s in found if s.start <= offset < s.end), None)


def _is_role(text: str, offset: int) -> bool:
    return (offset == 0 or text[offset - 1] == "\n") and _ROLE_LINE.match(text, offset) is not None


async def _length_problem(
    view: View, document: OpenDocument, stretch: Stretch, vocabulary: Vocabulary
) -> Problem | None:
    shown = await view.show(document, stretch, LONGEST_PROMPT)
    if shown is None:
        return None
    count, limit = len(shown.tokens.tokens), vocabulary.n_context
    if count <= limit:
        return None
    # from the first token that is not read
    past = next((s for s in shown.tokens.spans if s.tokens[0] >= limit), None)
    where = shown.prompt.stretches(past.start, past.end) if past is not None else []
    start = where[0][0] if where and document.document.language != JSONL else stretch.start
    message = f"The prompt has {count:,} tokens; {vocabulary.name} reads at most {limit:,}."
    return Problem(start, stretch.end, message, f"Shorten it by {count - limit:,} tokens.", code="promptTooLong")


def _diagnostic(document: OpenDocument, problem: Problem) -> Diagnostic:
    return _said(problem, document.positions.range(problem.start, max(problem.end, problem.start)))


def _said(problem: Problem, place: Range) -> Diagnostic:
    return Diagnostic(
        range=place,
        message=terminal_lines(f"{problem.message} {problem.remedy}".strip()),
        severity=_SEVERITIES[problem.severity],
        source=SOURCE,
        code=problem.code or None,
    )
