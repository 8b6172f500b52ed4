"""A node of the graph: its state through the lens, and the update by the block before it."""

from __future__ import annotations

from dataclasses import replace

from ..analysis.result import Analysis
from ..lens.maps import LOGIT, LensMaps
from ..lens.nodes import node_tokens
from ..protocol.inspection import NodeTokensResult, Update
from ..protocol.nodes import parse_node
from ..trace.trace import position_of
from .asking import question
from .tokens import state_scores, update_scores


@question
def inspect_node(
    analysis: Analysis,
    node: str,
    *,
    top_k: int = 30,
    update_k: int = 15,
    normalize: bool = True,
    lens: LensMaps = LOGIT,
) -> NodeTokensResult:
    """Node `X0_t`, `A<l>_<t>`, `M<l>_<t>` or `I<l>_<t>`; a negative t counts from the end.

    Raises `TransparencyError` for a node that does not exist.
    """
    named = parse_node(node)
    at = replace(named, position=position_of(named.position, analysis.trace.n_tokens))
    place = at.kind, at.layer, at.position
    found = node_tokens(analysis.trace, *place, top_k=top_k, update_k=update_k, normalize=normalize, maps=lens)
    top = promoted = suppressed = ()
    if found.top is not None:
        # there is no node before an embedding
        gained = None if found.rank_change is None or at.kind == "X" else found.rank_change.tolist()
        top = state_scores(analysis, found.top, gained)
    if found.promoted is not None and found.suppressed is not None:
        promoted, suppressed = update_scores(analysis, found.promoted), update_scores(analysis, found.suppressed)
    return NodeTokensResult(at, top, Update(promoted, suppressed), lens.name)
