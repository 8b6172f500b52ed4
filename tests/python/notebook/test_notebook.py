"""The output of `show` in a notebook, and the answers of its kernel. Tests in JupyterLab cover the drawing."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from lm_transparency import Analysis, LoadedModel, Session, TransparencyError, inspect_edge, inspect_effects, show
from lm_transparency.notebook import cell, output
from lm_transparency.protocol.wire import to_wire

BUILT = Path(output.__file__).with_name("notebook-bridge.js").is_file()
needs_page = pytest.mark.skipif(not BUILT, reason="`make webview` builds the page")


class Notebook:
    """The two parts of IPython in use: the presence of a kernel, and a place to display output."""

    def __init__(self) -> None:
        self.bundles: list[dict[str, str]] = []

    def __call__(self, bundle: dict[str, str], *, raw: bool, display_id: bool = False) -> Notebook:
        self.bundles.append(bundle)
        return self

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        self.bundles[-1] = bundle


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    place = Notebook()
    monkeypatch.setattr(cell, "_display", lambda: place)
    return place


def page_in(bundle: dict[str, str]) -> dict[str, Any]:
    srcdoc = unescape(re.search(r'srcdoc="([^"]*)"', bundle["text/html"])[1])  # type: ignore[index]
    packed = re.search(r'id="packed">([^<]*)<', srcdoc)[1]  # type: ignore[index]
    page = gzip.decompress(base64.b64decode(packed)).decode("utf-8")
    return json.loads(re.search(r'id="lm-transparency-page">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]


@needs_page
def test_an_output_holds_the_page_with_the_view_that_was_asked_for(ioi: Analysis, notebook: Notebook) -> None:
    show(ioi, target=-2, threshold=0.1, view="lens", height=700, live=False)
    (bundle,) = notebook.bundles
    assert "--lmt-height:700px" in bundle["text/html"]
    assert "·drink" in bundle["text/plain"]
    page = page_in(bundle)
    assert page["view"] == {"runId": "recorded", "target": 13, "threshold": 0.1, "view": "lens"}
    assert "nothing that needs the model" in page["notebook"]["words"]
    assert page["payload"]


@needs_page
def test_the_bridge_answers_as_the_api_does_and_says_what_is_wrong_in_a_sentence(ioi: Analysis) -> None:
    pytest.importorskip("anywidget")
    from lm_transparency.notebook.bridge import Bridge

    session = Session()
    run_id = session.keep(ioi)
    bridge, said = Bridge(session), []
    bridge.send = lambda content, buffers=None: said.append(content)  # type: ignore[method-assign]
    asked = {"layer": 23, "query": 13, "key": 1}
    for number, (method, params) in enumerate(
        [
            ("lmTransparency/edgeHeads", {"runId": run_id, **asked}),
            ("lmTransparency/edgeHeads", {"runId": "gone", **asked}),
            ("lmTransparency/edgeHeads", {"runId": run_id, "layer": "x"}),
            ("lmTransparency/analyze", {}),
        ]
    ):
        bridge._on_message(bridge, {"id": number, "method": method, "params": params}, [])
    bridge._on_message(bridge, "nonsense", [])
    assert [reply["id"] for reply in said] == [0, 1, 2, 3]
    heads = inspect_edge(ioi, 23, 13, 1).heads.contribution.tolist()
    assert said[0]["answer"]["heads"]["contribution"] == heads
    assert [reply["error"] for reply in said] == [
        None,
        "The kernel no longer holds this analysis. Run the cell again.",
        "'layer' is str, not int.",
        "There is no question 'lmTransparency/analyze'.",
    ]


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (("run", "again"), {}, "has its prompt already"),
        (("model",), {}, "There is no prompt"),
        (("text", "text"), {}, "first of two arguments is the model"),
        (("run",), {"height": 10}, "240 to 4000"),
        (("run",), {"target": 99}, "99"),
    ],
)
def test_arguments_that_do_not_fit_are_named(
    arguments: tuple[str, ...], options: dict[str, Any], words: str, ioi: Analysis, notebook: Notebook
) -> None:
    values: dict[str, Analysis | LoadedModel] = {"run": ioi, "model": ioi.model}
    with pytest.raises(TransparencyError, match=words):
        show(*(values.get(name, name) for name in arguments), **options)  # type: ignore[arg-type]
    assert notebook.bundles == []


def test_outside_of_a_notebook_it_says_what_to_use_and_ipython_shows_one_line(ioi: Analysis) -> None:
    with pytest.raises(TransparencyError, match="export_text") as caught:
        show(ioi)
    assert caught.value._render_traceback_() == [f"TransparencyError: {caught.value}"]


@needs_page
def test_effects_go_with_the_graph_of_their_position(ioi: Analysis, notebook: Notebook) -> None:
    found = inspect_effects(ioi, position=-2, units=["M3_1"])
    with pytest.raises(TransparencyError, match="at position 13, and the graph leads to position 14"):
        show(ioi, live=False, effects=found)
    show(ioi, target=-2, live=False, effects=found)
    assert page_in(notebook.bundles[-1])["effects"] == to_wire(found)
