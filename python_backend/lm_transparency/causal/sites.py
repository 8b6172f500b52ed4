"""The states of the residual stream that parts are summed to, and how a vector is added to them while a model runs.

The gradient and the interventions use the same hooks: a gradient is that of m with respect to the vector added, at 0.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn

from ..model.anatomy import Anatomy


@dataclass(frozen=True, order=True)
class Site:
    """The residual of a layer after attention (`mid`), or after the layer (`post`). Layer −1: the token embedding."""

    layer: int
    state: Literal["mid", "post"]


EMBEDDING = Site(-1, "post")

#: What stands at a site in place of what is there, [run, position, d_model]; None: no change. It may have other runs.
#: At `mid` the states are what attention adds, before the factor that is given.
Changing = Callable[[Site, Float[Tensor, "run position d_model"], float], Tensor | None]


def attention_site(anatomy: Anatomy, layer: int) -> Site:
    """The site that the parts of a layer's attention are summed to."""
    return Site(layer, "mid" if anatomy.blocks[layer].has_ffn and not anatomy.parallel else "post")


def sites(anatomy: Anatomy) -> list[Site]:
    """Every site, in the order in which the model computes them."""
    found = [EMBEDDING]
    for layer, block in enumerate(anatomy.blocks):
        if block.has_attention and attention_site(anatomy, layer).state == "mid":
            found.append(Site(layer, "mid"))
        found.append(Site(layer, "post"))
    return found


@contextmanager
def changed(anatomy: Anatomy, change: Changing) -> Generator[None]:
    """Let `change` replace the states of each site while the model runs."""
    with ExitStack() as stack:
        first = anatomy.blocks[0].module
        stack.callback(first.register_forward_pre_hook(_before(change), with_kwargs=True).remove)
        for site in sites(anatomy)[1:]:
            stack.callback(_module(anatomy, site).register_forward_hook(_after(anatomy, site, change)).remove)
        yield


def _module(anatomy: Anatomy, site: Site) -> nn.Module:
    """The module whose output is the state, or is added to it."""
    block = anatomy.blocks[site.layer]
    return block.module if site.state == "post" else block.after_attention.norm_module or block.attention


def _before(change: Changing) -> Callable[..., Any]:
    def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        states = change(EMBEDDING, args[0] if args else kwargs["hidden_states"], 1.0)
        if states is None:
            return None
        return ((states, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": states})

    return hook


def _after(anatomy: Anatomy, site: Site, change: Changing) -> Callable[..., Any]:
    # a sublayer's output is multiplied on its way into the sum
    factor = 1.0 if site.state == "post" else anatomy.blocks[site.layer].after_attention.multiplier

    def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
        states = change(site, output[0] if isinstance(output, tuple) else output, factor)
        if states is None:
            return None
        return (states, *output[1:]) if isinstance(output, tuple) else states

    return hook
