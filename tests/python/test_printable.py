"""Foreign text is made safe: characters that control a terminal, reorder or hide are shown; plain text is unchanged."""

from __future__ import annotations

import csv
import io
import json
import logging
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostile_text import ALWAYS_SHOWN, acts
from lm_transparency.model.readout import Readout
from lm_transparency.model.tokens import visible
from lm_transparency.printable import (
    PrintableFormatter,
    csv_cell,
    from_csv_cell,
    json_text,
    markdown_code,
    markdown_text,
    terminal,
    terminal_lines,
    xml,
)
from lm_transparency.server import stdio

#: Any code point, and often those that do something.
TEXTS = st.text(
    st.one_of(
        st.characters(),
        st.integers(0, 0x10FFFF).map(chr),
        st.sampled_from(
            "\n\r\t\x1b\x07\x7f\x9b\u202e\u2066\u200b\u200d\ufe0f\ufeff\ud83d\udc80'\"`\\=+-@&<>[]() 👩🏴ש"
        ),
    ),
    max_size=12,
)


@pytest.mark.parametrize("character", ALWAYS_SHOWN, ids=lambda c: f"{ord(c):04x}")
@pytest.mark.parametrize("around", ["{}", "a{}b", "ש{}ש", "日{}本", "👩{}🚀", "1{}"])
def test_what_acts_or_hides_is_shown_wherever_it_stands(character: str, around: str) -> None:
    shown = terminal(around.format(character))
    assert character not in shown
    assert not acts(shown)
    assert len(shown) > len(around) - 2


@pytest.mark.parametrize(
    "text",
    [
        "Hello, world! ~ \\ ` $ %",
        "שלום עולם",
        "نص عربي ١٢٣",
        "می‌خواهم",
        "नमस्ते क्‍ष ශ්‍රී",
        "Tiếng Việt, tê\u0301",
        "日本語　中文 한국어 葛\U000e0100城",
        "ภาษา\u200bไทย",
        "👨‍👩‍👧 🏳️‍🌈 👩🏽‍🚀 🙂‍↔️ ❤️‍🔥 1️⃣ #️⃣ ℹ️ ©️ 〰️ 🇫🇷 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "ᠮᠣᠩᠭᠣᠯ\u180eᠠ ᠠ\u180b",
        "·Mary↵→ ⟨f0 9f⟩ ␛",
        "\u00a0\u202f\ue0b0",
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert terminal(text) == terminal_lines(text) == text
    assert json_text(text) == json.dumps(text, ensure_ascii=False)
    assert csv_cell(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]52;c;cm0gLXJm\x07", "␛]52;c;cm0gLXJm␇"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\nb\tc\x7f", "a␍↵b→c␡"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("pass\u200dword pass\u200bword a\ufe0f", "pass\\u200dword pass\\u200bword a\\ufe0f"),
        ("x\U000e0068\U000e0069", "x\\U000e0068\\U000e0069"),
        ("\u200d\ufe0f", "\\u200d\\ufe0f"),
        ("👩\u200d\u200d🚀", "👩\\u200d\\u200d🚀"),
        ("日\ufe00\ufe01\ufe02", "日\ufe00\\ufe01\\ufe02"),
        ("\ud83d", "\\ud83d"),
    ],
)
def test_what_is_shown_instead(text: str, shown: str) -> None:
    assert terminal(text) == shown


def test_lines_stay_lines_and_nothing_returns_to_their_beginning() -> None:
    assert terminal_lines("one\r\ntwo\nthree\rfour\x1b[A") == "one\ntwo\nthree␍four␛[A"


@given(TEXTS)
def test_any_text_is_safe_and_safe_text_stays(text: str) -> None:
    shown = terminal(text)
    assert not acts(shown)
    assert terminal(shown) == shown
    shown.encode("utf-8")


# ---------------------------------------------------------------- JSON, XML, CSV


@given(TEXTS)
def test_json_is_equal_and_holds_nothing_that_acts(text: str) -> None:
    written = json_text({"a": [text], text: 1}, indent=1)
    assert not acts(written.replace("\n", ""))
    assert json.loads(written) == json.loads(json.dumps({"a": [text], text: 1}))
    assert json_text([text]).isascii() or json.loads(json_text([text]).encode("utf-8")) == [text]


def test_json_has_no_word_for_nan_and_infinity() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_text(float("nan"))


@given(TEXTS)
def test_any_text_is_text_in_xml(text: str) -> None:
    element = ElementTree.fromstring(f'<a b="{xml(text)}">{xml(text)}</a>'.encode())
    assert element.text == (terminal(text) or None)
    assert element.get("b") == terminal(text)
    assert not list(element)


@given(TEXTS)
def test_a_cell_is_no_formula_and_can_be_read_again(text: str) -> None:
    cell = csv_cell(text)
    assert from_csv_cell(cell) == text
    assert not acts(cell.replace("\n", "").replace("\t", ""))
    out = io.StringIO()
    csv.writer(out).writerow([cell, "x"])
    assert next(csv.reader(io.StringIO(out.getvalue(), newline=""), strict=True)) == [cell, "x"]


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd", "-cmd|' /C calc'!A0", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "-", "'=1"]
)
def test_what_begins_like_a_formula_begins_with_an_apostrophe(text: str) -> None:
    assert csv_cell(text).startswith("'")


def test_cells_are_written_as_the_panel_writes_them() -> None:
    vectors = json.loads((Path(__file__).parents[1] / "vectors" / "cells" / "csv.json").read_text("utf-8"))
    assert [csv_cell(vector["text"]) for vector in vectors] == [vector["cell"] for vector in vectors]


@pytest.mark.parametrize("number", ["-1.5", "+2", "1e-05", "-3.2e+10", ".5", "0"])
def test_numbers_stay_numbers(number: str) -> None:
    assert csv_cell(number) == number


# ---------------------------------------------------------------- Markdown


@pytest.mark.parametrize("text", ["`", "``x`", "x`", " `a` ", "a\r\n\r\n# b", "  ", "", "<b>", "\\`", "a\r`b"])
def test_nothing_leaves_a_code_span(text: str) -> None:
    span = markdown_code(text)
    fence = span[: len(span) - len(span.lstrip("`"))]
    inner = span[len(fence) : -len(fence)]
    assert span.endswith(fence)
    assert not acts(span)
    # what closes a span is a run of exactly as many backticks
    runs = {run for run in inner.replace("\\", " ").split() if set(run) == {"`"}}
    assert fence not in runs
    assert not inner.startswith("`") and not inner.endswith("`")
    read = inner[1:-1] if inner.strip(" ") and inner[0] == inner[-1] == " " else inner
    assert read == (terminal(text) or " ")


@pytest.mark.parametrize(
    "text",
    [
        "[go](command:evil)",
        "<img src=x onerror=y>",
        "https://evil.example",
        "www.evil.example",
        "a@b.example",
        "# head",
        "    code",
        "1. item",
        "*a* _b_ ~c~ `d`",
        "a\n\n---\nb",
        "&lt;",
    ],
)
def test_words_in_markdown_are_words(text: str) -> None:
    words = markdown_text(text)
    rest = words.replace("&#32;", "")
    assert all(
        rest[i - 1] == "\\"
        for i, c in enumerate(rest)
        if c in "[]()<>*_~`#&:/.@-\\!" and rest[i - 1 : i + 1] != "\\\\" and c != "\\"
    )
    assert not rest.startswith(" ")
    # CommonMark reads an escaped sign of ASCII as the sign
    unescaped = "".join(c for i, c in enumerate(rest) if c != "\\")
    assert unescaped == terminal(text).strip(" ").replace("\\", "")


# ---------------------------------------------------------------- logs


def test_a_log_line_cannot_forge_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler(out := io.StringIO())
    handler.setFormatter(PrintableFormatter("%(levelname)s %(message)s"))
    logger = logging.Logger("foreign")
    logger.addHandler(handler)
    try:
        raise ValueError("no\x9b31m such\x1b]52;c;\x07 \u202e model")
    except ValueError:
        logger.error("Loaded %s", "a\x1b[2Jb", exc_info=sys.exc_info())
    assert not acts(out.getvalue().replace("\n", ""))
    assert "ERROR Loaded a␛[2Jb\nTraceback" in out.getvalue()


def test_the_server_logs_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(logging, "basicConfig", lambda **options: given.update(options))
    monkeypatch.setattr("faulthandler.enable", lambda *_: None)
    stdio.log_to_stderr()
    record = logging.LogRecord("x", logging.INFO, "", 0, "Loaded %s", ("a\x1b]0;b\x07\u202e",), None)
    assert given["handlers"][0].format(record).endswith("INFO x: Loaded a␛]0;b␇\\u202e")


def test_tokens_and_labels_are_shown_through_it() -> None:
    assert visible(" a\n\t\x1b\u202e") == "·a↵→␛\\u202e"
    assert Readout("label", ("x",)).shown("not safe\x9b") == "not safe\\x9b"


class _Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


@given(TEXTS)
def test_any_text_is_text_in_html(text: str) -> None:
    assert _Elements(f'<p title="{xml(text)}">{xml(text)}</p>').tags == ["p"]
