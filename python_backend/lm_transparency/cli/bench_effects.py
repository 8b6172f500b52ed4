"""The cost of effects: all predicted, and the strongest edges measured, in plain forward passes of the same round."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from ..ambient import guarded
from .bench_measure import Row, token_ids

if TYPE_CHECKING:
    from ..causal.effects import Effect
    from ..model.loading import LoadedModel

#: Edges whose measurement is compared with one whole forward pass each.
_STRONGEST = 20
#: Edges that an automatic threshold draws, at most.
_DRAWN = 60


@guarded
def measure_effects(model: LoadedModel, n_tokens: int, repeats: int) -> Row:
    """One prompt length; medians over rounds, each of which times everything in turn.

    `predicted_over_forward`: a forward and a backward pass and every predicted effect. `strongest_speedup`: one whole
    forward for each of the strongest edges against measuring them. `drawn_over_forward`: measuring the `n_drawn` edges
    of the graph with its automatic threshold. Both count what a removal is made of, and the engine's own check.
    """
    import torch

    from ..analysis.making import analyze
    from ..causal.effects import Asking, Effect
    from ..causal.metric import Metric
    from ..causal.units import edge
    from ..watch import Watch
    from .bench_compare import seconds_of

    run = analyze(model, model.tokenizer.decode(token_ids(model, n_tokens)), special_tokens="none")
    first, second = (int(i) for i in run.predictions(2).ids[-1])
    metric = Metric(len(run.tokens) - 1, first, second)
    ids = run.trace.token_ids[None].to(model.input_device)

    def asking() -> Asking:
        return Asking(model.model, run.trace, metric, "default", Watch())

    def plain() -> None:
        with torch.no_grad():
            model.model(input_ids=ids, use_cache=False)

    def predict() -> None:
        _ = asking().all_predicted

    known = asking().all_predicted
    assert known is not None
    routes = [e for e in run.routes(threshold=None).edges if e.kind == "attention"]
    routes.sort(key=lambda e: -e.flow)
    drawn = [edge(e.target.layer, e.target.position, e.source.position) for e in routes][:_DRAWN]
    strongest = [unit for unit, _ in known.edges.units()][:_STRONGEST]
    engine = asking()

    def measured(units: list[Effect]) -> None:
        for _ in engine.measure(units):
            pass

    lists = {name: [Effect((unit,), "") for unit in units] for name, units in (("20", strongest), ("drawn", drawn))}
    stages = {
        "plain": plain,
        "predicted": predict,
        "strongest": lambda: measured(lists["20"]),
        "drawn": lambda: measured(lists["drawn"]),
    }
    rounds: list[dict[str, float]] = []
    for _ in range(1 + repeats):
        rounds.append({name: seconds_of(stage, model.model.device) for name, stage in stages.items()})

    def over(one: str, other: str, factor: float = 1.0) -> float:
        # the first round warms up
        return statistics.median(factor * found[one] / found[other] for found in rounds[1:])

    return {
        "tokens": n_tokens,
        "plain_forward_s": statistics.median(found["plain"] for found in rounds[1:]),
        "predicted_over_forward": over("predicted", "plain"),
        "strongest_speedup": over("plain", "strongest", len(strongest)),
        "n_drawn": len(drawn),
        "drawn_over_forward": over("drawn", "plain"),
    }


def effects_table(model: LoadedModel, rows: list[Row]) -> str:
    lines = [
        f"{model.name}, {model.dtype}, {model.device}; effects in plain forward passes, medians",
        f"{'tokens':>8}{'plain forward':>16}{'all predicted':>16}{'20 edges: speed-up':>21}{'drawn edges':>14}"
        f"{'measured':>11}",
    ]
    lines += [
        f"{row['tokens']:>8}{row['plain_forward_s']:>14.3f} s{row['predicted_over_forward']:>15.2f}×"
        f"{row['strongest_speedup']:>20.1f}×{row['n_drawn']:>14}{row['drawn_over_forward']:>10.1f}×"
        for row in rows
    ]
    lines.append("speed-up: against one whole forward pass for each edge")
    return "\n".join(lines) + "\n"
