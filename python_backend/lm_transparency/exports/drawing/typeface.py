"""The typeface of drawings: the widths of texts, and outlines of what it cannot set by itself.

DejaVu Sans Condensed comes with the package, as a subset. Characters that it lacks, and scripts whose letters join or
reorder, become outlines: shaped with the first font of this machine that has them, else a box with the code point.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from ...errors import TransparencyError
from .shapes import Step

FAMILY = "DejaVu Sans Condensed"
FILE = Path(__file__).with_name("DejaVuSansCondensed.ttf")

#: Letters of these directions are set from the right.
_LEFTWARDS = ("R", "AL")


@dataclass(frozen=True)
class Piece:
    """A stretch of a text at size 1. `outline` None: set with the typeface; otherwise steps with y growing upwards."""

    text: str
    width: float
    outline: tuple[Step, ...] | None = None


def width(text: str, size: float) -> float:
    return size * sum(piece.width for piece in pieces(text))


def clip(text: str, size: float, room: float) -> str:
    """`text` cut to `room` points, with an ellipsis where something is missing; at least one character stays."""
    if width(text, size) <= room:
        return text
    clusters = list(_clusters(text))
    while len(clusters) > 1:
        clusters.pop()
        if width(short := "".join(clusters) + "…", size) <= room:
            return short
    return clusters[0] + "…"


def wrap(text: str, size: float, room: float) -> list[str]:
    """`text` in lines of at most `room` points, broken at spaces, and within a word that is too long."""
    lines: list[str] = []
    current = ""
    for word in text.split(" "):
        longer = f"{current} {word}" if current else word
        if width(longer, size) <= room:
            current = longer
            continue
        if current:
            lines.append(current)
        current = word
        while width(current, size) > room and len(clusters := list(_clusters(current))) > 1:
            fits = 1
            while fits < len(clusters) and width("".join(clusters[: fits + 1]), size) <= room:
                fits += 1
            if fits == len(clusters):
                break
            lines.append("".join(clusters[:fits]))
            current = "".join(clusters[fits:])
    return [*lines, current] if current else lines


@lru_cache(maxsize=20_000)
def pieces(text: str) -> tuple[Piece, ...]:
    """The stretches of a text, in the order in which they stand from left to right."""
    found: list[Piece] = []
    for plain, clusters in _stretches(text):
        if plain:
            composed = unicodedata.normalize("NFC", "".join(clusters))
            found.append(Piece(composed, sum(_advance(character) for character in composed)))
        else:
            found += _outlined(clusters)
    return tuple(found)


def _stretches(text: str) -> Iterator[tuple[bool, list[str]]]:
    clusters = list(_clusters(text))
    plain = [_is_plain(cluster) for cluster in clusters]
    right = [at for at, cluster in enumerate(clusters) if _is_leftwards(cluster)]
    for first, after in pairwise(right):
        # what stands between two words that are read from the right belongs to them
        if not any(unicodedata.bidirectional(c[0]) in ("L", "EN", "AN") for c in clusters[first + 1 : after]):
            plain[first:after] = [False] * (after - first)
    for is_plain, group in groupby(range(len(clusters)), lambda at: plain[at]):
        yield is_plain, [clusters[at] for at in group]


def _outlined(clusters: list[str]) -> list[Piece]:
    """Runs of one font and one direction, shaped."""
    keyed = [(_font_for(cluster), _is_leftwards(cluster)) for cluster in clusters]
    for at in range(1, len(keyed)):
        if keyed[at - 1][1] and not clusters[at].strip(" ·.,:;!?-–—()[]\"'"):
            keyed[at] = (keyed[at][0], True)
    runs: list[tuple[bool, Piece]] = []
    at = 0
    for (font, leftwards), group in groupby(keyed):
        n = len(list(group))
        words = clusters[at : at + n]
        at += n
        made = [_boxed(word) for word in words] if font is None else [_shaped(font, "".join(words), leftwards)]
        runs += [(leftwards, piece) for piece in made]
    # neighbours that are read from the right stand in the opposite order
    return [
        piece
        for leftwards, group in groupby(runs, lambda run: run[0])
        for _, piece in (reversed(list(group)) if leftwards else group)
    ]


def _clusters(text: str) -> Iterator[str]:
    """Characters with the marks, selectors and joined characters that follow them."""
    cluster = ""
    for character in text:
        extends = (
            unicodedata.category(character) in ("Mn", "Mc", "Me")
            or character == "\u200d"
            or "\U0001f3fb" <= character <= "\U0001f3ff"
            or "\U000e0020" <= character <= "\U000e007f"
        )
        if cluster and (extends or cluster[-1] == "\u200d"):
            cluster += character
        else:
            if cluster:
                yield cluster
            cluster = character
    if cluster:
        yield cluster


def _is_leftwards(cluster: str) -> bool:
    return unicodedata.bidirectional(cluster[0]) in _LEFTWARDS


def _is_plain(cluster: str) -> bool:
    composed = unicodedata.normalize("NFC", cluster)
    return len(composed) == 1 and not _is_leftwards(composed) and _advance(composed) > 0


@cache
def _harfbuzz() -> Any:
    try:
        import uharfbuzz
    except ImportError as error:
        raise TransparencyError(
            "dependencyMissing",
            "Figures need the package uharfbuzz, which is not installed.",
            "Run `pip install 'reportlab[shaping]'` in the backend's environment.",
        ) from error
    return uharfbuzz


@cache
def face_of_typeface() -> Any:
    hb = _harfbuzz()
    return hb.Face(hb.Blob.from_file_path(str(FILE)))


@cache
def _typeface() -> Any:
    return _harfbuzz().Font(face_of_typeface())


@lru_cache(maxsize=20_000)
def _advance(character: str) -> float:
    """The width at size 1; 0 where the typeface lacks the character."""
    glyph = _typeface().get_nominal_glyph(ord(character))
    return _typeface().get_glyph_h_advance(glyph) / _typeface().face.upem if glyph else 0.0


@lru_cache(maxsize=4096)
def _font_for(cluster: str) -> Any | None:
    """The first font that has an outline of every character."""
    needed = [ord(c) for c in cluster if not "\ufe00" <= c <= "\ufe0f" and c != "\u200d"]
    for font in _fonts():
        glyphs = [font.get_nominal_glyph(code) for code in needed]
        if glyphs and all(glyphs) and (cluster.isspace() or _steps(font, glyphs[0], 0, 0, 1)):
            return font
    return None


def _fonts() -> Iterator[Any]:
    yield _typeface()
    hb = _harfbuzz()
    for path in _font_files():
        if path not in _opened:
            try:
                blob = hb.Blob.from_file_path(path)
                _opened[path] = [
                    hb.Font(hb.Face(blob, index)) for index in range(min(hb.Face.count(blob), _MOST_FACES))
                ]
            except Exception:
                # a file that cannot be read has no letters for us
                _opened[path] = []
        yield from _opened[path]


_MOST_FACES = 32
_MOST_FILES = 3000
_opened: dict[str, list[Any]] = {}


@cache
def _font_files() -> tuple[str, ...]:
    """Fonts of this machine, regular ones first."""
    home = Path.home()
    folders = {
        "darwin": [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"],
        "win32": [Path("C:/Windows/Fonts"), home / "AppData/Local/Microsoft/Windows/Fonts"],
    }.get(
        sys.platform,
        [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts", home / ".fonts"],
    )
    found = [
        str(file)
        for folder in folders
        if folder.is_dir()
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in (".ttf", ".otf", ".ttc", ".otc")
    ]
    heavy = ("bold", "italic", "oblique", "black", "thin", "light")
    return tuple(sorted(found, key=lambda name: any(word in name.lower() for word in heavy))[:_MOST_FILES])


def _shaped(font: Any, text: str, leftwards: bool) -> Piece:
    hb = _harfbuzz()
    buffer = hb.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if leftwards else "ltr"
    hb.shape(font, buffer)
    upem, pen = font.face.upem, 0.0
    steps: list[Step] = []
    for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        steps += _steps(font, info.codepoint, pen + position.x_offset, position.y_offset, upem)
        pen += position.x_advance
    return Piece(text, pen / upem, tuple(steps))


class _Pen:
    def __init__(self, x: float, y: float, scale: float) -> None:
        self._x, self._y, self._scale = x, y, scale
        self.steps: list[Step] = []
        self._at = (0.0, 0.0)

    def _step(self, letter: str, *points: tuple[float, float]) -> None:
        moved = tuple(v for x, y in points for v in ((x + self._x) / self._scale, (y + self._y) / self._scale))
        self.steps.append((letter, moved))
        if points:
            self._at = points[-1]

    def moveTo(self, p: tuple[float, float]) -> None:  # noqa: N802
        self._step("M", p)

    def lineTo(self, p: tuple[float, float]) -> None:  # noqa: N802
        self._step("L", p)

    def curveTo(self, *points: tuple[float, float]) -> None:  # noqa: N802
        self._step("C", *points)

    def qCurveTo(self, control: tuple[float, float], end: tuple[float, float]) -> None:  # noqa: N802
        (x0, y0), (x1, y1), (x2, y2) = self._at, control, end
        first = (x0 + 2 / 3 * (x1 - x0), y0 + 2 / 3 * (y1 - y0))
        second = (x2 + 2 / 3 * (x1 - x2), y2 + 2 / 3 * (y1 - y2))
        self._step("C", first, second, end)

    def closePath(self) -> None:  # noqa: N802
        self._step("Z")


def _steps(font: Any, glyph: int, x: float, y: float, scale: float) -> list[Step]:
    pen = _Pen(x, y, scale)
    font.draw_glyph_with_pen(glyph, pen)
    return pen.steps


def _boxed(cluster: str) -> Piece:
    """A box with the code point of the first character, two rows of digits."""
    digits = f"{ord(cluster[0]):04X}"
    digits = digits.zfill(len(digits) + len(digits) % 2)
    half = len(digits) // 2
    size = 0.34
    wide = half * size * _advance("0") + 0.16
    outer, inner = _frame(0.03, -0.14, wide - 0.03, 0.74), _frame(0.07, -0.1, wide - 0.07, 0.7, inner=True)
    steps = [*outer, *inner]
    for row, part in enumerate((digits[:half], digits[half:])):
        set_ = _shaped(_typeface(), part, False)
        left, base = (wide - size * set_.width) / 2, 0.38 - 0.36 * row
        for letter, numbers in set_.outline or ():
            moved = tuple(left + size * v if at % 2 == 0 else base + size * v for at, v in enumerate(numbers))
            steps.append((letter, moved))
    return Piece(cluster, wide, tuple(steps))


def _frame(left: float, bottom: float, right: float, top: float, *, inner: bool = False) -> list[Step]:
    corners = [(left, bottom), (left, top), (right, top), (right, bottom)]
    if inner:
        # the other way round, so that the middle stays empty
        corners.reverse()
    steps: list[Step] = [("L" if at else "M", corner) for at, corner in enumerate(corners)]
    return [*steps, ("Z", ())]


def subset(text: str) -> bytes:
    """The typeface with the characters of `text` only."""
    hb = _harfbuzz()
    wanted = hb.SubsetInput()
    wanted.unicode_set.clear()
    for character in sorted({*text, *unicodedata.normalize("NFC", text), " "}):
        wanted.unicode_set.add(ord(character))
    return bytes(hb.subset(face_of_typeface(), wanted).blob.data)
