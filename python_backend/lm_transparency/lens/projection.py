"""Residual states and updates, read through the final norm and the unembedding (method.md, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..model.anatomy import Anatomy


@dataclass(frozen=True)
class TopTokens:
    """Vocabulary entries in order of their logits. `probability` is the softmax over the whole vocabulary."""

    ids: Int[Tensor, "k"]
    logits: Float[Tensor, "k"]
    probabilities: Float[Tensor, "k"]


class Lens:
    """The final norm and unembedding of a model, as a reading glass for any vector of the residual stream."""

    def __init__(self, anatomy: Anatomy) -> None:
        self._anatomy = anatomy

    def logits(self, vector: Float[Tensor, "*position d_model"], *, normalize: bool = True) -> Tensor:
        """[*position, vocabulary]: the logit lens of `vector`, float32; `normalize` applies the final norm first."""
        with torch.no_grad():
            weight = self._anatomy.unembedding.weight
            assert isinstance(weight, Tensor)
            state = vector.to(weight.dtype)
            if normalize:
                state = self._anatomy.final_norm(state)
            return self._anatomy.unembedding(state).float()

    @staticmethod
    def top(logits: Float[Tensor, "vocabulary"], k: int, *, largest: bool = True) -> TopTokens:
        """The k largest (or smallest) logits."""
        k = min(k, int(logits.shape[-1]))
        values, ids = logits.topk(k, largest=largest)
        return TopTokens(ids.cpu(), values.cpu(), logits.softmax(dim=-1)[ids].cpu())

    @staticmethod
    def ranks(logits: Float[Tensor, "vocabulary"], ids: Int[Tensor, "k"]) -> Int[Tensor, "k"]:
        """The rank of each id, 0 for the most probable."""
        return (logits[None] > logits[ids.to(logits.device)][:, None]).sum(dim=-1).cpu()
