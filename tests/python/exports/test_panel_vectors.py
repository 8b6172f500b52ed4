"""tests/vectors/panel: the expectations of panel and window tests equal what plain transformers computes here.

Only a part of each file is recomputed, to keep the test short.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from make_panel_vectors import FOLDER, LISTED, MESSAGES, TEXTS, VECTORS, to_text
from panel_truth import Model, Recorded, chat, facts, lens, prompt
from prompts import IOI, ROOT


@pytest.fixture(scope="module")
def plain(embedded_folder: Path) -> Model:
    return Model(str(embedded_folder))


@pytest.fixture(scope="module")
def recorded(plain: Model) -> Recorded:
    return Recorded(plain, IOI)


def written(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def assert_same(got: Any, wanted: Any, where: str = "") -> None:
    """Equal as JSON; numbers may differ by what threads and processors change."""
    if isinstance(wanted, dict):
        assert got.keys() == wanted.keys(), where
        for key in wanted:
            assert_same(got[key], wanted[key], f"{where}.{key}")
    elif isinstance(wanted, list):
        assert len(got) == len(wanted), where
        for at, (one, other) in enumerate(zip(got, wanted, strict=True)):
            assert_same(one, other, f"{where}[{at}]")
    elif isinstance(wanted, float):
        assert got == pytest.approx(wanted, rel=2e-4, abs=2e-5), where
    elif isinstance(wanted, int) and ".rank" in where:
        # far down in the vocabulary float32 moves a token by a rank or two
        assert abs(got - wanted) <= max(0, wanted // 400), where
    else:
        assert got == wanted, where


def as_json(value: dict[str, Any]) -> Any:
    return json.loads(to_text(value))


PARTS: dict[str, Callable[[Model, Recorded], tuple[dict[str, Any], Callable[[dict[str, Any]], dict[str, Any]]]]] = {
    "chat": lambda plain, _: (chat(plain, MESSAGES), lambda all_: all_),
    "lens": lambda plain, _: (lens(plain, IOI), lambda all_: all_),
    "prompts": lambda plain, _: ({name: prompt(plain, text) for name, text in TEXTS.items()}, lambda all_: all_),
    "inspectors": lambda _, recorded: (
        {name: recorded.at(name) for name in ("A23_13", "attention:I22_1>A23_13", "M25_13")},
        lambda all_: {name: all_[name] for name in ("A23_13", "attention:I22_1>A23_13", "M25_13")},
    ),
    "routes": lambda _, recorded: (recorded.routes(0.04), lambda all_: all_["ioi"]),
    "models": lambda plain, _: (facts(plain.model), lambda all_: all_["facts"]["float32"]),
}


def test_every_file_has_its_maker() -> None:
    assert {path.stem for path in FOLDER.glob("*.json") if not path.stem.startswith("theme-")} == {*VECTORS}
    assert {*PARTS} == {*VECTORS}


@pytest.mark.parametrize("name", VECTORS)
def test_a_part_of_each_vector_is_what_the_model_says(name: str, plain: Model, recorded: Recorded) -> None:
    got, part = PARTS[name](plain, recorded)
    assert_same(as_json(got), part(written(name)))


def test_the_texts_are_those_that_are_asked_about(plain: Model) -> None:
    assert (ROOT / "samples" / "ioi.prompt").read_text("utf-8").strip() == IOI
    assert [said["float32"]["text"] for said in written("models")["said"]] == list(LISTED)
    routes = written("routes")
    assert routes["typed"]["text"].startswith(IOI)
    assert len(routes["typed"]["text"]) == len(IOI) + 201
    assert len(plain.ids(routes["long"]["text"])) == 133
