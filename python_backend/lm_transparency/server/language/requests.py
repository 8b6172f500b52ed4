"""`promptAt` and `listPrompts`: the prompts of a document, for clients that draw beside it."""

from __future__ import annotations

from dataclasses import fields

from ...errors import TransparencyError
from ...prompts.documents import Document
from ...prompts.front_matter import Settings
from ...prompts.pace import steps
from ...protocol.prompts import ListPromptsParams, ListPromptsResult, PromptAtParams, PromptAtResult, PromptSettings


def prompt_at(document: Document, params: PromptAtParams) -> PromptAtResult:
    """Raises `TransparencyError` (`invalidPrompt`, `promptTooLong`, `invalidParams`)."""
    units = document.units
    if not 0 <= params.start <= params.end:
        raise TransparencyError("invalidParams", f"The selection is from {params.start} to {params.end}.")
    if params.start != params.end:
        found = document.selected(params.start, params.end)
    else:
        found = document.prompt(document.at(units.to_characters(params.start)))
    in_prompt = type(units)(found.text)
    return PromptAtResult(
        text=found.text,
        chat=found.chat,
        start=units.to_units(found.start),
        end=units.to_units(found.end),
        piece_at=[in_prompt.to_units(piece.at) for piece in steps(found.pieces)],
        piece_from=[units.to_units(piece.source) for piece in steps(found.pieces)],
        piece_length=[
            in_prompt.to_units(piece.at + piece.length) - in_prompt.to_units(piece.at) for piece in steps(found.pieces)
        ],
        settings=_settings(document.settings),
    )


def list_prompts(document: Document, params: ListPromptsParams) -> ListPromptsResult:
    units = document.units
    stretches = document.stretches
    active = None
    if params.cursor is not None:
        active = document.index_of(document.at(units.to_characters(max(0, params.cursor))))
    return ListPromptsResult(
        start=[units.to_units(document.first(stretch)) for stretch in steps(stretches)],
        end=[units.to_units(stretch.end) for stretch in steps(stretches)],
        preview=[document.preview(stretch) for stretch in steps(stretches)],
        active=active,
    )


def _settings(settings: Settings) -> PromptSettings:
    return PromptSettings(**{a.name: getattr(settings, a.name) for a in fields(PromptSettings)})
