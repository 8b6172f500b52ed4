"""The gradient of a metric with respect to every state of the residual stream: one forward and one backward pass.

Nothing is detached: the gradient goes through attention probabilities, norms, gates and routers' weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from ..model.anatomy import Anatomy
from ..model.context import forget_lengths
from ..watch import Watch
from .backward import differentiable, is_long, layers_again, uncut
from .metric import Metric, precise
from .reading import n_read, read_at
from .recorded import Differs, layers_recorded
from .sites import Site, changed, sites


@dataclass(frozen=True)
class Gradient:
    """∂m/∂(state) at every site, float32, and m itself. Rows end at the metric's position: later ones are 0."""

    metric: Metric
    value: float
    at: dict[Site, Float[Tensor, "position d_model"]]


def gradient(
    model: PreTrainedModel,
    anatomy: Anatomy,
    token_ids: Int[Tensor, "position"],
    metric: Metric,
    watch: Watch,
    posts: Sequence[Float[Tensor, "position d_model"]] = (),
) -> Gradient:
    """Run `model` on the tokens that m depends on, and go back from m.

    `posts`: what each layer gave in a recorded run on these tokens. With them the layers of a long prompt run once, on
    the way back, where each depends on its input alone.

    Raises `TransparencyError("modelUnsupported")` where a part of the model has no gradient, and `Cancelled` within one
    layer's time.
    """
    ids = token_ids[: n_read(model, len(token_ids), metric.position)]
    if posts and is_long(len(ids)):
        known = layers_recorded(anatomy, [post[: len(ids)] for post in posts])
        try:
            return _gradient(model, anatomy, ids, metric, watch, known)
        except Differs:
            watch.check()
    return _gradient(model, anatomy, ids, metric, watch, layers_again(anatomy, len(ids)))


def _gradient(
    model: PreTrainedModel,
    anatomy: Anatomy,
    ids: Int[Tensor, "position"],
    metric: Metric,
    watch: Watch,
    layers: AbstractContextManager[None],
) -> Gradient:
    forget_lengths(model, model.config.get_text_config(decoder=True))
    leaves: dict[Site, Tensor] = {}
    told = _Told(watch, anatomy.n_layers)

    def probe(site: Site, states: Tensor, factor: float) -> Tensor:
        told.ahead(site.layer)
        # a layer that runs again has the one of before
        if site not in leaves:
            leaf = torch.zeros(states.shape[-2:], dtype=states.dtype, device=states.device, requires_grad=True)
            leaf.register_hook(partial(told.back, site.layer))
            leaves[site] = leaf
        leaf = leaves[site]
        return states + (leaf if factor == 1 else leaf / factor)

    with differentiable(model), torch.enable_grad(), changed(anatomy, probe), uncut(model, anatomy), layers:
        logits = read_at(model, anatomy, ids, metric.position)
        value = metric.of(logits[0])
        value.backward()
    # nothing of a model may depend on a state that it computes (a block that is skipped)
    at = {site: torch.zeros_like(leaf).detach() if leaf.grad is None else leaf.grad for site, leaf in leaves.items()}
    n = metric.position + 1
    return Gradient(metric, float(value.detach()), {site: precise(at[site])[:n] for site in sites(anatomy)})


class _Told:
    """Reports each layer on the way there and on the way back, and stops there when cancelled."""

    def __init__(self, watch: Watch, n_layers: int) -> None:
        self._watch = watch
        self._n_layers = n_layers
        self._done = 0

    def ahead(self, layer: int) -> None:
        self._step(max(layer, 0))

    def back(self, layer: int, _gradient: Tensor) -> None:
        self._step(2 * self._n_layers - max(layer, 0))

    def _step(self, done: int) -> None:
        self._done = max(self._done, done)
        self._watch.step("gradient", self._done, 2 * self._n_layers)
