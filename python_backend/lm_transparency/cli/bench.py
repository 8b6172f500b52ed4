"""`lm-transparency bench`: plain forward, recorded forward and contributions side by side, in one run."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
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
    parser.add_argument("--clicks", type=int, default=50, metavar="N", help="questions of each kind that are timed")
    parser.add_argument("--format", default="text", choices=("text", "json"))
    parser.add_argument("-o", "--output", type=Path, metavar="F")
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    lengths = _lengths(arguments.tokens)
    for name in ("repeats", "clicks"):
        if getattr(arguments, name) < 1:
            raise TransparencyError("invalidParams", f"--{name} is {getattr(arguments, name)}.", "It takes 1 or more.")
    from ..session import Session

    model = load(Session(), arguments)
    rows = [measure(model, n_tokens, arguments.repeats) for n_tokens in lengths]
    looks = [row for n_tokens in INSPECTED for row in measure_inspectors(model, n_tokens, arguments.clicks)]
    document = {"rows": rows, "inspectors": looks}
    text = json.dumps(document, indent=1) + "\n"
    if arguments.format == "text":
        text = _table(model, rows) + _inspectors_table(looks)
    if arguments.output:
        write_atomically(arguments.output, lambda file: file.write(text.encode("utf-8")))
    else:
        sys.stdout.write(text)
    return 0


def measure(model: LoadedModel, n_tokens: int, repeats: int) -> dict[str, float | int | None]:
    """Medians over `repeats` rounds; in each round all are timed one after the other, so that drift hits all.

    `whole` is the recorded forward, the contributions and the payload; naive and patching are timed once.
    """
    import torch

    from ..analysis import analysis_of, check_length
    from ..model.tokens import Token
    from ..routes.contributions import contributions
    from ..server.payload import encode_payload
    from ..trace.recording import record
    from ..watch import Watch
    from .bench_compare import extra_peak, naive_seconds, patching_seconds

    check_length(model, n_tokens)
    ids = model.tokenizer(_TEXT * (1 + n_tokens // 32), add_special_tokens=False)["input_ids"][:n_tokens]
    tokens = torch.tensor(ids)
    samples: dict[str, list[float]] = {"plain": [], "recorded": [], "contributions": [], "payload": []}

    def finish() -> float:
        if model.model.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def forward() -> None:
        with torch.no_grad():
            model.model(input_ids=tokens[None].to(model.input_device), use_cache=False)

    named = [Token(int(i), "", 0, 0, False, False) for i in tokens]
    analysis = analysis_of(model, "", named, record(model.model, model.anatomy, tokens, Watch()), 0.0, watch=Watch())
    for round_ in range(repeats + 1):
        started = finish()
        with torch.no_grad():
            model.model(input_ids=tokens[None].to(model.input_device), use_cache=False)
        plain = finish()
        trace = record(model.model, model.anatomy, tokens, Watch())
        recorded = finish()
        contributions(trace)
        contributed = finish()
        encode_payload("bench", analysis, 10)
        done = finish()
        if round_ > 0:
            samples["plain"].append(plain - started)
            samples["recorded"].append(recorded - plain)
            samples["contributions"].append(contributed - recorded)
            samples["payload"].append(done - contributed)
    parts = (samples[name] for name in ("recorded", "contributions", "payload"))
    whole = [sum(row) for row in zip(*parts, strict=True)]
    contributions_s, naive = statistics.median(samples["contributions"]), naive_seconds(analysis.trace)

    def analyse() -> None:
        contributions(record(model.model, model.anatomy, tokens, Watch()))

    return {
        "tokens": n_tokens,
        "plain_forward_s": statistics.median(samples["plain"]),
        "recorded_forward_s": statistics.median(samples["recorded"]),
        "contributions_s": contributions_s,
        "payload_s": statistics.median(samples["payload"]),
        "whole_over_forward": statistics.median(w / p for w, p in zip(whole, samples["plain"], strict=True)),
        "naive_over_contributions": None if naive is None else naive / contributions_s,
        "patching_over_whole": patching_seconds(model, tokens) / statistics.median(whole),
        "extra_peak_mb": extra_peak(forward, analyse) / 1e6,
    }


#: Prompt lengths at which questions about a run are timed.
INSPECTED = (64, 512)


def measure_inspectors(model: LoadedModel, n_tokens: int, clicks: int) -> list[dict[str, Any]]:
    """What one question about a run takes, in seconds: median and 95th percentile over `clicks` different places."""
    from ..analysis import analyze
    from ..inspection.experts import inspect_expert, inspect_experts
    from ..inspection.ffn import inspect_ffn, inspect_neuron
    from ..inspection.heads import attention_map, inspect_edge, inspect_head
    from ..inspection.nodes import inspect_node

    ids = model.tokenizer(_TEXT * (1 + n_tokens // 32), add_special_tokens=False)["input_ids"][:n_tokens]
    run = analyze(model, model.tokenizer.decode(ids), special_tokens="none")
    trace, last = run.trace, len(run.tokens) - 1
    dense = [i for i, block in enumerate(trace.anatomy.blocks) if block.down_projection is not None]
    sparse = [i for i, block in enumerate(trace.anatomy.blocks) if block.experts is not None]
    kinds: dict[str, Callable[[int], Any]] = {
        "node": lambda i: inspect_node(run, f"I{i % trace.n_layers}_{last - i % (last + 1)}"),
        "edge": lambda i: inspect_edge(run, i % trace.n_layers, last, i % (last + 1)),
        "head": lambda i: inspect_head(run, i % trace.n_layers, i % trace.n_heads, last, i % (last + 1)),
        "map": lambda i: attention_map(run, i % trace.n_layers, i % trace.n_heads),
    }
    if dense:
        kinds["feed-forward"] = lambda i: inspect_ffn(run, dense[i % len(dense)], last - i % (last + 1))
        kinds["neuron"] = lambda i: inspect_neuron(run, dense[i % len(dense)], i, last - i % (last + 1))
    if sparse:
        kinds["experts"] = lambda i: inspect_experts(run, sparse[i % len(sparse)], last - i % (last + 1))
        kinds["expert"] = lambda i: inspect_expert(run, sparse[i % len(sparse)], 0, last - i % (last + 1))
    rows: list[dict[str, Any]] = []
    for kind, ask in kinds.items():
        ask(0)
        times: list[float] = []
        for i in range(clicks):
            started = time.perf_counter()
            ask(i)
            times.append(time.perf_counter() - started)
        times.sort()
        p95 = times[min(clicks - 1, int(0.95 * clicks))]
        rows.append({"kind": kind, "tokens": last + 1, "median_s": statistics.median(times), "p95_s": p95})
    return rows


def _inspectors_table(rows: list[dict[str, Any]]) -> str:
    lines = ["", "one question about a run, in the backend", f"{'tokens':>8}  {'kind':<14}{'median':>10}{'p95':>12}"]
    for row in rows:
        median, p95 = (f"{1e3 * row[name]:.1f} ms" for name in ("median_s", "p95_s"))
        lines.append(f"{row['tokens']:>8}  {row['kind']:<14}{median:>10}{p95:>12}")
    return "\n".join(lines) + "\n"


def _lengths(given: str) -> list[int]:
    try:
        lengths = [int(part) for part in given.split(",")]
    except ValueError:
        lengths = []
    if not lengths or min(lengths) < 1:
        raise TransparencyError("invalidParams", f"--tokens is {given!r}.", "It takes lengths such as 16,64,128.")
    return lengths


def _table(model: LoadedModel, rows: list[dict[str, float | int | None]]) -> str:
    lines = [
        f"{model.name}, {model.dtype}, {model.device}; medians",
        f"{'tokens':>8}{'plain forward':>16}{'recorded':>12}{'contributions':>16}{'payload':>10}{'whole ÷ forward':>18}"
        f"{'definition ÷ ours':>20}{'patching ÷ whole':>19}{'extra peak':>13}",
    ]
    for row in rows:
        naive = row["naive_over_contributions"]
        lines.append(
            f"{row['tokens']:>8}{row['plain_forward_s']:>14.3f} s{row['recorded_forward_s']:>10.3f} s"
            f"{row['contributions_s']:>14.3f} s{row['payload_s']:>8.3f} s{row['whole_over_forward']:>17.2f}×"
            f"{'too large' if naive is None else f'{naive:.0f}×':>20}{row['patching_over_whole']:>18.0f}×"
            f"{row['extra_peak_mb']:>10.0f} MB"
        )
    lines.append("patching: every head at every position, timed on a sample and multiplied")
    return "\n".join(lines) + "\n"
