"""`analyze --proof`: the error of every layer, attention and feed-forward block apart."""

from __future__ import annotations

import math

from ..trace.proof import Proof

_WIDTH = 24
#: Decades below the tolerance that the bars show.
_DECADES = 5


def proof_lines(proof: Proof) -> list[str]:
    """One line per layer, the last first as in the graph; bars on a log scale, with `┊` at the tolerance."""
    lines = [
        f"Proof: ‖whole − Σ parts‖ / ‖whole‖, tolerance {proof.tolerance:.0e} (┊)",
        f"  {'layer':>5}  {'attention':>9}  {'ffn':>9}  {'whole':>9}",
    ]
    for layer in reversed(range(len(proof.layers))):
        error = proof.layers[layer]
        figures = "  ".join(_figure(value) for value in (error.attention, error.ffn, error.whole))
        off = "" if error.largest <= proof.tolerance else f"  ← {_NAMES[error.worst_part]} does not add up"
        lines.append(f"  {layer:>5}  {figures}  {_bar(error.largest, proof.tolerance)}{off}")
    return lines


_NAMES = {"attention": "attention", "ffn": "feed-forward block", "layer": "layer"}


def _figure(value: float | None) -> str:
    return f"{'—' if value is None else f'{value:.1e}':>9}"


def _bar(error: float, tolerance: float) -> str:
    line = _WIDTH * _DECADES // (_DECADES + 1)
    decades = _DECADES + 1 if not math.isfinite(error) else math.log10(max(error, 1e-30) / tolerance) + _DECADES
    length = max(0, min(_WIDTH, round(_WIDTH * decades / (_DECADES + 1))))
    bar = "█" * length + " " * (_WIDTH - length)
    return bar if length > line else bar[:line] + "┊" + bar[line + 1 :]
