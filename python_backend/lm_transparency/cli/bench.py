"""`lm-transparency bench`: plain forward, recorded forward and contributions side by side, in one run."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import TransparencyError
from .files import write_atomically
from .options import add_model_options, load

if TYPE_CHECKING:
    from ..model.loading import LoadedModel

_TEXT = (
    "When Mary and John went to the store, John gave a drink to Mary. Later that day the two walked home along the "
    "river, talked about the war that lasted from the year 1732 to the year 1748, and counted the boats. "
)


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("bench", help="time an analysis against the plain forward pass")
    parser.add_argument("--tokens", default="16,64,128", metavar="16,64,128", help="prompt lengths")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="runs of each, after one to warm up")
    parser.add_argument("--format", default="text", choices=("text", "json"))
    parser.add_argument("-o", "--output", type=Path, metavar="F")
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    lengths = _lengths(arguments.tokens)
    if arguments.repeats < 1:
        raise TransparencyError("invalidParams", f"--repeats is {arguments.repeats}.", "It takes 1 or more.")
    from ..session import Session

    model = load(Session(), arguments)
    rows = [measure(model, n_tokens, arguments.repeats) for n_tokens in lengths]
    text = json.dumps({"rows": rows}, indent=1) + "\n" if arguments.format == "json" else _table(model, rows)
    if arguments.output:
        write_atomically(arguments.output, lambda file: file.write(text.encode("utf-8")))
    else:
        sys.stdout.write(text)
    return 0


def measure(model: LoadedModel, n_tokens: int, repeats: int) -> dict[str, float | int]:
    """Medians over `repeats` rounds; in each round the three are timed one after the other, so that drift hits all."""
    import torch

    from ..analysis import check_length
    from ..routes.contributions import contributions
    from ..trace.recording import record
    from ..watch import Watch

    check_length(model, n_tokens)
    ids = model.tokenizer(_TEXT * (1 + n_tokens // 32), add_special_tokens=False)["input_ids"][:n_tokens]
    tokens = torch.tensor(ids)
    samples: dict[str, list[float]] = {"plain": [], "recorded": [], "contributions": []}

    def finish() -> float:
        if model.model.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    for round_ in range(repeats + 1):
        started = finish()
        with torch.no_grad():
            model.model(input_ids=tokens[None].to(model.model.device), use_cache=False)
        plain = finish()
        trace = record(model.model, model.anatomy, tokens, Watch())
        recorded = finish()
        contributions(trace)
        done = finish()
        if round_ > 0:
            samples["plain"].append(plain - started)
            samples["recorded"].append(recorded - plain)
            samples["contributions"].append(done - recorded)
    whole = [r + c for r, c in zip(samples["recorded"], samples["contributions"], strict=True)]
    return {
        "tokens": n_tokens,
        "plain_forward_s": statistics.median(samples["plain"]),
        "recorded_forward_s": statistics.median(samples["recorded"]),
        "contributions_s": statistics.median(samples["contributions"]),
        "whole_over_forward": statistics.median(w / p for w, p in zip(whole, samples["plain"], strict=True)),
    }


def _lengths(given: str) -> list[int]:
    try:
        lengths = [int(part) for part in given.split(",")]
    except ValueError:
        lengths = []
    if not lengths or min(lengths) < 1:
        raise TransparencyError("invalidParams", f"--tokens is {given!r}.", "It takes lengths such as 16,64,128.")
    return lengths


def _table(model: LoadedModel, rows: list[dict[str, float | int]]) -> str:
    lines = [
        f"{model.name}, {model.dtype}, {model.device}; medians",
        f"{'tokens':>8}{'plain forward':>16}{'recorded':>12}{'contributions':>16}{'whole ÷ forward':>18}",
    ]
    for row in rows:
        lines.append(
            f"{row['tokens']:>8}{row['plain_forward_s']:>14.3f} s{row['recorded_forward_s']:>10.3f} s"
            f"{row['contributions_s']:>14.3f} s{row['whole_over_forward']:>17.2f}×"
        )
    return "\n".join(lines) + "\n"
