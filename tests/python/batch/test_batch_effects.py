"""Records with effects: those of one prompt alone, in both formats; outputs without them are what they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lm_transparency import LoadedModel, TransparencyError, analyze, analyze_many
from lm_transparency.batch.work import Choices
from lm_transparency.inspection.effects import inspect_effects

PROMPTS = ["one two three", "four five six seven"]


def test_a_record_has_the_effects_of_its_prompt_alone(tiny_llama: LoadedModel) -> None:
    records = sorted(analyze_many(tiny_llama, PROMPTS, effects=True), key=lambda record: record["index"])
    for text, record in zip(PROMPTS, records, strict=True):
        found, kept = inspect_effects(analyze(tiny_llama, text)), record["effects"]
        assert kept["metric"]["target"]["id"] == found.metric.target.id == record["predictions"][0]["id"]
        both = dict(zip(kept["unit"], kept["measured"], strict=True))
        for unit in found.units:
            if unit.measured is not None:
                assert both[unit.unit] == pytest.approx(unit.measured, abs=1e-4), unit
        assert sum(x is not None for x in kept["measured"]) > 10
        assert kept["faithfulness"]["n"] > 0


def test_both_formats_hold_the_same(tiny_llama: LoadedModel, tmp_path: Path) -> None:
    lines, parts = tmp_path / "lines", tmp_path / "parts"
    list(analyze_many(tiny_llama, PROMPTS, effects=True, output=lines))
    list(analyze_many(tiny_llama, PROMPTS, effects=True, output=parts, form="parquet"))
    written = [json.loads(line) for line in (lines / "records.jsonl").read_text("utf-8").splitlines()]
    for line, row in zip(written, pq.read_table(parts).to_pylist(), strict=True):
        assert row["effects"]["unit"] == line["effects"]["unit"]
        assert row["effects"]["how"] == line["effects"]["how"]
        measured = [-1.0 if x is None else x for x in line["effects"]["measured"]]
        assert [-1.0 if x is None else x for x in row["effects"]["measured"]] == pytest.approx(measured, abs=1e-4)
    # a second run takes all of it over
    assert not list(analyze_many(tiny_llama, PROMPTS, effects=True, output=parts, form="parquet"))


def test_without_them_an_output_is_what_it_was_and_they_do_not_mix(tiny_llama: LoadedModel, tmp_path: Path) -> None:
    assert "effects" not in Choices().said() and Choices(effects=True).said()["effects"]
    (first,) = analyze_many(tiny_llama, PROMPTS[:1], output=tmp_path / "plain", form="parquet")
    assert "effects" not in first
    assert "effects" not in pq.read_table(tmp_path / "plain").column_names
    with pytest.raises(TransparencyError):
        list(analyze_many(tiny_llama, PROMPTS, effects=True, output=tmp_path / "plain", form="parquet"))


def test_a_model_without_effects_has_records_that_say_so(
    tiny_llama: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise TransparencyError("modelUnsupported", "It gives other logits when it runs again.")

    monkeypatch.setattr("lm_transparency.batch.records.inspect_effects", refuse)
    (record,) = analyze_many(tiny_llama, PROMPTS[:1], effects=True)
    assert record["effects"] is None and record["error"] is None
    assert record["notices"][-1].startswith("No effects: It gives other logits")
