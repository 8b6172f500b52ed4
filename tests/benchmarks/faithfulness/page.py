"""The measured part of docs/faithfulness.md, from records."""

from __future__ import annotations

import os
import platform
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from performance import table

from .comparing import (
    FIRST,
    LEAST_ADDED,
    TOP,
    Of,
    cmd,
    covered_by,
    cpr,
    curve,
    finds_the_strongest,
    no_better,
    rank,
    signs,
    strongest,
    telling,
    top,
)
from .figures import Figure, bootstrap, mean_over
from .prompts import PROMPT_KINDS
from .record import BOTH, KINDS, NAMES, RANDOM, SIZES, UNSIGNED, Record, kind_of

PAGE = Path(__file__).resolve().parents[3] / "docs/faithfulness.md"
BEGIN, END = "<!-- measured: `make faithfulness` writes what follows -->", "<!-- measured: end -->"

KIND_WORDS = {"edge": "attention edges", "head": "heads at a position", "ffn": "feed-forward blocks"}

#: How many candidates are measured.
CANDIDATES = (20, 40, 60, 100, 200)

#: What was asked of the predicted effects: rank agreement of edges and heads, and the strongest edges among candidates.
GOAL, GOAL_COVERED = 0.9, 0.95


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
        found = bootstrap([rank(kind)(record, "gradient") for record in records])
        if found is not None:
            met = "met" if found.value >= GOAL else "missed"
            lines.append(f"gradient, {KIND_WORDS[kind]}: Spearman of sizes {_interval(found)}, at least {GOAL}: {met}")
    whole = [record for record in records if record.candidates]
    if whole:
        by_n = {n: float(np.mean([covered_by(record, BOTH, n) for record in whole])) for n in CANDIDATES}
        enough = [n for n, share in by_n.items() if share >= GOAL_COVERED]
        first = f"the first {enough[0]}" if enough else f"not even the first {CANDIDATES[-1]}"
        lines.append(
            f"{_percent(GOAL_COVERED)} of the {TOP} strongest edges are among {first} candidates by gradient and flow "
            f"in turns ({_prompts(whole)} with all edges measured); the first 60 hold {_percent(by_n[60])}"
        )
    return lines


def _model(name: str, records: list[Record], n_asked: int) -> str:
    counts = Counter(record.kind for record in records)
    kinds = ", ".join(f"{counts[kind]} {kind.replace('-', ' ')}" for kind in PROMPT_KINDS if counts[kind])
    units = [len(record.scores) for record in records]
    lengths = [record.n_tokens for record in records]
    sections = [
        f"## {name}",
        f"{_prompts(records)} of {_range(lengths)} tokens ({kinds}"
        + (f"; {n_asked - len(records)} of {n_asked} asked for are not in it" if n_asked > len(records) else "")
        + f"), {_range(units)} units of each measured, {sum(len(r.measured) for r in records):,} in all. "
        f"Machine: {_machine()}.",
        "### In short",
        "\n".join(f"- {line}" for line in [*_reading(records), *(one[0].upper() + one[1:] for one in goals(records))]),
        "### What fails",
        "\n".join(f"- {line}" for line in _failures(records)),
        f"The strongest measured edge of a prompt, and the signs of its {TOP} strongest:",
        _strongest_missed(records),
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


def _agreement(records: list[Record], kind: str) -> str:
    def row(name: str) -> list[str]:
        def cell(of: Of) -> str:
            return _interval(bootstrap([of(record, name) for record in records]))

        signed = "–" if name in UNSIGNED else cell(rank(kind, signed=True))
        return [name, cell(rank(kind)), signed, cell(top(kind, 10)), cell(top(kind, 30))]

    return "\n".join(table(["score", "Spearman of sizes", "signed", "top 10", "top 30"], [row(name) for name in NAMES]))


def _by_prompt_kind(records: list[Record]) -> str:
    kinds = [kind for kind in PROMPT_KINDS if any(record.kind == kind for record in records)]
    rows = []
    for name in NAMES:
        means = [bootstrap([rank("edge")(r, name) for r in records if r.kind == kind]) for kind in kinds]
        rows.append([name, *("–" if one is None else f"{one.value:.2f}" for one in means)])
    return "\n".join(table(["score", *(kind.replace("-", " ") for kind in kinds)], rows))


def _circuits(records: list[Record]) -> list[str]:
    kept = telling(records)
    text = f"Medians over {_prompts(kept)}"
    if len(kept) < len(records):
        text += f"; in the other {len(records) - len(kept)} all edges together add less than {LEAST_ADDED} to m"
    text += ". By size: the same as CPR for the edges with the largest |score|; f at each size is theirs too."
    rows = []
    for name in NAMES:
        curves = np.median([curve(record, name, by_value=False) for record in kept], axis=0) if kept else []
        cells = [_interval(bootstrap([of(record, name) for record in kept], np.median)) for of in (cpr, _by_size, cmd)]
        rows.append([name, *cells, *(f"{f:.2f}" for f in curves)])
    return [
        text,
        "\n".join(table(["score", "CPR", "by size", "CMD", *(f"f at {_percent(size)}" for size in SIZES)], rows)),
    ]


def _by_size(record: Record, name: str) -> float:
    return mean_over(SIZES, curve(record, name, by_value=False))


def _candidates(records: list[Record]) -> list[str]:
    whole = [record for record in records if record.candidates]
    if not whole:
        return ["No prompt had all its edges measured."]
    n_edges = [sum(kind_of(unit) == "edge" for unit in record.measured) for record in whole]
    text = (
        f"All attention edges of {_prompts(whole)} were measured ({', '.join(map(str, n_edges))}). The share of the "
        f"{TOP} strongest that are among the first N candidates:"
    )
    rows = [
        [order, *(_percent(float(np.mean([covered_by(record, order, n) for record in whole]))) for n in CANDIDATES)]
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
        found = sorted(_means(records, rank(kind)).items(), key=lambda item: -item[1])
        order = ", ".join(f"{name} {value:.2f}" for name, value in found)
        lines.append(f"Rank agreement of sizes, {KIND_WORDS[kind]}: {order}.")
    effects = [strongest(record) for record in records]
    negative = np.mean([np.mean([effect < 0 for _, effect in one]) for one in effects])
    lines.append(f"{_percent(float(negative))} of a prompt's {TOP} strongest measured edges work against the target.")
    kept = telling(records)
    if kept:
        by_score = {name: float(np.median([cpr(record, name) or 0.0 for record in kept])) for name in NAMES}
        order = sorted(by_score, key=lambda name: -by_score[name])
        lines.append(f"Circuits, CPR: {', '.join(f'{name} {by_score[name]:.2f}' for name in order)}.")
    return lines


def _failures(records: list[Record]) -> list[str]:
    missed = _means(
        records, lambda record, name: None if (share := top("edge", 30)(record, name)) is None else 1 - share
    )
    order = ", ".join(f"{name} {_percent(missed[name])}" for name in sorted(missed, key=lambda name: missed[name]))
    lines = [f"The 30 strongest edges that are not among the 30 largest of a score: {order}."]
    low = [value for record in records if (value := rank("edge")(record, "gradient")) is not None and value < GOAL]
    if low:
        lines.append(
            f"The gradient's rank agreement of edges is below {GOAL} on {len(low)} of {_prompts(records)}, at worst "
            f"{min(low):.2f}."
        )
    for kind in KINDS:
        poor = no_better(records, rank(kind), np.mean)
        if poor:
            lines.append(f"No better than random by rank, {KIND_WORDS[kind]}: {', '.join(poor)}.")
    return lines + _failing_circuits(records)


def _failing_circuits(records: list[Record]) -> list[str]:
    kept = telling(records)
    lines = []
    for words, of in (("CPR", cpr), ("CMD", lambda record, name: -(cmd(record, name) or 0.0))):
        poor = no_better(kept, of, np.median)
        if poor:
            lines.append(f"Circuits no better than random ones by {words} on these prompts: {', '.join(poor)}.")
    curves = {name: [curve(record, name, by_value=False) for record in kept] for name in NAMES if name != RANDOM}
    if kept:
        best = np.max([np.median(curves[name], axis=0) for name in curves], axis=0)
        few = [(size, f) for size, f in zip(SIZES, best.tolist(), strict=True) if f < 0.5]
        if few:
            lines.append(
                f"With {_percent(few[-1][0])} of the edges, no score's circuits keep more than {few[-1][1]:.2f} of m."
            )
        outside = np.mean([not 0 <= f <= 1 for found in curves.values() for one in found for f in one])
        lines.append(
            f"f is not a share: {_percent(float(outside))} of all circuits give less than none or more than all."
        )
    prefers = sum(record.m_none > 0 for record in records)
    above = sum(record.m_none > record.m for record in records)
    lines.append(
        "The mean over a prompt's own positions is no neutral baseline: with all attention edges at it the model still "
        f"prefers the target on {prefers} of {_prompts(records)}, and on {above} by more than in the clean run."
    )
    return lines


def _strongest_missed(records: list[Record]) -> str:
    rows = []
    for name in [name for name in NAMES if name != RANDOM]:
        missed = sum(not finds_the_strongest(record, name) for record in records)
        right = [] if name in UNSIGNED else [signs(record, name) for record in records]
        wrong = [1 - float(np.mean(one)) for one in right]
        of = f" of {len(records)}"
        rows.append(
            [name, f"{missed}{of}"]
            + ([f"{sum(not one[0] for one in right)}{of}", _percent(float(np.mean(wrong)))] if right else ["–", "–"])
        )
    head = ["score", f"not among its {FIRST} largest", "its sign is wrong", f"wrong signs of the {TOP}"]
    return "\n".join(table(head, rows))


def _means(records: list[Record], of: Of) -> dict[str, float]:
    found = {name: bootstrap([of(record, name) for record in records]) for name in NAMES}
    return {name: one.value for name, one in found.items() if one is not None}


def _interval(found: Figure | None) -> str:
    return "–" if found is None else f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _prompts(records: list[Record]) -> str:
    return f"{len(records)} prompt{'' if len(records) == 1 else 's'}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _machine() -> str:
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return (
        f"{platform.system()} {platform.machine()}, {cores} cores, 1 thread, torch {torch.__version__}, "
        f"Python {platform.python_version()}"
    )
