"""`lm-transparency bench`: plain forward, recorded forward and contributions side by side, in one run."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import TransparencyError
from ..printable import json_text
from .options import add_model_options, load, output_path, prepare
from .output import deliver

if TYPE_CHECKING:
    from ..model.loading import LoadedModel
    from .bench_measure import Row

#: Prompt lengths at which questions about a run are timed.
INSPECTED = "64,512"
#: … and effects.
EFFECTS = "16,100,128,512"


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("bench", help="time an analysis against the plain forward pass")
    parser.add_argument("--tokens", default="16,64,128", metavar="16,64,128", help="prompt lengths")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="rounds, fewer where they take long")
    parser.add_argument("--clicks", type=int, default=50, metavar="N", help="questions of each kind that are timed")
    parser.add_argument("--clicks-tokens", default=INSPECTED, metavar=INSPECTED, help="… at these prompt lengths")
    parser.add_argument("--append", default="", metavar="32,512", help="also time one token more after these lengths")
    parser.add_argument(
        "--effects",
        nargs="?",
        default="",
        const=EFFECTS,
        metavar=EFFECTS,
        help="time predicted and measured effects instead, at these prompt lengths",
    )
    parser.add_argument("--payloads", type=Path, metavar="DIR", help="also write each length's payload there")
    parser.add_argument("--format", default="text", choices=("text", "json"))
    parser.add_argument("-o", "--output", type=output_path, metavar="F")
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    lengths, inspected = _lengths("tokens", arguments.tokens), _lengths("clicks-tokens", arguments.clicks_tokens)
    for name in ("repeats", "clicks"):
        if getattr(arguments, name) < 1:
            raise TransparencyError("invalidParams", f"--{name} is {getattr(arguments, name)}.", "It takes 1 or more.")
    effects = _lengths("effects", arguments.effects) if arguments.effects else []
    appended = _lengths("append", arguments.append) if arguments.append else []
    prepare(arguments)
    if effects:
        return _effects(arguments, effects)
    from ..session.session import Session
    from .bench_append import append_table, measure_append
    from .bench_measure import measure, measure_inspectors

    model = load(Session(), arguments)
    rows = [measure(model, n_tokens, arguments.repeats, arguments.payloads) for n_tokens in lengths]
    looks = [row for n_tokens in inspected for row in measure_inspectors(model, n_tokens, arguments.clicks)]
    more = [measure_append(model, n_tokens, arguments.repeats) for n_tokens in appended]
    document = {
        "model": _described(model),
        "machine": _machine(),
        "rows": rows,
        "inspectors": looks,
        "append": more,
    }
    text = json_text(document, indent=1) + "\n"
    if arguments.format == "text":
        text = _table(model, rows) + _inspectors_table(looks) + (append_table(more) if more else "")
    deliver(text, arguments.format, arguments.output)
    return 0


def _effects(arguments: argparse.Namespace, lengths: list[int]) -> int:
    from ..session.session import Session
    from .bench_effects import effects_table, measure_effects

    model = load(Session(), arguments)
    rows = [measure_effects(model, n_tokens, arguments.repeats) for n_tokens in lengths]
    document = {"model": _described(model), "machine": _machine(), "effects": rows}
    text = json_text(document, indent=1) + "\n" if arguments.format == "json" else effects_table(model, rows)
    deliver(text, arguments.format, arguments.output)
    return 0


def _described(model: LoadedModel) -> dict[str, Any]:
    anatomy = model.anatomy
    sizes = {"layers": anatomy.n_layers, "heads": anatomy.n_heads, "d_model": anatomy.d_model}
    return {"name": model.name, "dtype": model.dtype, "device": model.device, **sizes}


def _machine() -> dict[str, Any]:
    import torch

    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return {
        "cores": cores,
        "threads": torch.get_num_threads(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _inspectors_table(rows: list[dict[str, Any]]) -> str:
    lines = ["", "one question about a run, in the backend", f"{'tokens':>8}  {'kind':<14}{'median':>10}{'p95':>12}"]
    for row in rows:
        median, p95 = (f"{1e3 * row[name]:.1f} ms" for name in ("median_s", "p95_s"))
        lines.append(f"{row['tokens']:>8}  {row['kind']:<14}{median:>10}{p95:>12}")
    return "\n".join(lines) + "\n"


def _lengths(option: str, given: str) -> list[int]:
    try:
        lengths = [int(part) for part in given.split(",")]
    except ValueError:
        lengths = []
    if not lengths or min(lengths) < 1:
        raise TransparencyError("invalidParams", f"--{option} is {given!r}.", "It takes lengths such as 16,64,128.")
    return lengths


def _table(model: LoadedModel, rows: list[Row]) -> str:
    lines = [
        f"{model.name}, {model.dtype}, {model.device}; medians",
        f"{'tokens':>8}{'plain forward':>16}{'recorded':>12}{'contributions':>16}{'payload':>10}{'whole ÷ forward':>18}"
        f"{'first graph ÷ forward':>23}"
        f"{'definition ÷ ours':>20}{'… by key ÷ ours':>18}{'patching ÷ whole':>19}{'extra peak':>13}",
    ]
    for row in rows:
        by_part, by_key = (
            "too large" if row[name] is None else f"{row[name]:.0f}×"
            for name in ("naive_over_contributions", "naive_by_key_over_contributions")
        )
        lines.append(
            f"{row['tokens']:>8}{row['plain_forward_s']:>14.3f} s{row['recorded_forward_s']:>10.3f} s"
            f"{row['contributions_s']:>14.3f} s{row['payload_s']:>8.3f} s{row['whole_over_forward']:>17.2f}×"
            f"{row['first_graph_over_forward']:>22.2f}×"
            f"{by_part:>20}{by_key:>18}{row['patching_over_whole']:>18.0f}×{row['extra_peak_mb']:>10.0f} MB"
        )
    lines.append("definition: every α·v of a query, key and head through W_O, as a tensor; by key: v·W_O once a key")
    lines.append("patching: every head at every position, timed on a sample and multiplied")
    return "\n".join(lines) + "\n"
