"""The definition of a kind of `lm-transparency inspect`, and its answer as JSON."""

from __future__ import annotations

import argparse
import dataclasses
import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from ...errors import TransparencyError
from ...printable import json_text

if TYPE_CHECKING:
    from ...analysis.result import Analysis
    from ...lens.maps import LensMaps

#: Asks an analysis the question, and returns the answer.
Ask = Callable[["Analysis"], Any]


class Reading(TypedDict):
    """How an inspection reads vectors."""

    normalize: bool
    lens: LensMaps


def reading(arguments: argparse.Namespace, analysis: Analysis) -> Reading:
    """`--no-normalize` and `--lens`. Raises `TransparencyError("invalidParams")` as `load_lens` does."""
    from ...lens.places import load_lens

    return {"normalize": not arguments.no_normalize, "lens": load_lens(analysis.model, arguments.lens)}


def no_options(_parser: argparse.ArgumentParser) -> None:
    """Most kinds only have the common options."""


@dataclasses.dataclass(frozen=True)
class Question:
    """A kind of `inspect`.

    `read` checks `arguments.what` before a model is loaded, and raises `TransparencyError("invalidParams")`. `lines`
    returns the answer as text.
    """

    name: str
    metavar: str
    help: str
    read: Callable[[argparse.Namespace], Ask]
    lines: Callable[[Analysis, Any], Iterable[str]]
    add_options: Callable[[argparse.ArgumentParser], None] = no_options


class Place(NamedTuple):
    """A feed-forward block, perhaps an expert or neuron of it: `M22_3`, `M22_3@5`, `M22_3#831`, `M22_3@5#17`."""

    layer: int
    position: int
    expert: str
    neuron: int | None


def block(name: str) -> Place:
    """Parse `name`. Raises `TransparencyError("invalidParams")` if it does not name a feed-forward block."""
    match = re.fullmatch(r"M(\d+)_(-?\d+)(?:@(\d+|shared\d*))?(?:#(\d+))?", name)
    if match is None:
        raise TransparencyError(
            "invalidParams", f"{name!r} is not a feed-forward block.", "Blocks are M<layer>_<position>."
        )
    neuron = None if match[4] is None else int(match[4])
    return Place(int(match[1]), int(match[2]), match[3] or "", neuron)


#: The values that format 1 writes for None.
_FORMAT_1: dict[str, Any] = {"probability": 0.0, "logit": 0.0, "rank_change": 0, "notice": "", "expert": ""}


def as_json(answer: Any) -> str:
    """The answer's own fields as format 1. Arrays become lists, and a score of −∞ (a hidden key) null.

    A lens is named where it is another one than that of earlier versions.
    """
    document = {"format": 1, **_plain(answer)}
    if document.get("lens") == "logit":
        del document["lens"]
    return json_text(document, indent=1) + "\n"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        held = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: _FORMAT_1.get(name) if found is None else _plain(found) for name, found in held}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, float):
        return None if math.isinf(value) else value
    # an array
    return getattr(value, "tolist", lambda: value)()
