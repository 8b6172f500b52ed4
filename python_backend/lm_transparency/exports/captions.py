"""The caption under a figure: what is drawn, the prompt, the model, the method and the version."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.result import Analysis
from ..printable import terminal
from ..version import __version__
from .drawing.shapes import Drawing, text
from .drawing.typeface import wrap
from .look import Colours

_SIZE, _LINE = 7.0, 9.2
#: Characters of the prompt that a caption repeats; of a longer one its ends.
_LONGEST = 240

METHOD = (
    "Method: exact decomposition of the forward pass into the parts of each residual state (information-flow routes)"
)


def caption_lines(analysis: Analysis, said: Sequence[str], room: float) -> list[str]:
    """`said`: sentences about this figure, first."""
    model = analysis.model
    words = [
        *said,
        f"Prompt: “{_shortened(analysis.prompt)}” ({len(analysis.tokens)} tokens).",
        f"Model: {model.name} ({model.dtype}).",
        f"{METHOD}; parts sum to the whole to {analysis.proof.max_relative_error:.0e}.",
        f"LM Transparency {__version__}.",
    ]
    return wrap(" ".join(words), _SIZE, room)


def put_caption(drawing: Drawing, lines: Sequence[str], left: float, top: float, colours: Colours) -> float:
    """Returns where the caption ends."""
    top += 3
    for line in lines:
        top += _LINE
        drawing.add(text(left, top, line, colours.text, _SIZE))
    return top + 5


def _shortened(prompt: str) -> str:
    half = _LONGEST // 2
    line = terminal(" ".join(prompt.split()))
    return line if len(line) <= _LONGEST else f"{line[:half]} … {line[-half:]}"
