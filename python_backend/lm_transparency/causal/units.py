"""Units of a run that can be taken out, and their names.

| unit | name |
|---|---|
| token | `X0_3` |
| edge, one head of it | `I22_1>A23_13` (from the embedding: `X0_1>A0_13`), `I22_1>A23_13/0` |
| head at a position, at all positions | `23.0@13`, `23.0` |
| feed-forward block, one neuron | `M22_3`, `M22_3#831` |
| expert (`shared`, `shared2` …), one neuron of it | `M22_3@5`, `M22_3@5#17` |
| bias of an attention block | `B22_3` |
| residual state | `I22_3` |

Keys stand before queries. A negative position counts from the prompt's end. `U+U` names several units at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import TransparencyError
from ..protocol.effects import UnitKind
from ..wording import quoted

#: Units that are removed together.
_MOST_PARTS = 256

_P = r"(-?\d{1,9})"
_N = r"(\d{1,9})"


@dataclass(frozen=True)
class Unit:
    """One unit. `position`: the query of an edge; None for a head at all positions. `layer`: −1 for the embedding.

    `expert`: its number, or `shared`, `shared2` …
    """

    kind: UnitKind
    layer: int
    position: int | None
    key: int | None = None
    head: int | None = None
    neuron: int | None = None
    expert: str | None = None

    def __str__(self) -> str:
        return _NAMES[self.kind](self)


def edge(layer: int, query: int, key: int, head: int | None = None) -> Unit:
    return Unit("edge" if head is None else "edge_head", layer, query, key, head)


def parse_units(text: str) -> tuple[Unit, ...]:
    """The units of `U` or `U+U`. Raises `TransparencyError("invalidParams")`."""
    n_parts = text.count("+") + 1
    if n_parts > _MOST_PARTS:
        raise TransparencyError(
            "invalidParams", f"{n_parts:,} units are to be removed together.", f"Name up to {_MOST_PARTS}."
        )
    return tuple(_parse(name.strip()) for name in text.split("+"))


def _parse(name: str) -> Unit:
    for pattern, make in _PATTERNS:
        match = pattern.fullmatch(name)
        if match is not None:
            unit = make(match)
            if unit is not None:
                return unit
    raise TransparencyError(
        "invalidParams",
        f"{quoted(name)} is not a unit.",
        "Units are tokens X0_3, edges I22_1>A23_13, heads 23.0@13 or 23.0, feed-forward blocks M22_3, neurons "
        "M22_3#831, experts M22_3@5, biases B22_3 and residuals I22_3.",
    )


def _edge(match: re.Match[str]) -> Unit | None:
    embedded, below, key, layer, query, head = match.groups()
    source = -1 if below is None else int(below)
    # X0_1 is the embedding, below layer 0
    if source != int(layer) - 1 or (embedded is not None and int(embedded) != 0):
        return None
    return edge(int(layer), int(query), int(key), None if head is None else int(head))


def _ffn(match: re.Match[str]) -> Unit:
    layer, position, expert, neuron = match.groups()
    kind: UnitKind = "neuron" if neuron is not None else "ffn" if expert is None else "expert"
    return Unit(kind, int(layer), int(position), neuron=None if neuron is None else int(neuron), expert=expert)


def _head(match: re.Match[str]) -> Unit:
    layer, head, position = match.groups()
    if position is None:
        return Unit("head_all", int(layer), None, head=int(head))
    return Unit("head", int(layer), int(position), head=int(head))


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


_PATTERNS: list[tuple[re.Pattern[str], Callable[[re.Match[str]], Unit | None]]] = [
    (_compiled(rf"(?:X(0)|I{_N})_{_P}>A{_N}_{_P}(?:/{_N})?"), _edge),
    (_compiled(rf"{_N}\.{_N}(?:@{_P})?"), _head),
    (_compiled(rf"M{_N}_{_P}(?:@({_N[1:-1]}|shared\d{{0,9}}))?(?:#{_N})?"), _ffn),
    (_compiled(rf"X0_{_P}"), lambda m: Unit("token", -1, int(m[1]))),
    (_compiled(rf"B{_N}_{_P}"), lambda m: Unit("bias", int(m[1]), int(m[2]))),
    (_compiled(rf"I{_N}_{_P}"), lambda m: Unit("residual", int(m[1]), int(m[2]))),
]


def _edge_name(unit: Unit) -> str:
    source = f"I{unit.layer - 1}" if unit.layer else "X0"
    head = "" if unit.head is None else f"/{unit.head}"
    return f"{source}_{unit.key}>A{unit.layer}_{unit.position}{head}"


def _ffn_name(unit: Unit) -> str:
    expert = "" if unit.expert is None else f"@{unit.expert}"
    neuron = "" if unit.neuron is None else f"#{unit.neuron}"
    return f"M{unit.layer}_{unit.position}{expert}{neuron}"


_NAMES: dict[str, Callable[[Any], str]] = {
    "edge": _edge_name,
    "edge_head": _edge_name,
    "head": lambda u: f"{u.layer}.{u.head}@{u.position}",
    "head_all": lambda u: f"{u.layer}.{u.head}",
    "ffn": _ffn_name,
    "neuron": _ffn_name,
    "expert": _ffn_name,
    "bias": lambda u: f"B{u.layer}_{u.position}",
    "residual": lambda u: f"I{u.layer}_{u.position}",
    "token": lambda u: f"X0_{u.position}",
}


def covers(whole: Unit, part: Unit) -> bool:
    """Whether `part` is one of the parts that `whole` is the sum of."""
    if whole.layer != part.layer:
        return False
    match whole.kind, part.kind:
        case "edge", "edge_head":
            return (whole.position, whole.key) == (part.position, part.key)
        case "head", "edge_head":
            return (whole.position, whole.head) == (part.position, part.head)
        case "head_all", "edge_head" | "head":
            return whole.head == part.head
        case "ffn", "neuron" | "expert":
            return whole.position == part.position
        case "residual", "ffn" | "neuron" | "expert" | "edge" | "edge_head" | "head" | "bias":
            return whole.position == part.position
        case "expert", "neuron":
            return (whole.position, whole.expert) == (part.position, part.expert)
        case _:
            return False


def overlap(one: Unit, other: Unit) -> bool:
    """Whether two units of which neither covers the other have a part in common: an edge, and a head at its query."""
    edges = {one.kind: one, other.kind: other}
    if one.layer != other.layer or "edge" not in edges:
        return False
    head = edges.get("head") or edges.get("head_all")
    return head is not None and head.position in (None, edges["edge"].position)
