"""The gradient of a metric with respect to every state of the residual stream: one forward and one backward pass.

Nothing is detached: the gradient goes through attention probabilities, norms, gates and routers' weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from ..model.anatomy import Anatomy
from ..model.context import forget_lengths
from ..watch import Watch
from .backward import differentiable, layers_again, uncut
from .metric import Metric, precise
from .reading import n_read, read_at
from .sites import Site, changed, sites


@dataclass(frozen=True)
class Gradient:
    """∂m/∂(state) at every site, float32, and m itself. Rows end at the metric's position: later ones are 0."""

    metric: Metric
    value: float
    at: dict[Site, Float[Tensor, "position d_model"]]


def gradient(
    model: PreTrainedModel, anatomy: Anatomy, token_ids: Int[Tensor, "position"], metric: Metric, watch: Watch
) -> Gradient:
    """Run `model` on the tokens that m depends on, and go back from m.

    Raises `TransparencyError("modelUnsupported")` where a part of the model has no gradient, and `Cancelled` within one
    layer's time.
    """
    n = metric.position + 1
    ids = token_ids[: n_read(model, len(token_ids), metric.position)]
    forget_lengths(model, model.config.get_text_config(decoder=True))
    leaves: dict[Site, Tensor] = {}

    def probe(site: Site, states: Tensor, factor: float) -> Tensor:
        watch.step("gradient", max(site.layer, 0), 2 * anatomy.n_layers)
        leaf = torch.zeros(states.shape[-2:], dtype=states.dtype, device=states.device, requires_grad=True)
        leaf.register_hook(partial(_told, watch, 2 * anatomy.n_layers - max(site.layer, 0), 2 * anatomy.n_layers))
        leaves[site] = leaf
        return states + (leaf if factor == 1 else leaf / factor)

    with (
        differentiable(model),
        torch.enable_grad(),
        changed(anatomy, probe),
        uncut(model, anatomy),
        layers_again(anatomy, len(ids)),
    ):
        logits = read_at(model, anatomy, ids, metric.position)
        value = metric.of(logits[0])
        grads = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    # nothing of a model may depend on a state that it computes (a block that is skipped)
    found = cast("tuple[Tensor | None, ...]", grads)
    at = {
        site: torch.zeros_like(leaf).detach() if grad is None else grad
        for (site, leaf), grad in zip(leaves.items(), found, strict=True)
    }
    return Gradient(metric, float(value.detach()), {site: precise(at[site])[:n] for site in sites(anatomy)})


def _told(watch: Watch, done: int, total: int, _gradient: Tensor) -> None:
    watch.step("gradient", done, total)
