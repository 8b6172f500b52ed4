"""Write the measured part of docs/performance.md: `performance.py BENCH.json [FIRST_PAINT.json]`.

BENCH.json is what `lm-transparency bench --format json` prints, FIRST_PAINT.json what `rendering.mjs --first-paint`
writes. Everything between the two markers is replaced; the rest of the page is written by hand.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs/performance.md"
BEGIN, END = "<!-- measured: `make bench` writes what follows -->", "<!-- measured: end -->"

STAGES = {
    "plain_forward": "plain forward",
    "recorded_forward": "recorded forward",
    "contributions": "contributions",
    "payload": "payload",
}
#: Growth is measured from here on: in shorter prompts, constant costs dominate.
GROWING_FROM = 128

Row = dict[str, Any]


def seconds(value: float | None) -> str:
    if value is None:
        return "–"
    if value < 0.1:
        return f"{1000 * value:.0f} ms" if value >= 0.0095 else f"{1000 * value:.1f} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:,.0f} s"


def times(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def megabytes(value: float) -> str:
    # less than a page or two counts as none
    return f"{max(0.0, value):,.0f}"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table, the columns aligned as prettier aligns them, all but the first to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    widths = [max(3, width) for width in widths]
    rule = ["-" * (width - 1) + ":" for width in widths]
    lines = [[cell.rjust(width) for cell, width in zip(row, widths, strict=True)] for row in [head, *rows]]
    return [f"| {' | '.join(cells)} |" for cells in (lines[0], rule, *lines[1:])]


def exponent(rows: list[Row], name: str) -> str:
    """The slope of log time over log length, by least squares."""
    points = [(math.log(r["tokens"]), math.log(r[name])) for r in rows if r["tokens"] >= GROWING_FROM and r.get(name)]
    if len(points) < 2:
        return "–"
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    above = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return f"{above / sum((x - mean_x) ** 2 for x, _ in points):.2f}"


def measured(bench: dict[str, Any], paints: dict[str, float]) -> list[str]:
    model, machine, rows = bench["model"], bench["machine"], bench["rows"]
    for row in rows:
        row["first_paint_s"] = paints.get(str(row["tokens"]))
    lines = [
        f"Model: {model['name']} ({model['layers']} layers, {model['heads']} heads, d {model['d_model']}), "
        f"{model['dtype']}, {model['device']}. Machine: {machine['system']} {machine['architecture']}, "
        f"{machine['cores']} cores, {machine['threads']} threads, torch {machine['torch']}, "
        f"Python {machine['python']}.",
        "",
        "### Time",
        "",
    ]
    named = {f"{name}_s": title for name, title in STAGES.items()}
    named |= {"first_graph_s": "first graph", "first_paint_s": "first paint"}
    ratios = {"first_graph_over_forward": "first graph ÷ plain", "whole_over_forward": "whole ÷ plain"}
    lines += table(
        ["tokens", *named.values(), *ratios.values()],
        [[str(r["tokens"]), *(seconds(r[n]) for n in named), *(times(r[n]) for n in ratios)] for r in rows]
        + [["grows as T to the", *(exponent(rows, name) for name in (*named, *ratios))]],
    )
    lines += [
        "",
        "### Memory",
        "",
        "Megabytes at the peak, above the loaded model and the results of earlier stages.",
        "",
    ]
    lines += table(
        ["tokens", *STAGES.values(), "whole", "whole − plain", "payload's size"],
        [
            [
                str(r["tokens"]),
                *(megabytes(r[f"{name}_peak_mb"]) for name in STAGES),
                megabytes(r["whole_peak_mb"]),
                megabytes(r["extra_peak_mb"]),
                f"{r['payload_mb']:.1f}",
            ]
            for r in rows
        ],
    )
    lines += ["", "### Compared with other methods", ""]
    lines += table(
        ["tokens", "definition", "÷ contributions", "projected by key", "÷ contributions", "patching", "÷ whole"],
        [
            [
                str(r["tokens"]),
                seconds(r["naive_s"]),
                times(r["naive_over_contributions"]),
                seconds(r["naive_by_key_s"]),
                times(r["naive_by_key_over_contributions"]),
                seconds(r["patching_s"]),
                times(r["patching_over_whole"]),
            ]
            for r in rows
        ],
    )
    looks = bench["inspectors"]
    lengths = sorted({look["tokens"] for look in looks})
    found = {(look["kind"], look["tokens"]): look for look in looks}
    lines += ["", "### One question about a run", "", "In the backend, median and 95th percentile.", ""]
    lines += table(
        ["question", *(f"{n} tokens" for n in lengths)],
        [
            [kind, *(f"{seconds(f['median_s'])} / {seconds(f['p95_s'])}" for f in (found[kind, n] for n in lengths))]
            for kind in dict.fromkeys(look["kind"] for look in looks)
        ],
    )
    return lines


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    bench, *rest = (json.loads(Path(name).read_text("utf-8")) for name in arguments)
    page = PAGE.read_text("utf-8")
    before, begin, after = page.partition(BEGIN)
    _, end, after = after.partition(END)
    if not begin or not end:
        print(f"{PAGE.name} lacks a marker.", file=sys.stderr)
        return 1
    body = "\n".join(measured(bench, rest[0] if rest else {}))
    PAGE.write_text(f"{before}{BEGIN}\n\n{body}\n\n{END}{after}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
