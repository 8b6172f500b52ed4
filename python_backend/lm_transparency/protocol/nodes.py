"""Nodes of the graph and their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from ..errors import TransparencyError
from ..wording import quoted

NodeKind = Literal["X", "A", "M", "I", "B"]


@dataclass(frozen=True, order=True)
class Node:
    """X the token embedding, A the residual after attention, M the feed-forward block, I the residual after the layer,
    B the bias that an attention block adds. `str(node)`: `X0_t`, `A<l>_<t>`, `M<l>_<t>`, `I<l>_<t>`, `B<l>_<t>`.
    """

    kind: NodeKind
    layer: int
    position: int

    def __str__(self) -> str:
        return f"{self.kind}{self.layer}_{self.position}"


def parse_node(name: str) -> Node:
    """The node with this `name`. Raises `TransparencyError("invalidParams")`."""
    found = re.fullmatch(r"([XAMIB])(\d{1,9})_(-?\d{1,9})", name, re.ASCII)
    if found is None:
        raise TransparencyError(
            "invalidParams", f"{quoted(name)} is not a node.", "Nodes are X0_t, A<l>_<t>, M<l>_<t>, I<l>_<t>."
        )
    return Node(cast("NodeKind", found[1]), int(found[2]), int(found[3]))
