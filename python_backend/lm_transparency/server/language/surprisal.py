"""`surprisal`: how surprising each token of a prompt is, with its place in the document."""

from __future__ import annotations

import math

from ...errors import TransparencyError
from ...prompts.documents import Document
from ...prompts.pieces import PromptText
from ...prompts.spans import merged
from ...protocol.prompts import SurprisalParams, SurprisalResult
from .reader import Tokens
from .view import View


async def surprisal(view: View, document: Document, params: SurprisalParams) -> SurprisalResult:
    """Raises `TransparencyError` (`invalidPrompt`, `promptTooLong`, `modelNotFound` where the model is not loaded)."""

    def meant() -> PromptText:
        return document.prompt(document.at(document.units.to_characters(max(0, params.start))))

    size = len(document.text)
    prompt = await view.desk.run(size, meant)
    text = view.text(document, prompt)
    reading = await view.reader.reading(text)
    tokens = await view.reader.tokens(text, asked_by=view)
    if reading is None or tokens is None:
        model = document.settings.model
        name = f"The model {model}" if model else "A model"
        raise TransparencyError(
            "modelNotFound", f"{name} is not loaded, so nothing is known of surprisal.", "Analyze the prompt first."
        )
    bits: list[float] = reading.surprisal.tolist()
    return await view.desk.run(size, lambda: _result(document, prompt, tokens, bits))


def _result(document: Document, prompt: PromptText, tokens: Tokens, bits: list[float]) -> SurprisalResult:
    units = document.units
    start: list[int] = []
    end: list[int] = []
    values: list[float | None] = []
    for span in merged(tokens.spans):
        known = [bits[at] for at in span.tokens if not math.isnan(bits[at])]
        for piece in prompt.stretches(span.start, span.end):
            start.append(units.to_units(piece[0]))
            end.append(units.to_units(piece[1]))
            values.append(round(sum(known), 4) if known else None)
    return SurprisalResult(tokens.vocabulary.name, start, end, values)
