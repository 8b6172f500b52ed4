"""What a record says about a score: agreement with measured effects, circuits, and the strongest edges."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .figures import bootstrap, covered, mean_over, overlap, spearman
from .record import NAMES, RANDOM, SIZES, Record, kind_of

#: f means nothing where all attention edges together add less to m.
LEAST_ADDED = 0.5

#: The strongest edges, whose candidates and signs are looked at.
TOP = 20
#: Whether the very strongest is among so many of a score.
FIRST = 10

#: A figure of a record, by the name of a score.
Of = Callable[[Record, str], "float | None"]


def rank(kind: str, *, signed: bool = False) -> Of:
    return lambda record, name: spearman(*_columns(record, kind, name), signed=signed)


def top(kind: str, k: int) -> Of:
    return lambda record, name: overlap(*_columns(record, kind, name), k)


def _columns(record: Record, kind: str, name: str) -> tuple[list[float], list[float]]:
    """Scores and measured effects of the sampled units of a kind."""
    at = record.names.index(name)
    units = [unit for unit in record.scores if kind_of(unit) == kind and unit in record.measured]
    return [record.scores[unit][at] for unit in units], [record.measured[unit] for unit in units]


def curve(record: Record, name: str, *, by_value: bool) -> list[float]:
    """f at each of `SIZES`."""
    runs = record.by_value.get(name, record.by_size[name]) if by_value else record.by_size[name]
    return [(m - record.m_none) / (record.m - record.m_none) for m in runs]


def cpr(record: Record, name: str) -> float | None:
    return mean_over(SIZES, curve(record, name, by_value=True))


def cmd(record: Record, name: str) -> float | None:
    return mean_over(SIZES, [abs(1 - f) for f in curve(record, name, by_value=False)])


def telling(records: list[Record]) -> list[Record]:
    """Records in which attention edges together support the target."""
    return [record for record in records if record.m - record.m_none >= LEAST_ADDED]


def covered_by(record: Record, order: str, n: int) -> float:
    edges = {unit: effect for unit, effect in record.measured.items() if kind_of(unit) == "edge"}
    return covered(record.candidates[order][:n], edges, TOP)


def strongest(record: Record) -> list[tuple[str, float]]:
    """The strongest measured edges of the sample."""
    edges = [(unit, record.measured[unit]) for unit in record.scores if kind_of(unit) == "edge"]
    return sorted(edges, key=lambda item: -abs(item[1]))[:TOP]


def signs(record: Record, name: str) -> list[bool]:
    """Whether the score of each of the strongest edges has the sign of its effect."""
    at = record.names.index(name)
    return [(record.scores[unit][at] > 0) == (effect > 0) for unit, effect in strongest(record)]


def finds_the_strongest(record: Record, name: str) -> bool:
    at = record.names.index(name)
    edges = [unit for unit in record.scores if kind_of(unit) == "edge"]
    largest = sorted(edges, key=lambda unit: -abs(record.scores[unit][at]))[:FIRST]
    return strongest(record)[0][0] in largest


def no_better(records: list[Record], of: Of, statistic: Callable[..., np.ndarray]) -> list[str]:
    """Scores whose lead over random, prompt by prompt, has an interval that reaches 0."""

    def lead(record: Record, name: str) -> float | None:
        mine, chance = of(record, name), of(record, RANDOM)
        return None if mine is None or chance is None else mine - chance

    found = {name: bootstrap([lead(record, name) for record in records], statistic) for name in NAMES if name != RANDOM}
    return [name for name, one in found.items() if one is not None and one.low <= 0]
