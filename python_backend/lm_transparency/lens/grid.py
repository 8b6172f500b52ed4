"""A lens over layers: at every position, or for a few tokens at one position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..model.readout import Readout
from ..trace.trace import Trace
from ..watch import Watch
from .maps import LOGIT, LensMaps
from .projection import Lens

#: Logits in memory at once: 16 M float32 are 64 MB.
_BLOCK_ELEMENTS = 16_000_000


@dataclass(frozen=True)
class LensGrid:
    """Row 0 is the embedding, row l + 1 the residual after layer l. `token_…`: of the followed token or label.

    Probabilities: see `Readout.probability`.
    """

    top: Int[Tensor, "row position"]
    top_probability: Float[Tensor, "row position"]
    top_logit: Float[Tensor, "row position"]
    token_probability: Float[Tensor, "row position"] | None
    token_rank: Int[Tensor, "row position"] | None


@dataclass(frozen=True)
class LensTracks:
    """A few tokens over the rows of the grid, at one position; rank 0 is the most probable."""

    probability: Float[Tensor, "token row"]
    logit: Float[Tensor, "token row"]
    rank: Int[Tensor, "token row"]


def lens_grid(
    trace: Trace,
    *,
    token: int | None = None,
    normalize: bool = True,
    maps: LensMaps = LOGIT,
    rows: range | None = None,
    positions: Sequence[int] | None = None,
    watch: Watch | None = None,
) -> LensGrid:
    """The most probable token in every cell, and the probability and rank of `token`.

    `rows`, `positions`: of the grid, by default all. Raises `Cancelled` within one layer's time.
    """
    watch = watch or Watch()
    lens = Lens(trace.anatomy)
    states = [trace.layers[0].pre, *(layer.post for layer in trace.layers)]
    block = max(1, _BLOCK_ELEMENTS // trace.anatomy.n_outputs)
    found: list[list[Tensor]] = []
    for index, row in enumerate(rows or range(len(states))):
        watch.step("lens", index, len(rows or states))
        chosen = states[row] if positions is None else states[row][list(positions)]
        logits = (lens.logits(maps.read(part, row), normalize=normalize) for part in chosen.split(block))
        parts = [_cells(part, token, trace.anatomy.readout) for part in logits]
        found.append([torch.cat(columns).cpu() for columns in zip(*parts, strict=True)])
    top, probability, logit, *followed = (torch.stack(columns) for columns in zip(*found, strict=True))
    return LensGrid(top, probability, logit, *followed) if followed else LensGrid(top, probability, logit, None, None)


def lens_tracks(
    trace: Trace, position: int, tokens: list[int], *, normalize: bool = True, maps: LensMaps = LOGIT
) -> LensTracks:
    """Probability, logit and rank of `tokens` in every row of the grid at `position`."""
    rows = [trace.layers[0].pre[position], *(layer.post[position] for layer in trace.layers)]
    read = [maps.read(state, row) for row, state in enumerate(rows)]
    states = torch.stack([state.to(read[0]) for state in read])
    lens = Lens(trace.anatomy)
    ids = torch.tensor(tokens)
    block = max(1, _BLOCK_ELEMENTS // trace.anatomy.n_outputs)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for part in states.split(block):
        logits = lens.logits(part, normalize=normalize)
        own = logits[:, ids.to(logits.device)]
        rank = torch.stack([(logits > own[:, i : i + 1]).sum(dim=-1) for i in range(len(tokens))], dim=-1)
        probability = trace.anatomy.readout.probability(own, logits.logsumexp(dim=-1, keepdim=True))
        found.append((probability, own, rank))
    probability, logit, rank = (torch.cat(parts).T.cpu() for parts in zip(*found, strict=True))
    return LensTracks(probability, logit, rank)


def _cells(logits: Float[Tensor, "position vocabulary"], token: int | None, readout: Readout) -> list[Tensor]:
    best, top = logits.max(dim=-1)
    total = logits.logsumexp(dim=-1)
    cells = [top, readout.probability(best, total), best]
    if token is not None:
        own = logits[:, token]
        cells += [readout.probability(own, total), (logits > own[:, None]).sum(dim=-1)]
    return cells
