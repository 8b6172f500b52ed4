"""What is kept of one prompt, as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from lm_transparency.causal.units import parse_units

#: Kinds of units.
KINDS = ("edge", "head", "ffn")

#: Scores in the order of the page, those without a sign first.
UNSIGNED = ("contribution", "flow", "flow at Auto")
RANDOM = "random"
NAMES = (*UNSIGNED, "direct logit attribution", "gradient", "share", "integrated gradients", RANDOM)

#: Edges in the order in which they are measured: by gradient and by flow in turns.
BOTH = "both in turns"

#: Circuits: these shares of all attention edges are kept.
SIZES = (0.02, 0.05, 0.1, 0.2, 0.4)


@dataclass
class Record:
    """Of one prompt. `scores`: by unit, in the order of `names`.

    `measured`: m(clean) − m(without) by unit, of more than the sample where all edges are. `m_none`: m with all edges
    at their mean; `by_size`, `by_value`: m with a share of them kept, those with the largest |score|, or the
    largest score, by `SIZES`. Costs in CPU seconds.
    """

    kind: str
    prompt: str
    m_of: str
    n_tokens: int
    m: float
    names: list[str] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)
    m_none: float = 0.0
    by_size: dict[str, list[float]] = field(default_factory=dict)
    by_value: dict[str, list[float]] = field(default_factory=dict)
    candidates: dict[str, list[str]] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        return asdict(self)


def kind_of(unit: str) -> str:
    return parse_units(unit)[0].kind
