"""Exported files of a graph, read by the formats' own readers: they hold the same edges, and the text of any token."""

from __future__ import annotations

import base64
import csv
import html.parser
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import prompts
from lm_transparency import Analysis, LoadedModel, TransparencyError, analyze, route_graph
from lm_transparency.exports import FORMATS, export_text, graph_text, page
from lm_transparency.exports.arrays import as_arrays
from lm_transparency.exports.report import as_text
from lm_transparency.exports.table import COLUMNS
from lm_transparency.model.tokens import visible
from lm_transparency.model.vocabulary import vocabulary_text
from lm_transparency.printable import from_csv_cell
from subjects import Subject, subject

SVG = "{http://www.w3.org/2000/svg}"
#: Markup, quotes, line ends, formulas, pieces of emoji, a form feed, escapes of 7 and 8 bits, a turn of direction.
HOSTILE = "a<b & \"c\" 'd'\n</text>]]>\r\n=1+1, x;y\t😀🚀 日本 \x0c\x1b\x7f\x9b\u202e &amp; é\ufffe"


@pytest.fixture(scope="module", params=["ioi", "hostile", "hostile embedded", "one token"])
def run(request: pytest.FixtureRequest, tiny_gpt2: LoadedModel, embedded: LoadedModel) -> Analysis:
    if request.param == "ioi":
        return request.getfixturevalue("ioi")
    if request.param == "one token":
        return analyze(tiny_gpt2, "x")
    return analyze(embedded if "embedded" in request.param else tiny_gpt2, HOSTILE)


def exported(run: Analysis, form: str, target: int = -1, **options: Any) -> str:
    target = target % len(run.tokens)
    return export_text(run, form, **{"target": target, "threshold": 0.02, **options})


def edges_of(run: Analysis, **options: Any) -> list[tuple[str, str, str, float, float]]:
    document = json.loads(exported(run, "json", **options))
    return [(e["source"], e["target"], e["kind"], e["weight"], e["flow"]) for e in document["edges"]]


# ---------------------------------------------------------------- JSON


@pytest.mark.parametrize("renormalize", [True, False])
def test_json_holds_the_graph(run: Analysis, renormalize: bool) -> None:
    target = len(run.tokens) // 2
    graph = route_graph(run.contributions, target, 0.02, renormalize=renormalize)
    wanted = [(str(e.source), str(e.target), e.kind, e.weight, e.flow) for e in graph.edges]
    assert edges_of(run, target=target, renormalize=renormalize) == wanted
    assert wanted
    document = json.loads(exported(run, "json", target=target, renormalize=renormalize, top_k=3))
    wanted_target = {"position": target, "reads": "token"}
    assert (document["format"], document["target"], document["renormalize"]) == (1, wanted_target, renormalize)
    assert [token["text"] for token in document["tokens"]] == [token.text for token in run.tokens]
    for token in run.tokens:
        assert token.special or token.shared or run.prompt[token.start : token.end] == token.text
    powers = np.exp(run.trace.logits[target].double().numpy())
    assert [p["probability"] for p in document["predictions"]] == pytest.approx(
        np.sort(powers / powers.sum())[::-1][:3], rel=1e-4
    )
    for predicted in document["predictions"]:
        assert powers[predicted["id"]] / powers.sum() == pytest.approx(predicted["probability"], rel=1e-4)
        assert np.log(powers[predicted["id"]]) == pytest.approx(predicted["logit"], abs=1e-4)
        assert predicted["text"] == vocabulary_text(run.model.tokenizer, predicted["id"])


# ---------------------------------------------------------------- CSV


@pytest.mark.parametrize("renormalize", [True, False])
def test_csv_read_again_holds_the_same_edges(run: Analysis, renormalize: bool) -> None:
    text = exported(run, "csv", renormalize=renormalize)
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert tuple(header) == COLUMNS
    graph = route_graph(run.contributions, len(run.tokens) - 1, 0.02, renormalize=renormalize)
    assert len(rows) == len(graph.edges)
    for row, edge, of_json in zip(rows, graph.edges, edges_of(run, renormalize=renormalize), strict=True):
        source, target, kind, layer, source_token, target_token, weight, flow, heads, threshold = row
        assert (source, target, kind, float(weight), float(flow)) == of_json
        assert int(layer) == int(target[1:].split("_")[0])
        assert float(threshold) == graph.threshold
        assert from_csv_cell(source_token) == run.tokens[edge.source.position].text
        assert from_csv_cell(target_token) == run.tokens[edge.target.position].text
        pairs = [(int(h), float(w)) for h, w in (pair.split(":") for pair in heads.split())]
        assert tuple(pairs) == edge.heads
        assert bool(pairs) <= (kind == "attention")
        if kind == "attention" and renormalize:
            assert sum(w for _, w in pairs) == pytest.approx(float(weight), abs=1e-6)


# ---------------------------------------------------------------- SVG


def numbers(path: ElementTree.Element) -> tuple[float, float]:
    return float(path.attrib["data-weight"]), float(path.attrib["data-flow"])


@pytest.mark.parametrize("appearance", ["light", "dark"])
@pytest.mark.parametrize("ink", ["flow", "local"])
def test_svg_read_again_holds_the_same_edges(run: Analysis, ink: str, appearance: str) -> None:
    root = ElementTree.fromstring(exported(run, "svg", ink=ink, appearance=appearance))
    found = [
        (*(p.attrib[f"data-{name}"] for name in ("source", "target", "kind")), *numbers(p))
        for p in root.iter(f"{SVG}path")
        if p.get("class") == "edge"
    ]
    assert sorted(found) == sorted(edges_of(run))
    # the strongest ink is drawn last
    strengths = [edge[4 if ink == "flow" else 3] for edge in found]
    assert strengths == sorted(strengths)


def test_svg_names_every_token(run: Analysis) -> None:
    root = ElementTree.fromstring(exported(run, "svg"))
    shown = [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "token"]
    assert len(shown) == len(run.tokens)
    for text, token in zip(shown, run.tokens, strict=True):
        wanted = visible(token.text)
        assert text
        # a word that comes again has a number
        named = text.rstrip("₀₁₂₃₄₅₆₇₈₉")
        assert named == wanted or (named.endswith("…") and wanted.startswith(named[:-1]))
        assert text.isprintable()


def test_svg_is_one_picture_inside_its_frame(run: Analysis) -> None:
    root = ElementTree.fromstring(exported(run, "svg"))
    width, height = (float(size) for size in root.attrib["viewBox"].split()[2:])
    for name, size in (("width", width), ("height", height)):
        assert float(root.attrib[name].removesuffix("mm")) * 72 / 25.4 == pytest.approx(size, abs=0.05)
    for shape in (*root.iter(f"{SVG}rect"), *root.iter(f"{SVG}circle"), *root.iter(f"{SVG}text")):
        x, y = (float(shape.get(name) or shape.get(f"c{name}") or 0) for name in "xy")
        assert -1 <= x <= width and -1 <= y <= height
    assert not [e for e in root.iter() if e.tag in (f"{SVG}script", f"{SVG}image", f"{SVG}foreignObject")]
    assert all("nan" not in value for e in root.iter() for value in e.attrib.values())


def test_lone_bytes_and_markup_survive(tiny_gpt2: LoadedModel) -> None:
    run = analyze(tiny_gpt2, HOSTILE)
    texts = [token.text for token in run.tokens]
    assert any(text.startswith("⟨") for text in texts)
    for sign in '<&"\n\r\t\x0c':
        assert any(sign in text for text in texts), sign
    assert json.loads(exported(run, "json"))["tokens"][0]["text"] == texts[0]


# ---------------------------------------------------------------- arrays, refusals


def test_arrays_are_all_contributions(request: pytest.FixtureRequest) -> None:
    case: Subject = subject(request, "tiny_gpt2 ioi")
    arrays = as_arrays(case.run)
    assert set(arrays) == {"attention", "attention_residual", "attention_bias", "ffn", "ffn_residual"}
    for name, array in arrays.items():
        assert array.dtype == np.float32
        for layer in range(case.plain.n_layers):
            assert array[layer] == pytest.approx(getattr(case.plain.contributions(layer), name), abs=1e-5)
    assert arrays["attention"].shape == (5, case.last + 1, case.last + 1, 5)


@pytest.mark.parametrize("form", FORMATS)
def test_no_format_hands_on_what_acts_on_its_reader(run: Analysis, form: str) -> None:
    text = exported(run, form)
    assert not set(text) & set("\x0c\x1b\x7f\x9b\u202e\ufffe")
    # lines of CSV end in CR LF
    assert "\r" not in text.replace("\r\n", "\n")


@pytest.mark.parametrize(
    "options", [{"form": "pdf"}, {"form": "SVG"}, {"form": None}, {"ink": "red"}, {"appearance": ""}]
)
def test_an_unknown_choice_is_refused_with_the_known_ones(ioi: Analysis, options: dict[str, Any]) -> None:
    with pytest.raises(TransparencyError, match=r"It takes .* or ") as caught:
        exported(ioi, **{"form": "svg", **options})
    assert caught.value.kind == "invalidParams"
    graph = ioi.routes()
    with pytest.raises(TransparencyError, match=r"It takes .* or "):
        graph_text(ioi, graph, **{"form": "svg", **options})


def test_a_report_takes_nothing_for_markup_and_is_safe(tiny_gpt2: LoadedModel) -> None:
    run = analyze(tiny_gpt2, "The store")
    hostile = "[bold]b[/] :smile: \x1b[31m\u202e [/nothing]"
    run = replace(run, model=replace(run.model, name=f"{hostile} name"), notices=(f"{hostile} notice",))
    report = as_text(run, run.routes(), 3, to_terminal=False)
    shown = "[bold]b[/] :smile: ␛[31m\\u202e [/nothing]"
    assert f"{shown} name" in report and f"{shown} notice" in report
    assert not set(report) & set("\x1b\u202e")


@pytest.mark.parametrize("form", FORMATS)
def test_what_cannot_be_drawn_is_refused(ioi: Analysis, form: str) -> None:
    for options in ({"threshold": 0.0001}, {"threshold": 1.0}, {"threshold": float("nan")}):
        with pytest.raises(TransparencyError, match="threshold") as caught:
            exported(ioi, form, **options)
        assert caught.value.kind == "invalidParams"
    with pytest.raises(TransparencyError, match="out of range"):
        export_text(ioi, form, target=15, threshold=0.04)


def test_a_graph_without_an_edge_is_a_file_all_the_same(ioi: Analysis) -> None:
    assert edges_of(ioi, threshold=0.999, renormalize=False) == []
    assert exported(ioi, "csv", threshold=0.999, renormalize=False).splitlines() == [",".join(COLUMNS)]
    root = ElementTree.fromstring(exported(ioi, "svg", threshold=0.999, renormalize=False))
    assert len([t for t in root.iter(f"{SVG}text") if t.get("class") == "token"]) == len(ioi.tokens)


# ---------------------------------------------------------------- the page


TEMPLATE = """<!doctype html><title>__LM_TRANSPARENCY_TITLE__</title>
<script type="application/json" id="page">__LM_TRANSPARENCY_PAGE__</script><script>go()</script>"""


class _Reader(html.parser.HTMLParser):
    """Collects the elements of a page, and the text of each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.texts.append((tag, ""))

    def handle_data(self, data: str) -> None:
        if self.texts:
            tag, before = self.texts[-1]
            self.texts[-1] = (tag, before + data)


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "page.html"
    file.write_text(TEMPLATE, "utf-8")
    monkeypatch.setattr(page, "_TEMPLATE", file)
    return file


@pytest.mark.usefixtures("template")
@pytest.mark.parametrize(
    "hostile",
    [
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "]]>",
        "__LM_TRANSPARENCY_TITLE__",
        "é 😀 \u2028 \\u003c \0",
    ],
)
def test_nothing_breaks_out_of_the_page(hostile: str) -> None:
    payload = bytes(range(256))
    text = page.as_page(f"Routes <b>{hostile}", "run-1", payload, {"selected": hostile, "threshold": 0.04})
    found = _Reader(text).texts
    assert [tag for tag, _ in found] == ["title", "script", "script"]
    content = json.loads(found[1][1])
    assert content["view"] == {"selected": hostile, "threshold": 0.04}
    assert content["title"] == f"Routes <b>{hostile}"
    assert content["runId"] == "run-1"
    assert base64.b64decode(content["payload"]) == payload
    assert found[2][1].strip() == "go()"


@pytest.mark.usefixtures("template")
def test_placeholders_are_gone_and_the_title_is_escaped() -> None:
    text = page.as_page("a < b & c", "run", b"", {})
    assert "<title>a &lt; b &amp; c</title>" in text
    assert "__LM_TRANSPARENCY_" not in text


@pytest.mark.usefixtures("template")
def test_a_title_that_is_a_placeholder_is_a_title() -> None:
    text = page.as_page("__LM_TRANSPARENCY_PAGE__", "run", b"", {})
    assert "<title>__LM_TRANSPARENCY_PAGE__</title>" in text


def test_a_package_without_the_page_says_so(template: Path) -> None:
    template.unlink()
    with pytest.raises(TransparencyError, match="without the page") as caught:
        page.as_page("a", "run", b"", {})
    assert caught.value.kind == "dependencyMissing"
    assert caught.value.remedy


def test_a_page_holds_a_real_analysis(template: Path, tiny_gpt2: LoadedModel) -> None:
    import msgpack

    from lm_transparency.exports.payload import encode_payload

    run = analyze(tiny_gpt2, prompts.MULTILINGUAL + "</script>")
    payload = encode_payload("run", run, 5)
    found = _Reader(page.as_page("t", "run", payload, {})).texts
    assert [tag for tag, _ in found] == ["title", "script", "script"]
    meta = msgpack.unpackb(base64.b64decode(json.loads(found[1][1])["payload"]))["meta"]
    assert [token["text"] for token in meta["tokens"]] == [token.text for token in run.tokens]
