"""The tables of docs/faithfulness.md, from records whose figures are known."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from faithfulness import page
from faithfulness.comparing import cmd, cpr, finds_the_strongest, no_better, rank, signs
from faithfulness.record import NAMES, SIZES, UNSIGNED, Record


def made(number: int) -> Record:
    """A record in which the gradient is the measured effect, share its opposite, and all else noise."""
    rng = np.random.default_rng(number)
    units = [f"I{n // 5}_{n % 5}>A{n // 5 + 1}_5" for n in range(60)]
    units += [f"3.{n}@4" for n in range(40)] + [f"M{n}_2" for n in range(40)]
    record = Record("facts", f"prompt {number}", " a − b", 6, 4.0, list(NAMES), m_none=2.0)
    for unit in units:
        effect = float(rng.standard_normal())
        record.measured[unit] = effect
        scores = dict(zip(NAMES, rng.standard_normal(len(NAMES)).tolist(), strict=True))
        scores |= {"gradient": effect, "share": -effect, **{name: abs(scores[name]) for name in UNSIGNED}}
        record.scores[unit] = [scores[name] for name in NAMES]
    record.by_size = {name: [2.0] * len(SIZES) for name in NAMES} | {"gradient": [4.0] * len(SIZES)}
    record.by_value = {"share": [3.0] * len(SIZES)}
    edges = sorted((unit for unit in units if ">" in unit), key=lambda unit: -abs(record.measured[unit]))
    record.candidates = {"gradient": edges, "flow": edges[10:], "both in turns": edges}
    record.costs = {"plain": 0.1, "recorded": 0.1, "removal": 0.01} | {name: 0.3 for name in NAMES}
    return record


RECORDS = [made(number) for number in range(6)]


def test_a_score_that_is_the_effect_agrees_wholly() -> None:
    record = RECORDS[0]
    assert rank("edge")(record, "gradient") == pytest.approx(1)
    assert rank("edge")(record, "share") == pytest.approx(1)
    assert rank("edge", signed=True)(record, "share") == pytest.approx(-1)
    assert finds_the_strongest(record, "gradient")
    assert all(signs(record, "gradient"))
    assert not any(signs(record, "share"))


def test_circuits_are_scored_between_none_and_all() -> None:
    record = RECORDS[0]
    assert cpr(record, "gradient") == pytest.approx(1)
    assert cmd(record, "gradient") == pytest.approx(0)
    # the edges of largest signed score, where there are runs of them
    assert cpr(record, "share") == pytest.approx(0.5)
    assert cpr(record, "flow") == pytest.approx(0)
    assert cmd(record, "share") == pytest.approx(1)


def test_a_lead_over_random_is_told_from_none() -> None:
    poor = no_better(RECORDS, rank("edge"), np.mean)
    assert "gradient" not in poor and "share" not in poor
    assert len(poor) >= 3


def test_the_page_shows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "faithfulness.md"
    file.write_text(f"before\n\n{page.BEGIN}\n\nan earlier table\n\n{page.END}\n\nafter\n", "utf-8")
    monkeypatch.setattr(page, "PAGE", file)
    page.write_page({"a model": RECORDS}, 8)
    text = file.read_text("utf-8")
    assert text.startswith("before") and text.endswith("after\n") and "an earlier table" not in text
    assert "## a model" in text and "6 prompts of 6 tokens" in text and "2 of 8" in text
    rows = re.findall(r"^\| +gradient \| +(\S+) \(", text, re.MULTILINE)
    # three kinds of units; CPR; cost in plain forwards
    assert rows == ["1.00", "1.00", "1.00", "1.00", "3.00"]
    assert len(re.findall(r"^#+ ", text, re.MULTILINE)) == 10
    assert "nan" not in text.lower()


def test_the_goals_are_said() -> None:
    lines = page.goals(RECORDS)
    assert [line.endswith("met") for line in lines] == [True, True, False]
    assert "the first 20 candidates" in lines[2]
