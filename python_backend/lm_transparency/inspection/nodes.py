"""A node of the graph: what its state says, and what the block before it changed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..analysis.result import Analysis
from ..lens.nodes import node_tokens
from ..routes.graph import Node, parse_node
from ..trace.trace import position_of
from .asking import question
from .tokens import TokenScore, Update, state_scores, update_scores


@dataclass(frozen=True)
class NodeView:
    """A node's state through the logit lens (`top`, empty for an update), and the update that leads into it."""

    node: Node
    top: tuple[TokenScore, ...]
    update: Update


@question
def inspect_node(
    analysis: Analysis, node: str, *, top_k: int = 30, update_k: int = 15, normalize: bool = True
) -> NodeView:
    """Node `X0_t`, `A<l>_<t>`, `M<l>_<t>` or `I<l>_<t>`; t may be negative from the end.

    Raises `TransparencyError` for a node that is not there.
    """
    named = parse_node(node)
    at = replace(named, position=position_of(named.position, analysis.trace.n_tokens))
    found = node_tokens(
        analysis.trace, at.kind, at.layer, at.position, top_k=top_k, update_k=update_k, normalize=normalize
    )
    top = promoted = suppressed = ()
    if found.top is not None:
        top = state_scores(analysis, found.top, None if found.rank_change is None else found.rank_change.tolist())
    if found.promoted is not None and found.suppressed is not None:
        promoted, suppressed = update_scores(analysis, found.promoted), update_scores(analysis, found.suppressed)
    return NodeView(at, top, Update(promoted, suppressed))
