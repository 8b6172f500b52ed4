"""Figures and the attribution graph on the command line: the same files as from everywhere else, whole or not there."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from run_command import run_text

from lm_transparency import cli

# loading by the command line itself: test_cli_loading
pytestmark = pytest.mark.usefixtures("loaded_once")

IOI = "When Mary and John went to the store, John gave a drink to"
ASKED = ["analyze", "--text", IOI]


def test_a_pdf_for_a_column_is_written_whole(tmp_path: Path) -> None:
    file = tmp_path / "routes.pdf"
    options = ["--width", "1", "--kept-columns", "--caption", "--appearance", "transparent"]
    assert cli.main([*ASKED, "--format", "pdf", *options, "-o", str(file)]) == 0
    written = file.read_bytes()
    assert written.startswith(b"%PDF-") and written.rstrip().endswith(b"%%EOF")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("figure", "says"), [("heads", "Heads of"), ("map:23.0", "Attention of L23 H0"), ("chart", "Tokens through")]
)
def test_each_view_is_a_figure(figure: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    root = ElementTree.fromstring(run_text([*ASKED, "--format", "svg", "--figure", figure, "--width", "120"], capsys))
    assert says in (root.findtext("{http://www.w3.org/2000/svg}title") or "")
    assert root.attrib["width"] == "120.00mm"


def test_the_attribution_graph_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(run_text([*ASKED, "--format", "attribution"], capsys))
    assert {"metadata", "qParams", "nodes", "links"} == document.keys()
    assert document["metadata"]["prompt"] == IOI


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--width", "wide"], "--width is 'wide'. It takes 1 or 2"),
        (["--width", "5mm"], "A figure of 5 mm cannot be drawn"),
        (["--figure", "map"], "--figure is 'map'. It takes routes"),
        (["--figure", "map:99"], "no layer 99"),
    ],
)
def test_a_figure_that_cannot_be_drawn_leaves_nothing(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "routes.pdf"
    assert cli.main([*ASKED, "--format", "pdf", *options, "-o", str(file)]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
