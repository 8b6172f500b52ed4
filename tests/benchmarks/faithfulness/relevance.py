"""The gradient by the rules of shares at every state: what a part that is summed to it carries to m."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedModel

from lm_transparency.causal.backward import differentiable
from lm_transparency.causal.elementwise import by_ratio
from lm_transparency.causal.metric import Metric, precise
from lm_transparency.causal.reading import read_at
from lm_transparency.causal.rules import Rules
from lm_transparency.causal.sites import Site, changed
from lm_transparency.causal.switches import Switches
from lm_transparency.model.anatomy import Anatomy
from lm_transparency.model.context import forget_lengths


def relevance(model: PreTrainedModel, anatomy: Anatomy, token_ids: Tensor, metric: Metric) -> dict[Site, Tensor]:
    """[position, d_model] at every site."""
    leaves: dict[Site, Tensor] = {}

    def probe(site: Site, states: Tensor, factor: float) -> Tensor:
        leaf = torch.zeros(states.shape[-2:], dtype=states.dtype, device=states.device, requires_grad=True)
        leaves[site] = leaf
        return states + leaf / factor

    ids = token_ids.clone()
    forget_lengths(model, model.config.get_text_config(decoder=True))
    switches = Switches(anatomy, ids)
    with differentiable(model), by_ratio(model), switches.placed(model), torch.enable_grad(), changed(anatomy, probe):
        with Rules(switches):
            logits = read_at(model, anatomy, ids, metric.position)
            value = metric.of(logits[0])
        found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return {site: precise(grad) for site, grad in zip(leaves, found, strict=True)}
