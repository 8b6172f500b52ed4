"""Figures for papers: SVG and PDF of every view, opened again."""

from __future__ import annotations

import io
import re
from collections import Counter
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from pypdf import PdfReader

from lm_transparency import Analysis, LoadedModel, TransparencyError, analyze, export_figure
from lm_transparency.exports.columns import Columns, token_labels
from lm_transparency.exports.drawing import pdf
from lm_transparency.exports.drawing.typeface import pieces
from lm_transparency.exports.heads_figure import head_totals
from lm_transparency.exports.look import COLOURS, ONE_COLUMN, TWO_COLUMNS
from lm_transparency.inspection.lens import inspect_lens
from lm_transparency.model.tokens import visible

SVG = "{http://www.w3.org/2000/svg}"
VIEWS: dict[str, dict[str, Any]] = {
    "routes": {},
    "lens": {},
    "heads": {},
    "map": {"layer": 1, "head": 0},
    "chart": {},
}
#: Scripts that are not in the typeface, that join, that are read from the right; marks, emoji, control characters.
WORLD = "日本 שלום, עולם مرحبا नमस्ते ไทย 👨‍👩‍👧 e\u0301 \u241b ffi Ω"
MM = 72 / 25.4


@pytest.fixture(scope="module")
def small(tiny_gpt2: LoadedModel) -> Analysis:
    """Five layers; the embedded model takes seconds for each lens."""
    return analyze(tiny_gpt2, "When Mary and John went to the store, John gave a drink to")


def made(run: Analysis, form: str, **options: Any) -> bytes:
    return export_figure(run, form, **{"target": len(run.tokens) - 1, "threshold": 0.02, **options})


def svg_of(run: Analysis, **options: Any) -> ElementTree.Element:
    return ElementTree.fromstring(made(run, "svg", **options))


def words_of(root: ElementTree.Element) -> str:
    return "\n".join("".join(element.itertext()) for element in root.iter(f"{SVG}text"))


def text_of(file: bytes) -> str:
    (page,) = PdfReader(io.BytesIO(file)).pages
    return page.extract_text()


def size_of(root: ElementTree.Element) -> tuple[float, float]:
    width, height = (float(size) for size in root.attrib["viewBox"].split()[2:])
    return width, height


@pytest.mark.parametrize("width_mm", [ONE_COLUMN, TWO_COLUMNS, 120.0])
@pytest.mark.parametrize("view", VIEWS)
def test_pdf_and_svg_have_the_same_size_and_words(small: Analysis, view: str, width_mm: float) -> None:
    options = {"view": view, "width_mm": width_mm, "caption": True, **VIEWS[view]}
    root, file = svg_of(small, **options), made(small, "pdf", **options)
    (page,) = PdfReader(io.BytesIO(file)).pages
    width, height = size_of(root)
    assert width == pytest.approx(width_mm * MM, abs=0.02)
    assert root.attrib["width"] == f"{width_mm:.2f}mm"
    assert [float(side) for side in page.mediabox[2:]] == pytest.approx([width, height], abs=0.02)
    # outlines are no text for every reader
    texts = words_of(root).split("\n")
    plain = "".join(piece.text for words in texts for piece in pieces(words) if piece.outline is None)
    assert Counter("".join(plain.split())) == Counter("".join(page.extract_text().split()))
    for part in (small.model.name, "tokens)", "LM Transparency 0.", "Method:"):
        assert part in words_of(root).replace("\n", " ")


@pytest.mark.parametrize("view", VIEWS)
def test_the_typeface_is_inside_of_both(small: Analysis, view: str) -> None:
    file = made(small, "pdf", view=view, **VIEWS[view])
    resources: Any = PdfReader(io.BytesIO(file)).pages[0]["/Resources"]
    fonts = [font.get_object() for font in resources["/Font"].values()]
    used = [font for font in fonts if "DejaVu" in font["/BaseFont"]]
    assert used
    for font in used:
        assert "/FontFile2" in font["/FontDescriptor"]
        assert "/ToUnicode" in font
    assert "@font-face" in (svg_of(small, view=view, **VIEWS[view]).findtext(f"{SVG}style") or "")
    # a subset, not the whole typeface
    assert len(file) < 150_000


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("width_mm", [60.0, ONE_COLUMN, TWO_COLUMNS, None])
@pytest.mark.parametrize("kept", [False, True])
def test_nothing_leaves_the_paper(small: Analysis, view: str, width_mm: float | None, kept: bool) -> None:
    root = svg_of(small, view=view, width_mm=width_mm, kept=kept, caption=True, **VIEWS[view])
    width, height = size_of(root)
    for element in root.iter(f"{SVG}text"):
        words, size = "".join(element.itertext()), float(element.attrib["font-size"])
        long = size * sum(piece.width for piece in pieces(words))
        x, y = float(element.attrib["x"]), float(element.attrib["y"])
        shift = {"middle": long / 2, "end": long}.get(element.get("text-anchor", ""), 0.0)
        if "transform" in element.attrib:
            assert y + shift <= height + 0.5 and y + shift - long >= -0.5, words
        else:
            assert x - shift >= -0.5 and x - shift + long <= width + 0.5, words
    for shape in root.iter(f"{SVG}rect"):
        if shape.attrib["width"] != "100%":
            assert float(shape.attrib["x"]) + float(shape.attrib["width"]) <= width + 0.5


def test_labels_do_not_run_into_each_other(ioi: Analysis) -> None:
    for width_mm in (ONE_COLUMN, TWO_COLUMNS, None):
        root = svg_of(ioi, width_mm=width_mm)
        labels = [text for text in root.iter(f"{SVG}text") if text.get("class") == "token"]
        assert len(labels) == len(ioi.tokens)
        for one, other in pairwise(labels):
            sizes = [float(text.attrib["font-size"]) for text in (one, other)]
            turned = "transform" in one.attrib
            lengths = [
                size if turned else size * sum(piece.width for piece in pieces(text.text or ""))
                for size, text in zip(sizes, (one, other), strict=True)
            ]
            assert float(other.attrib["x"]) - float(one.attrib["x"]) >= sum(lengths) / 2


@pytest.mark.parametrize("appearance", COLOURS)
def test_the_paper_is_light_dark_or_not_there(small: Analysis, appearance: Any) -> None:
    root = svg_of(small, appearance=appearance)
    papers = [rect.attrib["fill"] for rect in root.iter(f"{SVG}rect") if rect.attrib["width"] == "100%"]
    assert papers == ([] if appearance == "transparent" else [COLOURS[appearance].background])


@pytest.fixture(scope="module")
def long(tiny_gpt2: LoadedModel) -> Analysis:
    return analyze(tiny_gpt2, "Mary and John went to the store. " * 6)


def test_kept_columns_fold_the_rest_and_count_it(long: Analysis) -> None:
    n = len(long.tokens)
    for width_mm in (ONE_COLUMN, TWO_COLUMNS):
        root = svg_of(long, width_mm=width_mm, kept=True, threshold=0.02)
        shown = sum(text.get("class") == "token" for text in root.iter(f"{SVG}text"))
        folded = sum(int(count) for count in re.findall(r"^(\d+)(?: tokens)?$", _turned(root), re.MULTILINE))
        assert 1 < shown < n
        assert shown + folded == n
        said = re.search(r"folded: (\d+) tokens that carry (no route|[\d.e-]+ of the flow)", words_of(root))
        assert said and int(said[1]) == folded


def _turned(root: ElementTree.Element) -> str:
    texts = [text for text in root.iter(f"{SVG}text") if "transform" in text.attrib and text.get("class") != "token"]
    return "\n".join(text.text or "" for text in texts)


def test_columns_keep_what_carries_most_where_not_all_fit() -> None:
    carried = [0.0, 0.1, 0.0, 0.9, 0.5, 0.0, 0.0, 1.0]
    labels = [f"t{at}" for at in range(8)]
    every = Columns(labels, carried, left=0, room=500, kept=False)
    assert [column.folded for column in every.columns] == [False] * 8
    kept = Columns(labels, carried, left=0, room=500, kept=True)
    # one token alone is no stretch
    assert [(column.first, column.last) for column in kept.folds] == [(5, 6)]
    few = Columns(labels, carried, left=0, room=45, kept=True)
    assert [column.first for column in few.shown] == [3, 4, 7]
    assert few.right <= 45
    assert few.at(6) is few.at(5) and few.at(1).folded


def test_words_that_come_again_are_numbered(ioi: Analysis) -> None:
    labels = token_labels(ioi)
    assert [label for label in labels if "John" in label] == ["·John₁", "·John₂"]
    assert labels.count(visible(ioi.tokens[1].text)) == 1


@pytest.mark.parametrize("form", ["svg", "pdf"])
def test_every_script_is_drawn(embedded: LoadedModel, form: str) -> None:
    run = analyze(embedded, WORLD)
    file = made(run, form, threshold=0.05, width_mm=TWO_COLUMNS, caption=True)
    if form == "svg":
        ElementTree.fromstring(file)
        assert "שלום" in file.decode("utf-8")
    else:
        assert "ffi Ω" in text_of(file)
        # as a reader copies it, though it is drawn as outlines
        assert "/ActualText" in _content(file)


def _content(file: bytes) -> str:
    stream = PdfReader(io.BytesIO(file)).pages[0].get_contents()
    assert stream is not None
    return stream.get_data().decode("latin-1")


def test_a_text_becomes_letters_outlines_or_boxes() -> None:
    def kinds(text: str) -> list[tuple[str, bool]]:
        return [(piece.text, piece.outline is not None) for piece in pieces(text)]

    assert kinds("·Mary → 0.3") == [("·Mary → 0.3", False)]
    # composed where there is one letter for it
    assert kinds("e\u0301") == [("é", False)]
    assert kinds("x\u0302\u0304") == [("x\u0302\u0304", True)]
    # words that are read from the right stand from the right
    (hebrew,) = pieces("שלום עולם")
    assert hebrew.outline and hebrew.width > 0
    assert kinds("a שלום b") == [("a ", False), ("שלום", True), (" b", False)]
    (joined,), (alone,) = pieces("مر"), pieces("م")
    assert joined.width != pytest.approx(2 * alone.width)
    for missing in "\U0010fffd\u0e90":
        (box,) = pieces(missing)
        assert box.outline and box.width > 0.3


def test_the_same_figure_has_the_same_bytes(small: Analysis) -> None:
    assert made(small, "pdf") == made(small, "pdf")


def test_lens_heads_and_charts_show_their_numbers(small: Analysis) -> None:
    last = len(small.tokens) - 1
    found = inspect_lens(small)
    shown = words_of(svg_of(small, view="lens"))
    assert found.texts[int(found.top[-1, last])].strip() in shown
    graph = small.routes(last, 0.02)
    totals = head_totals(graph, "flow")
    # what reaches the target through heads is theirs, and no head has more than all
    assert all(0 < total <= len(small.trace.layers) for total in totals.values())
    (layer, head), most = max(totals.items(), key=lambda item: item[1])
    assert f"strongest: L{layer} H{head} {most:.2g}" in words_of(svg_of(small, view="heads"))
    chart = svg_of(small, view="chart", tokens=(11, 12))
    tracks = [path for path in chart.iter(f"{SVG}path") if path.get("class") == "track"]
    # two tokens by probability and by logit, a point for the embedding and for each layer
    assert [path.attrib["d"].count("L") for path in tracks] == [len(small.trace.layers)] * 4


def test_positions_of_the_lens_are_those_that_are_asked_for(small: Analysis) -> None:
    whole, some = inspect_lens(small), inspect_lens(small, positions=[2, 5])
    assert some.top.tolist() == whole.top[:, [2, 5]].tolist()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"width_mm": 10.0}, "10 mm cannot be drawn"),
        ({"view": "map"}, "A map needs a layer"),
        ({"view": "map", "layer": 99}, "layer 99"),
        ({"view": "poster"}, "It takes routes, lens"),
        ({"ink": "effect"}, "no effects to draw"),
        ({"appearance": "red"}, "It takes light, dark or transparent"),
        ({"view": "chart", "tokens": (10**9,)}, "1000000000"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(small: Analysis, options: dict[str, Any], says: str) -> None:
    with pytest.raises(TransparencyError, match=re.escape(says)) as caught:
        made(small, "svg", **options)
    assert caught.value.remedy


def test_pdf_without_its_library_names_the_remedy(small: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    pdf._library.cache_clear()  # pyright: ignore[reportPrivateUsage]  # the cache of what is imported
    monkeypatch.setitem(__import__("sys").modules, "reportlab.pdfgen.canvas", None)
    with pytest.raises(TransparencyError, match=r"pip install 'reportlab\[shaping\]'") as caught:
        made(small, "pdf")
    assert caught.value.kind == "dependencyMissing"
