"""The measurements of the benchmark: the stages of an analysis side by side, and single questions about a run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..analysis.result import Analysis
    from ..model.loading import LoadedModel
    from ..model.tokens import Token
    from .bench_compare import Compared

_TEXT = (
    "When Mary and John went to the store, John gave a drink to Mary. Later that day the two walked home along the "
    "river, talked about the war that lasted from the year 1732 to the year 1748, and counted the boats. "
)

#: Rounds end after this many seconds, but at least two are run.
_ROUNDS_S = 20.0

Row = dict[str, float | int | None]


@dataclass
class _Stages:
    """The stages of one analysis, each from the result of the one before."""

    model: LoadedModel
    n_tokens: int

    def __post_init__(self) -> None:
        import torch

        self.tokens = torch.tensor(token_ids(self.model, self.n_tokens))

    def plain(self) -> None:
        import torch

        with torch.no_grad():
            self.model.model(input_ids=self.tokens[None].to(self.model.input_device), use_cache=False)

    def recorded(self) -> None:
        from ..trace.recording import record
        from ..watch import Watch

        self.trace = record(self.model.model, self.model.anatomy, self.tokens, Watch())

    def contributions(self) -> None:
        from ..analysis.making import analysis_of
        from ..watch import Watch

        self.analysis: Analysis = analysis_of(self.model, "", self._named(), self.trace, 0.0, watch=Watch())

    def _named(self) -> list[Token]:
        from ..model.tokens import Token

        return [Token(int(i), "", 0, 0, False, False) for i in self.tokens]

    def payload(self) -> None:
        from ..exports.payload import encode_payload

        self.encoded = encode_payload("bench", self.analysis, 10)

    def first_graph(self) -> None:
        from ..analysis.making import Started
        from ..exports.payload import encode_payload
        from ..trace.recording import record
        from ..watch import Watch

        trace = record(self.model.model, self.model.anatomy, self.tokens, Watch(), only_last=True)
        begun = Started(self.model, "", self._named(), trace, 0.0)
        begun.reach(trace.target, Watch())
        encode_payload("bench", begun.analysis(), 10)

    def whole(self) -> None:
        for stage in (self.recorded, self.contributions, self.payload):
            stage()

    def forget(self) -> None:
        for name in ("trace", "analysis", "encoded"):
            vars(self).pop(name, None)

    @property
    def timed(self) -> dict[str, Callable[[], None]]:
        """In the order in which they run."""
        return {
            "plain_forward": self.plain,
            "recorded_forward": self.recorded,
            "contributions": self.contributions,
            "payload": self.payload,
            "first_graph": self.first_graph,
        }


def measure(model: LoadedModel, n_tokens: int, repeats: int, payloads: Path | None = None) -> Row:
    """One prompt length.

    Times are medians over `repeats` rounds, or over fewer that took `_ROUNDS_S` together; each round times all stages
    one after the other, so that drift affects all. Memory is the rise of the peak, in bytes above the model and the
    results of earlier stages.

    The first graph covers what the routes into the last token need, with its payload. `contributions_s` is the
    contributions alone; the whole counts everything with them. The definition is timed in turns with contributions of
    its own, patching on a sample (`bench_compare`). `payloads`: a folder for the payload, as `<tokens>.msgpack`.
    """
    from ..analysis.limits import check_length
    from .bench_compare import definition_beside_ours, patching_seconds, seconds_of
    from .bench_memory import with_peak

    check_length(model, n_tokens)
    stages = _Stages(model, n_tokens)
    stages.plain()
    # memory first: this also warms up the timed code
    peaks = {name: with_peak(stage)[1] for name, stage in stages.timed.items()}
    stages.forget()
    whole_peak = with_peak(stages.whole)[1]
    if payloads is not None:
        payloads.mkdir(parents=True, exist_ok=True)
        (payloads / f"{n_tokens}.msgpack").write_bytes(stages.encoded)
    samples: dict[str, list[float]] = {name: [] for name in stages.timed}
    alone: list[float] = []
    ends = time.perf_counter() + _ROUNDS_S
    for round_ in range(repeats):
        if round_ > 1 and time.perf_counter() > ends:
            break
        stages.forget()
        for name, stage in stages.timed.items():
            samples[name].append(seconds_of(stage, model.model.device))
        alone.append(stages.analysis.contributions_s)
    medians = {name: statistics.median(times) for name, times in samples.items()}
    plain, *analysis, first = samples.values()
    wholes = [sum(parts) for parts in zip(*analysis, strict=True)]
    by_part, by_key = (definition_beside_ours(stages.trace, projected) for projected in ("parts", "keys"))
    patching = patching_seconds(model, stages.tokens)
    medians["contributions"] = statistics.median(alone)
    return {
        "tokens": n_tokens,
        "rounds": len(plain),
        **{f"{name}_s": seconds for name, seconds in medians.items()},
        "whole_s": statistics.median(wholes),
        "whole_over_forward": statistics.median(w / p for w, p in zip(wholes, plain, strict=True)),
        "first_graph_over_forward": statistics.median(f / p for f, p in zip(first, plain, strict=True)),
        **_compared("naive", by_part),
        **_compared("naive_by_key", by_key),
        "patching_s": patching,
        "patching_over_whole": patching / statistics.median(wholes),
        **{f"{name}_peak_mb": peak / 1e6 for name, peak in peaks.items()},
        "whole_peak_mb": whole_peak / 1e6,
        "extra_peak_mb": (whole_peak - peaks["plain_forward"]) / 1e6,
        "payload_mb": len(stages.encoded) / 1e6,
    }


def _compared(name: str, compared: Compared | None) -> Row:
    if compared is None:
        return {f"{name}_s": None, f"contributions_beside_{name}_s": None, f"{name}_over_contributions": None}
    return {
        f"{name}_s": compared.definition,
        f"contributions_beside_{name}_s": compared.ours,
        f"{name}_over_contributions": compared.ratio,
    }


def token_ids(model: LoadedModel, n_tokens: int) -> list[int]:
    """A prompt of this many tokens."""
    return model.tokenizer(_TEXT * (1 + n_tokens // 32), add_special_tokens=False)["input_ids"][:n_tokens]


def measure_inspectors(model: LoadedModel, n_tokens: int, clicks: int) -> list[dict[str, Any]]:
    """Seconds of one question about a run: median and 95th percentile over `clicks` different places."""
    from ..analysis.making import analyze
    from ..inspection.experts import inspect_expert, inspect_experts
    from ..inspection.ffn import inspect_ffn, inspect_neuron
    from ..inspection.heads import attention_map, inspect_edge, inspect_head, layer_maps
    from ..inspection.nodes import inspect_node

    run = analyze(model, model.tokenizer.decode(token_ids(model, n_tokens)), special_tokens="none")
    trace, last = run.trace, len(run.tokens) - 1
    dense = [i for i, block in enumerate(trace.anatomy.blocks) if block.down_projection is not None]
    sparse = [i for i, block in enumerate(trace.anatomy.blocks) if block.experts is not None]
    kinds: dict[str, Callable[[int], Any]] = {
        "node": lambda i: inspect_node(run, f"I{i % trace.n_layers}_{last - i % (last + 1)}"),
        "edge": lambda i: inspect_edge(run, i % trace.n_layers, last, i % (last + 1)),
        "head": lambda i: inspect_head(run, i % trace.n_layers, i % trace.n_heads, last, i % (last + 1)),
        "map": lambda i: attention_map(run, i % trace.n_layers, i % trace.n_heads),
        "all maps": lambda i: layer_maps(run, i % trace.n_layers),
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
            # a few are enough for slow questions
            if sum(times) > _CLICKS_S:
                break
        times.sort()
        p95 = times[min(len(times) - 1, int(0.95 * len(times)))]
        rows.append({"kind": kind, "tokens": last + 1, "median_s": statistics.median(times), "p95_s": p95})
    return rows


_CLICKS_S = 5.0
