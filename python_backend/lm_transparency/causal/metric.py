"""The number that an effect is an effect on: a logit, a difference of two logits, or a log-probability."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from ..errors import TransparencyError
from ..model.readout import TOKENS, Readout
from ..protocol.effects import MetricKind


def precise(numbers: Tensor) -> Tensor:
    """At least float32: what a model computes in half precision is compared in float32."""
    return numbers if numbers.dtype == torch.float64 else numbers.float()


@dataclass(frozen=True)
class Metric:
    """m: the logit of `target` at `position`, less that of `contrast` where there is one, or a log-probability.

    `target`, `contrast`: tokens of the vocabulary, or labels of a classifier.
    """

    position: int
    target: int
    contrast: int | None = None
    kind: MetricKind = "logit"
    readout: Readout = TOKENS

    def __post_init__(self) -> None:
        if self.kind == "logprob" and self.readout.task == "value":
            raise TransparencyError("invalidParams", "A regression has no probabilities.", "Ask for the logit.")

    def of(self, logits: Float[Tensor, "*run output"]) -> Float[Tensor, "*run"]:
        """m of the logits at `position`."""
        logits = precise(logits)
        wanted = self._of(logits, self.target)
        return wanted if self.contrast is None else wanted - self._of(logits, self.contrast)

    def _of(self, logits: Float[Tensor, "*run output"], output: int) -> Float[Tensor, "*run"]:
        if self.kind == "logit":
            return logits[..., output]
        if self.readout.task == "labels":
            # each label is a question of its own
            return logsigmoid(logits[..., output])
        return logits[..., output] - logits.logsumexp(dim=-1)

    def divergence(self, clean: Float[Tensor, "output"], changed: Float[Tensor, "output"]) -> float | None:
        """KL(clean ‖ changed) of the distributions, in nats; summed over labels that are questions of their own. None
        for a regression.
        """
        clean, changed = clean.double(), changed.double()
        match self.readout.task:
            case "value":
                return None
            case "labels":
                p, q = (torch.stack([logsigmoid(x), logsigmoid(-x)]) for x in (clean, changed))
            case _:
                p, q = clean.log_softmax(dim=-1), changed.log_softmax(dim=-1)
        # an output that a model rules out adds nothing
        possible = p > -torch.inf
        return max(0.0, float((p.exp() * (p - q))[possible].sum()))
