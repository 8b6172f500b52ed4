"""A norm behind a sublayer, measured by probing it: linear once its scale is frozen at the run's value.

See docs/method.md#norms-behind-a-sublayer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class FrozenNorm:
    """N(x)_t = s_t · gain ⊙ (x − mean(x) if `centred`) + shift, where only s_t depends on the run. All float32."""

    gain: Float[Tensor, "d_model"]
    shift: Float[Tensor, "d_model"]
    centred: bool

    def linear(self, x: Float[Tensor, "*part d_model"]) -> Float[Tensor, "*part d_model"]:
        """Parts of the norm's input turned into parts of its output, up to s_t."""
        if self.centred:
            x = x - x.mean(dim=-1, keepdim=True)
        return x * self.gain

    def scale(
        self, given: Float[Tensor, "position d_model"], made: Float[Tensor, "position d_model"]
    ) -> Float[Tensor, "position"]:
        """s_t of a run in which the norm turned `given` into `made`, by least squares."""
        line = self.linear(given.float())
        fit = (line * (made.float() - self.shift)).sum(dim=-1)
        return fit / (line * line).sum(dim=-1).clamp_min(torch.finfo(torch.float32).tiny)


def freeze(norm: nn.Module, d_model: int, like: Tensor) -> FrozenNorm:
    """Gain, shift and kind of `norm`, measured on vectors of mean 0 and variance 1; `like`: dtype and device.

    RMSNorm with weight or 1 + weight, LayerNorm with or without bias, and norms without parameters need no distinction
    here. A module that is not a norm gives a decomposition whose proof fails.
    """
    probe = torch.ones(d_model, dtype=like.dtype, device=like.device)
    probe[1::2] = -1
    if d_model % 2:
        probe[-1] = 0
    with torch.no_grad():
        up, down, flat = norm(torch.stack([probe, -probe, torch.ones_like(probe)])[None])[0].float()
    shift = (up + down) / 2
    sign = probe.float()
    gain = sign * (up - down) / 2
    if d_model % 2:
        # the last entry, which the probe leaves out, is measured by moving it
        gain[-1] = _last(norm, probe, shift)
    centred = float((flat - shift).norm()) < 1e-2 * float(gain.norm())
    return FrozenNorm(gain, shift, centred)


def _last(norm: nn.Module, probe: Tensor, shift: Tensor) -> Tensor:
    swapped = probe.clone()
    swapped[-1], swapped[0] = 1, 0
    with torch.no_grad():
        up, down = norm(torch.stack([swapped, -swapped])[None])[0].float()
    return ((up - down) / 2)[-1]
