"""The router, the experts and the modules beside them in a feed-forward block, found by structure."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from .facts import DOWN_PROJECTIONS, EXPERTS, ROUTERS


@dataclass(frozen=True)
class Experts:
    """The experts of one block, their output weights fused to one parameter [expert, …] (transformers 5).

    `shared`: feed-forward blocks beside them that run at every position. Gates and factors stay in the model's code.
    """

    module: nn.Module
    router: nn.Module
    shared: tuple[nn.Module, ...]

    @property
    def n_experts(self) -> int:
        return int(self.output_weights.shape[0])

    @property
    def output_weights(self) -> Tensor:
        """[expert, …] as the module holds them, in either orientation."""
        return getattr(self.module, _output_name(self.module) or "")

    def shared_output(self, number: int) -> nn.Module:
        """The output layer of a shared expert."""
        found = _child(self.shared[number], DOWN_PROJECTIONS)
        assert found is not None
        return found

    def bias(self, expert: int) -> Float[Tensor, "d_model"] | None:
        """The output bias of one expert, before its gate, float32."""
        bias = getattr(self.module, f"{_output_name(self.module)}_bias", None)
        return bias[expert].detach().float() if isinstance(bias, Tensor) else None


def find_experts(ffn: nn.Module, beside: nn.Module | None = None) -> Experts | None:
    """The experts of a feed-forward block; None where it has none, or none that can be opened.

    They can be opened where their output weights are one parameter and only gates follow them. `beside`: a module whose
    output the layer adds to the block's, which is a shared expert by another name.
    """
    module, router = (_child(ffn, names) for names in (EXPERTS, ROUTERS))
    if module is None or router is None or _output_name(module) is None:
        return None
    others = [child for child in ffn.children() if child is not module and child is not router]
    if beside is not None and _child(beside, DOWN_PROJECTIONS) is None:
        return None
    shared = tuple(child for child in others if _child(child, DOWN_PROJECTIONS) is not None)
    gates = (child for child in others if child not in shared)
    # a module with parameters that is not a gate is a norm, through which no sum can be taken apart (A.X K1)
    if any(not isinstance(child, nn.Linear) and any(True for _ in child.parameters()) for child in gates):
        return None
    return Experts(module, router, shared if beside is None else (*shared, beside))


def _output_name(module: nn.Module) -> str | None:
    weights = {name: getattr(module, name, None) for name in DOWN_PROJECTIONS}
    return next((name for name, w in weights.items() if isinstance(w, Tensor) and w.dim() == 3), None)


def _child(parent: nn.Module, names: tuple[str, ...]) -> nn.Module | None:
    return next((c for n in names if isinstance(c := getattr(parent, n, None), nn.Module)), None)
