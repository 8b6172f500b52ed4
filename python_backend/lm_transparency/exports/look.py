"""How a figure looks: colours, width, what is folded, whether it has a caption."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import TransparencyError
from ..protocol.inspection import Appearance
from .drawing.shapes import POINTS

#: Widths that journals ask for, in millimetres: one column, two columns.
ONE_COLUMN, TWO_COLUMNS = 85.0, 178.0
_WIDTHS = (60.0, 1000.0)


@dataclass(frozen=True)
class Look:
    """`width_mm` None: as wide as its columns need. `kept`: columns that carry nothing fold to slivers. `caption`: the
    model, the prompt, the method and the version stand under the figure.
    """

    appearance: Appearance = "light"
    width_mm: float | None = None
    kept: bool = False
    caption: bool = False

    def __post_init__(self) -> None:
        least, most = _WIDTHS
        if self.width_mm is not None and not least <= self.width_mm <= most:
            raise TransparencyError(
                "invalidParams",
                f"A figure of {self.width_mm:g} mm cannot be drawn.",
                f"The width takes {least:g} to {most:g} mm; a journal's column has about {ONE_COLUMN:g} mm.",
            )

    @property
    def width(self) -> float | None:
        """Points."""
        return None if self.width_mm is None else self.width_mm * POINTS

    @property
    def colours(self) -> Colours:
        return COLOURS[self.appearance]

    @property
    def paper(self) -> str | None:
        """The background; None: the figure is transparent."""
        return None if self.appearance == "transparent" else self.colours.background


@dataclass(frozen=True)
class Colours:
    background: str
    text: str
    dim: str
    chip: str
    attention: str
    ffn: str
    warm: str
    mixer: str
    supports: str
    opposes: str


_LIGHT = Colours(
    *("#ffffff", "#3b3b3b", "#717171", "#f0f0f0"),
    *("#1a85ff", "#652d90", "#c25e00", "#388a34", "#0066bf", "#b5295f"),
)

COLOURS: dict[Appearance, Colours] = {
    "light": _LIGHT,
    "dark": Colours(
        *("#1f1f1f", "#cccccc", "#9d9d9d", "#2d2d2d"),
        *("#3794ff", "#b180d7", "#f2a33c", "#89d185", "#4aa3ff", "#e66f9b"),
    ),
    # for any light page
    "transparent": _LIGHT,
}


def blend(colour: str, over: str, part: float) -> str:
    """`colour` of the opacity `part` over `over`, as a colour without opacity."""
    pairs = ((int(colour[at : at + 2], 16), int(over[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(under + (upper - under) * part):02x}" for upper, under in pairs)
