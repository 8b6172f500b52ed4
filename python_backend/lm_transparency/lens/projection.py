"""Residual states and updates, read through the final norm and the unembedding.

See docs/method.md#vocabulary-projections.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..ambient import guarded
from ..model.anatomy import Anatomy
from ..model.linear import device_of, is_plain, like_input
from ..model.readout import TOKENS, Readout

#: Up to this many rows, weight × rowsᵀ is several times faster on a CPU than rows × weightᵀ.
_FEW = 8


@dataclass(frozen=True)
class TopTokens:
    """Vocabulary entries, or labels, in the order of their logits. `probabilities`: see `Readout.probability`."""

    ids: Int[Tensor, "k"]
    logits: Float[Tensor, "k"]
    probabilities: Float[Tensor, "k"]


class Lens:
    """The final norm and unembedding of a model, applied to any vector of the residual stream."""

    def __init__(self, anatomy: Anatomy) -> None:
        self._anatomy = anatomy

    @property
    def anatomy(self) -> Anatomy:
        return self._anatomy

    @guarded
    def logits(self, vector: Float[Tensor, "*position d_model"], *, normalize: bool = True) -> Tensor:
        """[*position, vocabulary]: the logit lens of `vector`, float32; `normalize` applies the final norm first."""
        with torch.no_grad():
            like = like_input(self._anatomy.unembedding)
            state = vector.to(like.dtype)
            if normalize:
                # the parts of one model may be on several devices
                state = self._anatomy.final_norm(state.to(device_of(self._anatomy.final_norm)))
            rows = state.reshape(-1, state.shape[-1]).to(like)
            logits = self._few(rows) if len(rows) <= _FEW and self._turns else self._anatomy.unembedding(rows)
            return self._finished(logits.float()).reshape(*vector.shape[:-1], -1)

    def _finished(self, logits: Float[Tensor, "row vocabulary"]) -> Float[Tensor, "row vocabulary"]:
        if self._anatomy.logit_scale != 1:
            logits = logits * self._anatomy.logit_scale
        cap = self._anatomy.logit_softcap
        return logits if cap is None else cap * (logits / cap).tanh()

    @property
    def _turns(self) -> bool:
        module = self._anatomy.unembedding
        return isinstance(module, nn.Linear) and is_plain(module) and module.weight.device.type == "cpu"

    def _few(self, rows: Float[Tensor, "row d_model"]) -> Float[Tensor, "row vocabulary"]:
        module = self._anatomy.unembedding
        weight, bias = module.weight, module.bias
        assert isinstance(weight, Tensor)
        # at least two columns: with one, torch uses a product that runs on a single core
        columns = rows.repeat(2, 1).T if len(rows) == 1 else rows.T
        logits = (weight @ columns)[:, : len(rows)].T.contiguous()
        return logits if bias is None else logits + bias  # type: ignore[operator]

    @staticmethod
    def top(
        logits: Float[Tensor, "vocabulary"], k: int, *, largest: bool = True, readout: Readout = TOKENS
    ) -> TopTokens:
        """The k largest (or smallest) logits."""
        k = min(k, int(logits.shape[-1]))
        values, ids = logits.topk(k, largest=largest)
        return TopTokens(ids.cpu(), values.cpu(), readout.probability(values, logits.logsumexp(dim=-1)).cpu())

    @staticmethod
    def ranks(logits: Float[Tensor, "vocabulary"], ids: Int[Tensor, "k"]) -> Int[Tensor, "k"]:
        """The rank of each id, 0 for the most probable."""
        wanted = logits[ids.to(logits.device)]
        # most of a vocabulary is below all of them
        above = logits[logits > wanted.min()] if len(wanted) else logits
        return (above[None] > wanted[:, None]).sum(dim=-1).cpu()
