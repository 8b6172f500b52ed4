"""Options of figures: what they show, and how they look."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from ..errors import TransparencyError
from ..protocol.inspection import Appearance, FigureView

if TYPE_CHECKING:
    from ..analysis.result import Analysis
    from ..exports.figures import Subject
    from ..exports.look import Look
    from ..protocol.effects import EffectsResult
    from ..routes.graph import RouteGraph

#: Formats that are figures, as `exports.FIGURES`, which is not imported for two words.
FIGURES = ("svg", "pdf")

_COLUMNS = {"1": 85.0, "2": 178.0}


def add_figure_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("figures (--format svg or pdf)")
    group.add_argument(
        "--figure",
        default="routes",
        metavar="VIEW",
        help="routes, lens, heads, chart (tokens through the layers), map:L.H or map:L (attention of a head or layer)",
    )
    group.add_argument("--appearance", choices=get_args(Appearance), default="light", help="default: light")
    group.add_argument("--width", metavar="W", help="1 or 2 columns (85, 178 mm), or millimetres (default: as needed)")
    group.add_argument("--kept-columns", action="store_true", help="fold the columns that carry nothing")
    group.add_argument(
        "--lens", default="logit", metavar="L", help="of lens and chart: logit, jacobian, tuned or a file"
    )
    group.add_argument("--caption", action="store_true", help="model, prompt, method and version under the figure")


def figure_options(arguments: argparse.Namespace, effects: bool) -> tuple[Look, Subject]:
    """Raises `TransparencyError("invalidParams")` for a width or a view that does not exist."""
    from ..exports.figures import Subject
    from ..exports.look import Look

    view, layer, head = _view(arguments.figure)
    look = Look(arguments.appearance, _width(arguments.width), arguments.kept_columns, arguments.caption)
    return look, Subject(view, "effect" if effects else "flow", layer, head)


def draw(
    analysis: Analysis, graph: RouteGraph, effects: EffectsResult | None, arguments: argparse.Namespace
) -> str | bytes:
    """The file of a figure in the format that was asked for."""
    from ..exports import figure_file
    from ..lens.places import load_lens
    from .options import terminal_watch

    look, subject = figure_options(arguments, effects is not None)
    subject = replace(subject, lens=load_lens(analysis.model, arguments.lens))
    form = arguments.format
    file = figure_file(analysis, graph, form, look, subject, effects=effects, watch=terminal_watch())
    return file.decode("utf-8") if form == "svg" else file


def _view(given: str) -> tuple[FigureView, int | None, int | None]:
    if found := re.fullmatch(r"map:(\d{1,4})(?:\.(\d{1,4}))?", given):
        return "map", int(found[1]), None if found[2] is None else int(found[2])
    for view in get_args(FigureView):
        if given == view != "map":
            return view, None, None
    raise TransparencyError(
        "invalidParams", f"--figure is {given!r}.", "It takes routes, lens, heads, chart, map:LAYER or map:LAYER.HEAD."
    )


def _width(given: str | None) -> float | None:
    if given is None:
        return None
    try:
        return _COLUMNS.get(given) or float(given.removesuffix("mm"))
    except ValueError:
        raise TransparencyError(
            "invalidParams", f"--width is {given!r}.", "It takes 1 or 2 (columns), or millimetres, such as 120."
        ) from None
