"""The share of every token and bias in a logit: what each carries to it through all layers. Shares sum to the metric.

Attention probabilities, gates and the scales of norms are those of the run; an activation is its input times a fixed
ratio; each factor of a product of two states gets half (`rules`). What depends on tokens only through those has no
share of its own. Fixed probabilities and scales are those of Ali et al. (2022, arXiv:2202.07304), the halves those of
Achtibat et al. (2024, arXiv:2402.05602).
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..errors import TransparencyError
from ..model.anatomy import Anatomy
from ..model.context import forget_lengths
from ..trace.proof import TOLERANCES
from ..watch import Watch
from .backward import differentiable, layers_again
from .elementwise import by_ratio
from .metric import Metric
from .reading import n_read, read_at
from .rules import Rules
from .switches import Place, Switches

#: Half of the last bit, for each of two logits, on the way there and on the way back.
_ROUNDINGS = 2


@dataclass(frozen=True)
class Shares:
    """What tokens, learned positions and biases carry to m, in logits. Positive supports the target.

    `tokens`, `positions`: one share at each position up to the metric's. `positions`, learned or of sines,
    is None where none are added to the embedding.
    `biases`: by layer (−1 before the first, `n_layers` after the last) and module within it, summed over positions.
    """

    metric: Metric
    m: float
    tokens: Float[Tensor, "position"]
    positions: Float[Tensor, "position"] | None
    biases: dict[Place, float]
    #: The largest error that rounding explains in the model's precision.
    tolerance: float
    #: The rounding of the logits that m is the difference of, in logits: much where their shares are all but the same.
    rounding: float

    @property
    def total(self) -> float:
        """Σ of all shares."""
        return math.fsum(self._all())

    @property
    def size(self) -> float:
        """Σ|share|."""
        return math.fsum(map(abs, self._all()))

    @property
    def unassigned(self) -> float:
        """m − Σ shares, in logits: rounding, and what no rule assigns, such as a hybrid's kernel on a GPU."""
        return self.m - self.total

    @property
    def error(self) -> float:
        """|m − Σ shares| / Σ|share|."""
        return abs(self.unassigned) / self.size if self.size else math.inf if self.unassigned else 0.0

    @property
    def holds(self) -> bool:
        """Whether rounding explains the error: then the shares are all there is."""
        # a comparison with NaN is False
        return self.error <= self.tolerance or abs(self.unassigned) <= self.rounding

    def of_layer(self, layer: int) -> float:
        """The share of all biases of a layer."""
        return math.fsum(share for (where, _), share in self.biases.items() if where == layer)

    def _all(self) -> list[float]:
        positions = [] if self.positions is None else self.positions.tolist()
        return [*self.tokens.tolist(), *positions, *self.biases.values()]


def shares(
    model: PreTrainedModel, anatomy: Anatomy, token_ids: Int[Tensor, "position"], metric: Metric, watch: Watch
) -> Shares:
    """Run `model` on the tokens that m depends on, and take m apart on the way back.

    Raises `TransparencyError("invalidParams")` for a log-probability, `TransparencyError("modelUnsupported")` where a
    part of the model has no derivative, and `Cancelled` within one layer's time.
    """
    if metric.kind != "logit":
        raise TransparencyError(
            "invalidParams", "A log-probability cannot be shared out among the tokens.", "Ask for shares of the logit."
        )
    n = metric.position + 1
    ids = token_ids[: n_read(model, len(token_ids), metric.position)].clone()
    forget_lengths(model, model.config.get_text_config(decoder=True))
    switches = Switches(anatomy, ids)
    rules = Rules(switches)
    with differentiable(model), by_ratio(model), switches.placed(model), _told(anatomy, watch), torch.enable_grad():
        with layers_again(anatomy, len(ids), lambda: rules), rules:
            logits = read_at(model, anatomy, ids, metric.position)
            value = metric.of(logits[0])
            places = list(switches.biases)
        leaves = [switches.tokens, switches.positions, *(switches.biases[place] for place in places)]
        found = torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)
    tokens, positions, *biases = found
    return Shares(
        metric,
        float(value.detach()),
        tokens.float()[:n],
        positions.float()[:n] if switches.has_positions else None,
        {place: float(share) for place, share in zip(places, biases, strict=True) if share},
        TOLERANCES.get(logits.dtype, TOLERANCES[torch.float32 if logits.dtype == torch.float64 else torch.bfloat16]),
        _ROUNDINGS * torch.finfo(logits.dtype).eps * _largest(logits[0].detach(), metric),
    )


def _largest(logits: Float[Tensor, "output"], metric: Metric) -> float:
    """The larger of the logits that m is made of, without its sign."""
    named = [metric.target] if metric.contrast is None else [metric.target, metric.contrast]
    return float(logits[named].abs().max())


@contextmanager
def _told(anatomy: Anatomy, watch: Watch) -> Generator[None]:
    """Report each layer on the way there and on the way back, and stop there when cancelled."""
    n_layers = anatomy.n_layers

    def hook(layer: int, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        watch.step("shares", layer, 2 * n_layers)
        states = args[0] if args else kwargs["hidden_states"]
        if states.requires_grad:
            states.register_hook(lambda _: watch.step("shares", 2 * n_layers - layer, 2 * n_layers))

    with ExitStack() as stack:
        for layer, block in enumerate(anatomy.blocks):
            stack.callback(block.module.register_forward_pre_hook(partial(hook, layer), with_kwargs=True).remove)
        yield
