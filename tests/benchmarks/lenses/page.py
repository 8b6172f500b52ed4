"""docs/lenses.md: the tables between its markers are rewritten."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lm_transparency import LoadedModel
from lm_transparency.lens.files import Fit
from lm_transparency.lens.fitting import JacobianSum

from .reading import Hidden, Reading

PAGE = Path(__file__).resolve().parents[3] / "docs" / "lenses.md"
BEGIN, END = "<!-- measured -->", "<!-- end -->"


def write_page(model: LoadedModel, fits: dict[str, Fit], hidden: dict[str, Hidden], read: dict[str, Reading]) -> None:
    n = len(next(iter(hidden.values())).own)
    parts = [
        f"{model.name}, {n} prompts. Best rank of the hidden word, 0 is the first; intervals are 95 % bootstrap.",
        _table(
            ("lens", "median rank", "same word, other prompts", "before other prompts", "among the first ten"),
            [
                (
                    name,
                    f"{found.median:.0f} ({_interval(found.own)})",
                    f"{statistics.median(found.others):.0f}",
                    f"{100 * found.share_below:.0f} %",
                    f"{100 * statistics.fmean(rank < 10 for rank in found.own):.0f} %",
                )
                for name, found in hidden.items()
            ],
        ),
        _layers("KL(prediction ‖ reading), nats", {name: one.kl for name, one in read.items()}, "{:.1f}"),
        _layers("Top token agrees with the prediction", {name: one.agrees for name, one in read.items()}, "{:.2f}"),
        _layers("Median rank of the next token", {name: one.next_rank for name, one in read.items()}, "{:.0f}"),
        _layers(
            "Median of the best rank of the ten following tokens",
            {name: one.ahead_rank for name, one in read.items()},
            "{:.0f}",
        ),
        "Standard error of a map, ‖·‖ relative to the map's, mean over layers:",
        _table(
            ("fit", "sequences", "error"),
            [
                (name, str(fit.n_sequences), f"{100 * statistics.fmean(map(fit.standard_error, fit.sums)):.0f} %")
                for name, fit in fits.items()
                if isinstance(fit, JacobianSum) and fit.n_sequences > 1
            ],
        ),
    ]
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{after}", "utf-8")
    print("\n\n".join(parts[:2]))


def _layers(title: str, columns: dict[str, list[float]], form: str) -> str:
    n_rows = len(next(iter(columns.values())))
    rows = sorted({0, *range(5, n_rows, 5), n_rows - 1})
    names = ["embedding" if row == 0 else f"layer {row - 1}" for row in rows]
    lines = [(name, *(form.format(values[row]) for row in rows)) for name, values in columns.items()]
    return f"{title}:\n\n" + _table(("lens", *names), lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _interval(values: Sequence[float]) -> str:
    rng = np.random.default_rng(0)
    found = np.array(values)
    drawn = np.median(found[rng.integers(0, len(found), (2000, len(found)))], axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{low:.0f} to {high:.0f}"
