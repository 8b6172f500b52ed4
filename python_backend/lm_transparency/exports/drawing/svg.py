"""A drawing as SVG: its texts stay texts, and the typeface comes along."""

from __future__ import annotations

import base64
from xml.sax.saxutils import quoteattr

from ...printable import xml
from .shapes import POINTS, Circle, Drawing, Path, Rect, Shape, Step, Text
from .typeface import FAMILY, subset

_FONTS = f"'{FAMILY}', 'DejaVu Sans', 'Arial Narrow', Arial, sans-serif"


def as_svg(drawing: Drawing) -> str:
    """The document; its size is in millimetres, its units are points."""
    width, height = drawing.width, drawing.height
    size = f'width="{width / POINTS:.2f}mm" height="{height / POINTS:.2f}mm" viewBox="0 0 {_n(width)} {_n(height)}"'
    font = base64.b64encode(subset("".join(drawing.texts()))).decode("ascii")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family={quoteattr(_FONTS)}>',
        f"<title>{xml(drawing.title)}</title>",
        *([f"<desc>{xml(drawing.about)}</desc>"] if drawing.about else []),
        f"<style>@font-face {{ font-family: '{FAMILY}'; src: url(data:font/ttf;base64,{font}) }}</style>",
        *([f'<rect width="100%" height="100%" fill="{drawing.background}"/>'] if drawing.background else []),
        *map(_element, drawing.shapes),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _element(shape: Shape) -> str:
    if isinstance(shape, Text):
        return _text(shape)
    if isinstance(shape, Circle):
        place = f'cx="{_n(shape.x)}" cy="{_n(shape.y)}" r="{_n(shape.radius)}"'
        return f'<circle {place} fill="{shape.fill}"{_opacity("opacity", shape.opacity)}/>'
    return _rect(shape) if isinstance(shape, Rect) else _path(shape)


def _rect(shape: Rect) -> str:
    attributes = [f'<rect x="{_n(shape.x)}" y="{_n(shape.y)}" width="{_n(shape.width)}" height="{_n(shape.height)}"']
    if shape.radius:
        attributes.append(f'rx="{_n(shape.radius)}"')
    attributes.append(f'fill="{shape.fill or "none"}"{_opacity("fill-opacity", shape.opacity)}')
    if shape.stroke:
        attributes.append(f'stroke="{shape.stroke}" stroke-width="{_n(shape.stroke_width)}"')
        attributes[-1] += _opacity("stroke-opacity", shape.stroke_opacity) + _dashes(shape.dashes)
    return _closed(" ".join(attributes), "rect", shape.title)


def _path(shape: Path) -> str:
    name = f' class="{shape.name}"' if shape.name else ""
    data = "".join(f" data-{key}={quoteattr(xml(value))}" for key, value in shape.data)
    return _closed(
        f'<path{name}{data} d="{_steps(shape.steps)}" fill="none" stroke="{shape.stroke}" '
        f'stroke-width="{_n(shape.width)}" stroke-opacity="{shape.opacity:.3f}"{_dashes(shape.dashes)} '
        'stroke-linecap="round" stroke-linejoin="round"',
        "path",
        shape.title,
    )


def _text(shape: Text) -> str:
    name = f' class="{shape.name}"' if shape.name else ""
    place = f'x="{_n(shape.x)}" y="{_n(shape.y)}" font-size="{_n(shape.size)}"'
    if shape.turned:
        place += f' transform="rotate(-90 {_n(shape.x)} {_n(shape.y)})"'
    if shape.anchor != "start":
        place += f' text-anchor="{shape.anchor}"'
    first = shape.runs[0].colour if shape.runs else "none"
    words = "".join(
        xml(run.text) if run.colour == first else f'<tspan fill="{run.colour}">{xml(run.text)}</tspan>'
        for run in shape.runs
    )
    return f'<text{name} {place} fill="{first}" xml:space="preserve">{words}</text>'


def _closed(start: str, tag: str, title: str) -> str:
    return f"{start}><title>{xml(title)}</title></{tag}>" if title else f"{start}/>"


def _steps(steps: tuple[Step, ...]) -> str:
    return "".join(f"{letter}{' '.join(map(_n, numbers))}" for letter, numbers in steps)


def _opacity(name: str, value: float) -> str:
    return "" if value == 1 else f' {name}="{value:.3g}"'


def _dashes(dashes: tuple[float, ...]) -> str:
    return f' stroke-dasharray="{" ".join(map(_n, dashes))}"' if dashes else ""


def _n(value: float) -> str:
    """A number without zeros that say nothing."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
