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
        mapped = self.turned(states)
        return mapped if self.bias is None else mapped + self.bias.to(mapped)

    def turned(self, updates: Float[Tensor, "*position d_model"]) -> Float[Tensor, "*position d_model"]:
        """`weight` · u: what a difference of two states becomes."""
        return updates.float() @ self.weight.to(updates.device, torch.float32).T


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

    @property
    def title(self) -> str:
        """Its kind in words."""
        return f"{self.kind.capitalize()} lens"

    def read(self, states: Float[Tensor, "*position d_model"], row: int) -> Float[Tensor, "*position d_model"]:
        """The states of one row as the unembedding is to see them; the same tensor where the row has no map."""
        found = self.rows.get(row)
        return states if found is None else found.of(states)

    def read_update(
        self, updates: Float[Tensor, "*position d_model"], layer: int
    ) -> Float[Tensor, "*position d_model"]:
        """What `layer` writes, as the unembedding is to see it: turned like the state after it, without bias."""
        found = self.rows.get(layer + 1)
        return updates if found is None else found.turned(updates)

    def missing(self, n_layers: int) -> list[int]:
        """Rows that another row of this lens has a map for and they do not. The last row needs none."""
        return [row for row in range(n_layers) if row not in self.rows] if self.rows else []


#: The lens without maps.
LOGIT = LensMaps()


def listed(rows: Iterable[int]) -> str:
    """Rows in words: the embedding, and layers."""
    return ", ".join("the embedding" if row == 0 else f"layer {row - 1}" for row in rows)
