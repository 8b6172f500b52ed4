"""How a model's last state is read: as the next token, or as the labels of a sequence classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedModel

from ..printable import terminal
from .options import Task
from .tokens import visible

_CLASSIFIER = "ForSequenceClassification"
#: Names in transformers of the linear map from the last state to the labels.
_HEADS = ("score",)


@dataclass(frozen=True)
class Readout:
    """`labels`: the names of the outputs, in order; empty where the outputs are the vocabulary's tokens."""

    task: Task = "token"
    labels: tuple[str, ...] = ()

    @property
    def classifies(self) -> bool:
        return self.task != "token"

    def probability(self, logits: Float[Tensor, "*k"], total: Float[Tensor, "*k"]) -> Float[Tensor, "*k"]:
        """Probabilities of some `logits`; `total`: logsumexp over all outputs. 0 where a logit is a plain value."""
        if self.task == "labels":
            return logits.sigmoid()
        return torch.zeros_like(logits) if self.task == "value" else (logits - total).exp()

    def shown(self, text: str) -> str:
        """An output's text for display: a token with visible spaces, or a label's name."""
        return visible(text) if self.task == "token" else terminal(text)

    def figure(self, probability: float, logit: float, digits: int = 1) -> str:
        """A probability in per cent; where there is none, the value itself."""
        return f"{logit:+.3f}" if self.task == "value" else f"{100 * probability:.{digits}f} %"


TOKENS = Readout()


def auto_class(config: Any) -> Any:
    """The Auto class for a checkpoint's configuration: a classifier's, or that of causal language models."""
    named = getattr(config, "architectures", None) or [""]
    return AutoModelForSequenceClassification if str(named[0]).endswith(_CLASSIFIER) else AutoModelForCausalLM


def readout(model: PreTrainedModel) -> Readout:
    """The kind of outputs of `model`, from its class and configuration."""
    if not type(model).__name__.endswith(_CLASSIFIER):
        return TOKENS
    config = model.config
    labels = tuple(str(name) for _, name in sorted(dict[Any, Any](config.id2label or {}).items()))
    problem = getattr(config, "problem_type", None)
    if problem == "multi_label_classification":
        return Readout("labels", labels)
    # transformers trains a single output this way unless configured otherwise
    return Readout("value" if problem == "regression" or len(labels) == 1 else "label", labels)


def output_layer(model: PreTrainedModel) -> nn.Module | None:
    """The unembedding of a language model, or a classifier's map to its labels; None where there is neither."""
    if not type(model).__name__.endswith(_CLASSIFIER):
        return model.get_output_embeddings()
    heads = (getattr(model, name, None) for name in _HEADS)
    return next((head for head in heads if isinstance(head, nn.Linear)), None)
