"""What a lens does to a state before the final norm and the unembedding: nothing, or an affine map for each layer.

The logit lens reads states as they are. The Jacobian lens reads J · h, where J is the mean derivative of the last
layer's output with respect to the state (arXiv 2607.15495). The tuned lens reads h + W · h + b (arXiv 2303.08112).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Kind = Literal["logit", "jacobian", "tuned"]


@dataclass(frozen=True)
class Affine:
    """h → `weight` · h + `bias`. float32 or half precision; computed in float32."""

    weight: Float[Tensor, "d_model d_model"]
    bias: Float[Tensor, "d_model"] | None = None

    def of(self, states: Float[Tensor, "*position d_model"]) -> Float[Tensor, "*position d_model"]:
        mapped = states.float() @ self.weight.to(states.device, torch.float32).T
        return mapped if self.bias is None else mapped + self.bias.to(mapped)


@dataclass(frozen=True)
class LensMaps:
    """One lens of one model. `rows`: maps by row of the lens grid, row 0 for the embedding and row l + 1 for the state
    after layer l. A row without a map is read as it is.

    `name`: what answers call it. `notes`: what is missing, as sentences.
    """

    kind: Kind = "logit"
    name: str = "logit"
    rows: Mapping[int, Affine] = field(default_factory=dict[int, Affine])
    notes: tuple[str, ...] = ()

    def read(self, states: Float[Tensor, "*position d_model"], row: int) -> Float[Tensor, "*position d_model"]:
        """The states of one row as the unembedding is to see them; the same tensor where the row has no map."""
        found = self.rows.get(row)
        return states if found is None else found.of(states)

    def missing(self, n_layers: int) -> list[int]:
        """Rows that another row of this lens has a map for and they do not. The last row needs none."""
        return [row for row in range(n_layers) if row not in self.rows] if self.rows else []


#: The lens without maps.
LOGIT = LensMaps()


def listed(rows: Iterable[int]) -> str:
    """Rows in words: the embedding, and layers."""
    return ", ".join("the embedding" if row == 0 else f"layer {row - 1}" for row in rows)
