"""The result of one forward pass over a prompt: tokens, trace, contributions, proof and predictions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..ambient import guarded
from ..model.loading import LoadedModel
from ..model.options import COMPARED_THRESHOLD
from ..model.tokens import Token
from ..routes.contributions import Contributions
from ..routes.graph import RouteGraph, auto_threshold, route_graph
from ..trace.proof import Proof
from ..trace.trace import Trace, position_of

#: Positions whose logits are computed at once.
_POSITIONS = 128


@dataclass(frozen=True)
class Predictions:
    """The most probable next tokens at every position; for a classifier the labels, if the text ended there.

    `probabilities`: see `Readout.probability`. Where a position is not read yet (`Trace.unread`) all is 0 and `texts`
    has none.
    """

    ids: Int[Tensor, "position k"]
    probabilities: Float[Tensor, "position k"]
    logits: Float[Tensor, "position k"]
    texts: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Analysis:
    """The analysis of `prompt` at every position. Seconds in `forward_s`, `contributions_s`.

    A partial analysis (`Started`) holds the result so far. `n_reused`: how many positions, from the first, were taken
    over from an earlier analysis.
    """

    prompt: str
    model: LoadedModel
    tokens: tuple[Token, ...]
    trace: Trace
    contributions: Contributions
    proof: Proof
    notices: tuple[str, ...]
    forward_s: float
    contributions_s: float
    n_reused: int = 0

    @property
    def is_complete(self) -> bool:
        return self.trace.unread is None and self.contributions.is_complete

    @property
    def target(self) -> int:
        """The position of the model's answer: a classifier's pooled position, else the last."""
        return self.trace.target

    def routes(
        self, position: int | None = None, threshold: float | None = COMPARED_THRESHOLD, *, renormalize: bool = True
    ) -> RouteGraph:
        """The routes into `position` (negative from the end; None: the target).

        `threshold`: the default is that of batch records, so that graphs of several prompts compare; None: chosen for
        this graph (`auto_threshold`), as in the panel, `show` and `lm-transparency analyze`. `RouteGraph.threshold`
        holds it.

        Raises `TransparencyError` as `route_graph` does.
        """
        at = position_of(self.target if position is None else position, len(self.tokens))
        if threshold is None:
            threshold = auto_threshold(self.contributions, at, renormalize=renormalize)
        return route_graph(self.contributions, at, threshold, renormalize=renormalize)

    @guarded
    def predictions(self, k: int) -> Predictions:
        """The `k` most probable next tokens (or labels) at every position, by the model's own logits."""
        k = max(1, min(k, int(self.trace.logits.shape[-1])))
        # a block of positions at a time: with a large vocabulary, all at once would set the peak of memory
        read = [_highest(rows.float(), k) for rows in self.trace.logits.split(_POSITIONS)]
        values, ids, total = (torch.cat(parts) for parts in zip(*read, strict=True))
        probabilities = self.trace.anatomy.readout.probability(values, total)
        names = {i: self.model.output_text(i) for i in set(ids.flatten().tolist())}
        texts = tuple(tuple(names[i] for i in row) for row in ids.tolist())
        unread = len(self.tokens) - len(ids)
        columns = (nn.functional.pad(x.cpu(), (0, 0, unread, 0)) for x in (ids, probabilities, values))
        return Predictions(*columns, texts=((),) * unread + texts)


def _highest(logits: Float[Tensor, "position output"], k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `k` highest logits of each position, their indices, and the logarithm of the sum of all exponentials."""
    values, ids = logits.topk(k, dim=-1)
    return values, ids, logits.logsumexp(dim=-1, keepdim=True)
