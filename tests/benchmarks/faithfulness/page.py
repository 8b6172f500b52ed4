"""The measured part of docs/faithfulness.md, from records."""

from __future__ import annotations

import os
import platform
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from performance import table

from .figures import Figure, bootstrap, covered, mean_over, overlap, spearman
from .measuring import SIZES, Record, kind_of
from .prompts import PROMPT_KINDS
from .scores import KINDS, NAMES, UNSIGNED

PAGE = Path(__file__).resolve().parents[3] / "docs/faithfulness.md"
BEGIN, END = "<!-- measured: `make faithfulness` writes what follows -->", "<!-- measured: end -->"

KIND_WORDS = {"edge": "attention edges", "head": "heads at a position", "ffn": "feed-forward blocks"}

#: f means nothing where all attention edges together change m by less.
LEAST_CHANGE = 0.5

#: The strongest edges, whose candidates and signs are looked at.
TOP = 20

#: How many candidates are measured.
CANDIDATES = (20, 40, 60, 100, 200)

#: What was asked of the predicted effects: rank agreement of edges and heads, and the strongest edges among candidates.
GOAL, GOAL_COVERED = 0.9, 0.95

Of = Callable[[Record, str], "float | None"]


def write_page(found: dict[str, list[Record]], n_asked: int) -> None:
    """Replace what stands between the page's two markers. `found`: records by model."""
    page = PAGE.read_text("utf-8")
    before, begin, after = page.partition(BEGIN)
    _, end, after = after.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks a marker")
    body = "\n\n".join(_model(name, records, n_asked) for name, records in found.items() if records)
    PAGE.write_text(f"{before}{BEGIN}\n\n{body}\n\n{END}{after}", "utf-8")


def goals(records: list[Record]) -> list[str]:
    """Predicted against measured effects, in the figures that were asked for."""
    lines = []
    for kind in ("edge", "head"):
        found = bootstrap([_rank(kind)(record, "gradient") for record in records])
        if found is not None:
            met = "met" if found.value >= GOAL else "missed"
            lines.append(f"gradient, {KIND_WORDS[kind]}: Spearman of sizes {_interval(found)}, at least {GOAL}: {met}")
    shares = [_covered(record, "both in turns", 60) for record in records if record.candidates]
    if shares:
        met = "met" if np.mean(shares) >= GOAL_COVERED else "missed"
        lines.append(
            f"the first 60 candidates of both lists hold {_percent(float(np.mean(shares)))} of the {TOP} strongest "
            f"edges ({len(shares)} prompts), at least {_percent(GOAL_COVERED)}: {met}"
        )
    return lines


def _model(name: str, records: list[Record], n_asked: int) -> str:
    counts = Counter(record.kind for record in records)
    kinds = ", ".join(f"{counts[kind]} {kind.replace('-', ' ')}" for kind in PROMPT_KINDS if counts[kind])
    units = [len(record.scores) for record in records]
    lengths = [record.n_tokens for record in records]
    sections = [
        f"## {name}",
        f"{len(records)} prompts of {min(lengths)} to {max(lengths)} tokens ({kinds}"
        + (f"; {n_asked - len(records)} of {n_asked} asked for are not in it" if n_asked > len(records) else "")
        + f"), {min(units)} to {max(units)} units of each measured, {sum(len(r.measured) for r in records):,} in all. "
        f"Machine: {_machine()}.",
        "### In short",
        "\n".join(f"- {line}" for line in [*_reading(records), *(one[0].upper() + one[1:] for one in goals(records))]),
        "### What fails",
        "\n".join(f"- {line}" for line in _failures(records)),
        *(part for kind in KINDS for part in (f"### Agreement: {KIND_WORDS[kind]}", _agreement(records, kind))),
        "### Agreement by kind of prompt",
        "Spearman of sizes, attention edges, mean over the prompts of a kind.",
        _by_prompt_kind(records),
        "### Circuits",
        *_circuits(records),
        "### Candidates",
        *_candidates(records),
        "### Cost",
        _costs(records),
    ]
    return "\n\n".join(sections)


def _rank(kind: str, *, signed: bool = False) -> Of:
    return lambda record, name: spearman(*_columns(record, kind, name), signed=signed)


def _top(kind: str, k: int) -> Of:
    return lambda record, name: overlap(*_columns(record, kind, name), k)


def _columns(record: Record, kind: str, name: str) -> tuple[list[float], list[float]]:
    """Scores and measured effects of the sampled units of a kind."""
    at = record.names.index(name)
    units = [unit for unit in record.scores if kind_of(unit) == kind and unit in record.measured]
    return [record.scores[unit][at] for unit in units], [record.measured[unit] for unit in units]


def _agreement(records: list[Record], kind: str) -> str:
    def row(name: str) -> list[str]:
        def cell(of: Of) -> str:
            return _interval(bootstrap([of(record, name) for record in records]))

        signed = "–" if name in UNSIGNED else cell(_rank(kind, signed=True))
        return [name, cell(_rank(kind)), signed, cell(_top(kind, 10)), cell(_top(kind, 30))]

    return "\n".join(table(["score", "Spearman of sizes", "signed", "top 10", "top 30"], [row(name) for name in NAMES]))


def _by_prompt_kind(records: list[Record]) -> str:
    kinds = [kind for kind in PROMPT_KINDS if any(record.kind == kind for record in records)]
    rows = []
    for name in NAMES:
        means = [bootstrap([_rank("edge")(r, name) for r in records if r.kind == kind]) for kind in kinds]
        rows.append([name, *("–" if one is None else f"{one.value:.2f}" for one in means)])
    return "\n".join(table(["score", *(kind.replace("-", " ") for kind in kinds)], rows))


def _curve(record: Record, name: str, *, by_value: bool) -> list[float]:
    """f at each of `SIZES`."""
    runs = record.by_value.get(name, record.by_size[name]) if by_value else record.by_size[name]
    return [(m - record.m_none) / (record.m - record.m_none) for m in runs]


def _cpr(record: Record, name: str) -> float | None:
    return mean_over(SIZES, _curve(record, name, by_value=True))


def _cmd(record: Record, name: str) -> float | None:
    return mean_over(SIZES, [abs(1 - f) for f in _curve(record, name, by_value=False)])


def _telling(records: list[Record]) -> list[Record]:
    return [record for record in records if abs(record.m - record.m_none) >= LEAST_CHANGE]


def _circuits(records: list[Record]) -> list[str]:
    kept = _telling(records)
    left_out = len(records) - len(kept)
    text = (
        f"Medians over {len(kept)} prompts. "
        + (
            f"{left_out} are left out: all edges together change m by less than {LEAST_CHANGE} there. "
            if left_out
            else ""
        )
        + "f at each size is that of the edges with the largest |score|."
    )
    rows = []
    for name in NAMES:
        curves = np.median([_curve(record, name, by_value=False) for record in kept], axis=0) if kept else []
        cpr, cmd = (bootstrap([of(record, name) for record in kept], np.median) for of in (_cpr, _cmd))
        rows.append([name, _interval(cpr), _interval(cmd), *(f"{f:.2f}" for f in curves)])
    return [text, "\n".join(table(["score", "CPR", "CMD", *(f"f at {_percent(size)}" for size in SIZES)], rows))]


def _covered(record: Record, order: str, n: int) -> float:
    edges = {unit: effect for unit, effect in record.measured.items() if kind_of(unit) == "edge"}
    return covered(record.candidates[order][:n], edges, TOP)


def _candidates(records: list[Record]) -> list[str]:
    whole = [record for record in records if record.candidates]
    if not whole:
        return ["No prompt had all its edges measured."]
    n_edges = [sum(kind_of(unit) == "edge" for unit in record.measured) for record in whole]
    text = (
        f"All {', '.join(map(str, n_edges))} attention edges of {len(whole)} prompts were measured. The share of the "
        f"{TOP} strongest that are among the first N candidates:"
    )
    rows = [
        [order, *(_percent(float(np.mean([_covered(record, order, n) for record in whole]))) for n in CANDIDATES)]
        for order in whole[0].candidates
    ]
    return [text, "\n".join(table(["candidates by", *map(str, CANDIDATES)], rows))]


def _costs(records: list[Record]) -> str:
    rows = []
    for name in (*NAMES[:-1], "removal"):
        found = bootstrap([r.costs[name] / r.costs["plain"] if name in r.costs else None for r in records], np.median)
        words = "one measured removal" if name == "removal" else name
        rows.append([words, _interval(found)])
    return "\n".join(table(["score", "plain forwards"], rows))


def _reading(records: list[Record]) -> list[str]:
    lines = []
    for kind in KINDS:
        found = sorted(_means(records, _rank(kind)).items(), key=lambda item: -item[1])
        order = ", ".join(f"{name} {value:.2f}" for name, value in found)
        lines.append(f"Rank agreement of sizes, {KIND_WORDS[kind]}: {order}.")
    effects = [_strongest(record) for record in records]
    negative = np.mean([np.mean([effect < 0 for _, effect in one]) for one in effects])
    lines.append(
        f"{_percent(float(negative))} of each prompt's {TOP} strongest measured edges work against the target."
    )
    kept = _telling(records)
    if kept:
        cpr = {name: float(np.median([_cpr(record, name) or 0.0 for record in kept])) for name in NAMES}
        best = max(cpr, key=lambda name: cpr[name])
        lines.append(f"The circuits that keep most of m are chosen by {best} (CPR {cpr[best]:.2f}).")
    return lines


def _failures(records: list[Record]) -> list[str]:
    lines = []
    for name in NAMES:
        if name in UNSIGNED or name == "random":
            continue
        first = [_signs(record, name)[0] for record in records]
        rest = [np.mean(_signs(record, name)) for record in records]
        lines.append(
            f"Sign, {name}: wrong on the strongest measured edge of {first.count(False)} of {len(first)} prompts, and "
            f"on {_percent(1 - float(np.mean(rest)))} of the {TOP} strongest."
        )
    for kind in KINDS:
        chance = bootstrap([_rank(kind)(record, "random") for record in records])
        found = {name: bootstrap([_rank(kind)(record, name) for record in records]) for name in NAMES[:-1]}
        poor = [f"{name} ({one.value:.2f})" for name, one in found.items() if one and chance and one.low <= chance.high]
        if poor:
            lines.append(f"No better than random by rank, {KIND_WORDS[kind]}: {', '.join(poor)}.")
    kept = _telling(records)
    chance_f = bootstrap([_cpr(record, "random") for record in kept], np.median)
    found = {name: bootstrap([_cpr(record, name) for record in kept], np.median) for name in NAMES[:-1]}
    poor = [name for name, one in found.items() if one and chance_f and one.low <= chance_f.high]
    if poor:
        lines.append(f"Circuits no better than random ones by CPR, as far as these prompts tell: {', '.join(poor)}.")
    outside = [f for record in kept for name in NAMES[:-1] for f in _curve(record, name, by_value=False)]
    if outside:
        share = np.mean([not 0 <= f <= 1 for f in outside])
        lines.append(
            f"f is no share in the strict sense: {_percent(float(share))} of all circuits give less than none, or more "
            "than all."
        )
    return lines


def _strongest(record: Record) -> list[tuple[str, float]]:
    """The strongest measured edges of the sample."""
    edges = [(unit, record.measured[unit]) for unit in record.scores if kind_of(unit) == "edge"]
    return sorted(edges, key=lambda item: -abs(item[1]))[:TOP]


def _signs(record: Record, name: str) -> list[bool]:
    """Whether the score of each of the strongest edges has the sign of its effect."""
    at = record.names.index(name)
    return [(record.scores[unit][at] > 0) == (effect > 0) for unit, effect in _strongest(record)]


def _means(records: list[Record], of: Of) -> dict[str, float]:
    found = {name: bootstrap([of(record, name) for record in records]) for name in NAMES}
    return {name: one.value for name, one in found.items() if one is not None}


def _interval(found: Figure | None) -> str:
    return "–" if found is None else f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _machine() -> str:
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return (
        f"{platform.system()} {platform.machine()}, {cores} cores, 1 thread, torch {torch.__version__}, "
        f"Python {platform.python_version()}"
    )
