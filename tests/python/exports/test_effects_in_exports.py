"""Effects in exported files: the figures, how they were found, and nothing that is not of the run."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from lm_transparency import Analysis, LoadedModel, TransparencyError, analyze
from lm_transparency.causal.effects import Budget
from lm_transparency.exports import FORMATS, graph_text, page
from lm_transparency.exports.effects import unit_of
from lm_transparency.exports.look import COLOURS
from lm_transparency.exports.routes_effects import signed
from lm_transparency.exports.table import COLUMNS, EFFECT_COLUMNS
from lm_transparency.inspection.effects import inspect_effects
from lm_transparency.model.tokens import visible
from lm_transparency.protocol.effects import EffectsResult, Output, UnitEffect
from lm_transparency.protocol.wire import to_wire
from lm_transparency.routes.graph import RouteGraph

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def run(tiny_gpt2: LoadedModel) -> Analysis:
    return analyze(tiny_gpt2, "Mary and John went to the store")


@pytest.fixture(scope="module")
def graph(run: Analysis) -> RouteGraph:
    return run.routes(None, 0.03)


@pytest.fixture(scope="module")
def found(run: Analysis) -> EffectsResult:
    """Some units of each kind measured, others predicted only."""
    return inspect_effects(run, contrast=True, budget=Budget(top=40, measure=4, edges=16, blocks=4, tokens=4))


@pytest.fixture(scope="module")
def units(found: EffectsResult) -> dict[str, UnitEffect]:
    return {unit.unit: unit for unit in found.units}


def svg_of(run: Analysis, graph: RouteGraph, **options: Any) -> ElementTree.Element:
    return ElementTree.fromstring(graph_text(run, graph, "svg", **options))


def drawn(root: ElementTree.Element, name: str) -> dict[tuple[str, str, str], dict[str, str]]:
    paths = [path.attrib for path in root.iter(f"{SVG}path") if path.get("class") == name]
    return {(p["data-source"], p["data-target"], p["data-kind"]): p for p in paths}


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_without_effects_is_as_it_was(run: Analysis, graph: RouteGraph, form: str) -> None:
    assert "effect" not in graph_text(run, graph, form)


def test_json_has_them_as_the_command_prints_them(run: Analysis, graph: RouteGraph, found: EffectsResult) -> None:
    effects = json.loads(graph_text(run, graph, "json", effects=found))["effects"]
    assert effects.keys() == {"metric", "units", "faithfulness", "proof", "timing"}
    assert effects["metric"]["contrast"]["text"] == (found.metric.contrast and found.metric.contrast.text)
    assert [unit["measured"] for unit in effects["units"]] == [unit.measured for unit in found.units]
    cut = replace(found, complete=False, notices=("Interrupted.",))
    effects = json.loads(graph_text(run, graph, "json", effects=cut))["effects"]
    assert (effects["complete"], effects["notices"]) == (False, ["Interrupted."])
    untimed = replace(found, timing=replace(found.timing, forward_s=0.0))
    assert "timing" not in json.loads(graph_text(run, graph, "json", effects=untimed))["effects"]


def test_csv_has_the_figures_of_each_edge_and_how_they_were_found(
    run: Analysis, graph: RouteGraph, found: EffectsResult, units: dict[str, UnitEffect]
) -> None:
    header, *rows = csv.reader(io.StringIO(graph_text(run, graph, "csv", effects=found), newline=""), strict=True)
    assert header == [*COLUMNS, *EFFECT_COLUMNS]
    seen: set[tuple[str, bool, bool]] = set()
    for row, edge in zip(rows, graph.edges, strict=True):
        said = dict(zip(header, row, strict=True))
        unit = units.get(unit_of(edge) or "")
        figures = (None, None) if unit is None else (unit.measured, unit.predicted)
        assert tuple(float(said[f"effect_{n}"] or "nan") for n in ("measured", "predicted")) == pytest.approx(
            tuple(float("nan") if figure is None else figure for figure in figures), nan_ok=True
        )
        assert said["effect_how"] == ("" if unit is None else unit.how)
        assert said["effect_metric"] == "logit"
        assert said["effect_target"] == found.metric.target.text
        assert found.metric.contrast and said["effect_contrast"] == found.metric.contrast.text
        seen.add((edge.kind, *(figure is not None for figure in figures)))
    # measured, predicted, and not known
    assert {("attention", True, True), ("ffn", True, True), ("ffn", False, False), ("residual", False, False)} <= seen


@pytest.mark.parametrize("appearance", ["light", "dark"])
def test_the_ink_tells_signs_predictions_and_what_no_route_draws_apart(
    run: Analysis, graph: RouteGraph, found: EffectsResult, units: dict[str, UnitEffect], appearance: Any
) -> None:
    root = svg_of(run, graph, ink="effect", appearance=appearance, effects=found)
    colours, edges = COLOURS[appearance], drawn(root, "edge")
    assert len(edges) == len(graph.edges)
    faded = 0
    for edge in graph.edges:
        path, unit = edges[str(edge.source), str(edge.target), edge.kind], units.get(unit_of(edge) or "")
        measured, predicted = (None, None) if unit is None else (unit.measured, unit.predicted)
        assert path.get("data-effect") == (None if measured is None else repr(measured))
        assert path.get("data-predicted") == (None if predicted is None else repr(predicted))
        figure = predicted if measured is None else measured
        if figure is not None:
            assert path["stroke"] == (colours.supports if figure > 0 else colours.opposes)
            faded += measured is None and float(path["stroke-opacity"]) < 0.46
        elif edge.target.kind != "M":
            assert path["stroke"] == colours.text
        assert "stroke-dasharray" not in path
    assert faded == sum(path.get("data-effect") is None and "data-predicted" in path for path in edges.values())
    # measured, though no route draws them, if they are notable beside the strongest
    by_name = {unit_of(edge) for edge in graph.edges}
    sizes = {u.unit: abs(u.measured) for u in found.units if u.kind == "edge" and u.measured is not None}
    hidden = {name for name, size in sizes.items() if name not in by_name and size >= 0.1 * max(sizes.values())}
    dashed = drawn(root, "undrawn")
    assert {f"{source}>{target}" for source, target, _ in dashed} == hidden
    assert hidden
    for (source, target, _), path in dashed.items():
        assert path["stroke-dasharray"]
        assert path["data-effect"] == repr(units[f"{source}>{target}"].measured)


def test_width_grows_with_the_measured_effect(run: Analysis, graph: RouteGraph, found: EffectsResult) -> None:
    root = svg_of(run, graph, ink="effect", effects=found)
    paths = [p for p in (drawn(root, "edge") | drawn(root, "undrawn")).values() if "data-effect" in p]
    attention = [p for p in paths if p["data-kind"] == "attention"]
    sizes = sorted((abs(float(p["data-effect"])), float(p["stroke-width"])) for p in attention)
    assert [width for _, width in sizes] == sorted(width for _, width in sizes)
    assert sizes[-1][1] == pytest.approx(3.45)
    # kinds do not compare: the strongest block is as wide as a block can be
    most = max(abs(u.measured) for u in found.units if u.kind == "ffn" and u.measured is not None)
    blocks = [p for p in paths if p["data-kind"] == "ffn"]
    assert blocks
    for path in blocks:
        width = 0.5 + 0.75 * math.sqrt(abs(float(path["data-effect"])) / most)
        assert float(path["stroke-width"]) == pytest.approx(width, abs=0.006)


def test_the_legend_says_how_and_bars_are_signed(
    run: Analysis, graph: RouteGraph, found: EffectsResult, units: dict[str, UnitEffect]
) -> None:
    root = svg_of(run, graph, ink="effect", effects=found)
    text = " ".join("".join(element.itertext()) for element in root.iter(f"{SVG}text"))
    metric = found.metric
    assert metric.contrast
    assert f"logit difference {visible(metric.target.text)} − {visible(metric.contrast.text)} =" in text
    n_edges = sum(unit.kind == "edge" and unit.measured is not None for unit in found.units)
    assert f"measured: {n_edges} edges set to zero, 4 blocks set to" in text
    assert "tokens not read by later ones" in text
    assert root.find(f"{SVG}desc") is not None
    bars = {}
    for rect in root.iter(f"{SVG}rect"):
        said = re.search(r"token (\d+): effect ([+−][\d.e]+)", "".join(rect.itertext()))
        if said:
            bars[f"X0_{said[1]}"] = rect.attrib["fill"]
    tokens = {name: unit.measured for name, unit in units.items() if unit.kind == "token"}
    wanted = {name: value for name, value in tokens.items() if value is not None}
    colours = COLOURS["light"]
    assert bars == {name: colours.supports if value >= 0 else colours.opposes for name, value in wanted.items()}
    assert 0 < len(bars) < len(run.tokens)
    width, height = (float(size) for size in root.attrib["viewBox"].split()[2:])
    for shape in (*root.iter(f"{SVG}rect"), *root.iter(f"{SVG}text")):
        assert -1 <= float(shape.get("x") or 0) <= width and -1 <= float(shape.get("y") or 0) <= height


def test_what_reads_as_zero_has_no_sign() -> None:
    figures = (2.74, -0.05, -0.04, 0.0)
    assert [signed(figure, ".1f") for figure in figures] == ["+2.7", "−0.1", "0.0", "0.0"]
    assert [signed(figure) for figure in figures] == ["+2.7", "−0.05", "−0.04", "0"]


def test_other_inks_tell_effects_in_attributes_and_titles(
    run: Analysis, graph: RouteGraph, found: EffectsResult
) -> None:
    root = svg_of(run, graph, effects=found)
    edge = next(path for path in root.iter(f"{SVG}path") if path.get("data-effect"))
    ends = (run.tokens[int(edge.attrib[f"data-{end}"].split("_")[1])] for end in ("source", "target"))
    said = "".join(edge.itertext())
    assert f"{' → '.join(visible(token.text) for token in ends)}, " in said
    assert re.search(r"effect [+−][\d.e]+", said)
    assert not drawn(root, "undrawn")
    assert "4 blocks" in (root.findtext(f"{SVG}desc") or "")


def test_both_hues_stand_out_from_the_background() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colours in COLOURS.values():
        for ink in (colours.supports, colours.opposes):
            high, low = sorted((luminance(ink), luminance(colours.background)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5


def test_one_token_and_nothing_measured_are_drawn(tiny_gpt2: LoadedModel) -> None:
    run = analyze(tiny_gpt2, "x")
    nothing = replace(inspect_effects(run, units=["M0_0"]), units=())
    text = graph_text(run, run.routes(), "svg", ink="effect", effects=nothing)
    assert "nothing measured" in text
    assert "nan" not in text
    root = ElementTree.fromstring(text)
    height = float(root.attrib["viewBox"].split()[-1])
    assert all(float(t.get("y") or 0) <= height for t in root.iter(f"{SVG}text"))


def test_the_ink_of_effects_without_any_is_refused_with_a_remedy(run: Analysis, graph: RouteGraph) -> None:
    with pytest.raises(TransparencyError, match=r"no effects to draw\. Choose the ink flow or local") as caught:
        svg_of(run, graph, ink="effect")
    assert caught.value.kind == "invalidParams"


def _with_unit(found: EffectsResult, **changes: Any) -> EffectsResult:
    return replace(found, units=(replace(found.units[0], **changes), *found.units[1:]))


#: (effects that are not of the run, what the message says)
FOREIGN: list[tuple[Any, str]] = [
    (lambda found: replace(found, position=3), "at position 3, and the graph leads to position"),
    (lambda found: replace(found, position=10**9), "out of range"),
    (lambda found: replace(found, metric=replace(found.metric, target=Output(10**9, "a"))), "no token 1000000000"),
    (lambda found: replace(found, metric=replace(found.metric, contrast=Output(-1, "a"))), "no token -1"),
    (lambda found: _with_unit(found, unit="Q1"), "not a unit"),
    (lambda found: _with_unit(found, unit="Q" * 10**6), "not a unit"),
    (lambda found: _with_unit(found, unit="I98_1>A99_2"), "no layer 99"),
    (lambda found: _with_unit(found, unit="X0_4096", kind="token"), "out of range"),
    (lambda found: _with_unit(found, unit="M0_1#99999", kind="neuron"), "no neuron 99999"),
    (lambda found: _with_unit(found, unit="M0_1"), "M0_1 is of kind ffn, not edge"),
    (lambda found: replace(found, units=found.units * 10_000), "units are named"),
    (lambda found: _with_unit(found, measured=float("nan")), "not finite"),
]


@pytest.mark.parametrize(("changed", "says"), FOREIGN, ids=[says for _, says in FOREIGN])
def test_effects_of_something_else_are_refused_in_a_sentence(
    run: Analysis, graph: RouteGraph, found: EffectsResult, changed: Any, says: str
) -> None:
    for form in FORMATS:
        with pytest.raises(TransparencyError, match=re.escape(says)) as caught:
            graph_text(run, graph, form, effects=changed(found))
        assert caught.value.remedy


def test_texts_are_those_of_the_run_and_nothing_in_a_word_acts_on_a_reader(
    run: Analysis, graph: RouteGraph, found: EffectsResult, units: dict[str, UnitEffect]
) -> None:
    hostile = "</text>&\x1b[31m\u202e"
    metric = replace(found.metric, target=replace(found.metric.target, text=hostile))
    every = tuple(replace(unit, text=hostile, how=hostile) for unit in found.units)
    changed = replace(found, metric=metric, units=every)
    effects = json.loads(graph_text(run, graph, "json", effects=changed))["effects"]
    assert effects["metric"]["target"]["text"] == found.metric.target.text
    assert {unit["unit"]: unit["text"] for unit in effects["units"]} == {u.unit: u.text for u in units.values()}
    for form in FORMATS:
        text = graph_text(run, graph, form, effects=changed, ink="effect")
        assert not set(text) & set("\x1b\u202e")
    ElementTree.fromstring(graph_text(run, graph, "svg", effects=changed, ink="effect"))


def test_a_page_carries_them_to_the_panel(found: EffectsResult) -> None:
    text = page.as_page("t", "run", b"", {}, effects=found)
    content = json.loads(re.search(r'id="lm-transparency-page">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
    assert content["effects"] == json.loads(json.dumps(to_wire(found)))
    without = re.search(r'id="lm-transparency-page">(.*?)</script>', page.as_page("t", "r", b"", {}), re.DOTALL)
    assert without and "effects" not in json.loads(without[1])


@pytest.mark.parametrize("name", ["I0_0>A1_1+I0_0>A1_2", "X0_0+X0_1", "M0_1+M1_1", "I0_1>A1_2+M2_2"])
def test_a_set_is_in_the_data_and_has_no_place_in_a_picture_or_a_table(
    run: Analysis, graph: RouteGraph, found: EffectsResult, name: str
) -> None:
    (known,) = inspect_effects(run, units=[name]).units
    # were it one unit, all widths would be less
    together = replace(found, units=(*found.units, replace(known, measured=1e3)))
    effects = json.loads(graph_text(run, graph, "json", effects=together))["effects"]
    assert effects["units"][-1]["unit"] == name
    for form in ("svg", "csv"):
        without = graph_text(run, graph, form, effects=found, ink="effect")
        assert graph_text(run, graph, form, effects=together, ink="effect") == without
