"""A lens over all layers: every position, or a few tokens at one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from ..analysis.result import Analysis
from ..errors import TransparencyError
from ..lens.grid import lens_grid, lens_tracks
from ..lens.maps import LOGIT, LensMaps
from ..lens.places import fit_kept
from ..lens.plan import Fitted
from ..protocol.lens import LensesResult, LensGridResult, LensTrack
from ..watch import Watch
from .asking import question
from .tokens import check_finite, check_token, place_of


@question
def inspect_lens(
    analysis: Analysis,
    *,
    token: int | None = None,
    normalize: bool = True,
    lens: LensMaps = LOGIT,
    rows: range | None = None,
    positions: Sequence[int] | None = None,
    watch: Watch | None = None,
) -> LensGridResult:
    """The lens of each layer at each position. `token`: a token to follow. `rows`, `positions`: of the grid (all by
    default). `lens`: `read_lens` reads one from a file.

    Raises `TransparencyError` for a token or a row that does not exist.
    """
    n_rows = len(analysis.trace.layers) + 1
    if rows is not None and not (rows and rows[0] >= 0 and rows[-1] < n_rows):
        raise TransparencyError("invalidParams", f"The lens grid has rows 0 to {n_rows - 1}.", "Ask for some of these.")
    if token is not None:
        check_token(analysis, token)
    grid = lens_grid(
        analysis.trace, token=token, normalize=normalize, maps=lens, rows=rows, positions=positions, watch=watch
    )
    check_finite(analysis, grid.top_probability)
    check_finite(analysis, grid.top_logit)
    return LensGridResult(
        first_row=rows[0] if rows else 0,
        texts={i: analysis.model.output_text(i) for i in grid.top.unique().tolist()},
        top=grid.top,
        top_probability=grid.top_probability,
        top_logit=grid.top_logit,
        token=token,
        token_probability=grid.token_probability,
        token_rank=grid.token_rank,
        lens=lens.name,
        notes=lens.notes,
    )


@question
def inspect_lenses(analysis: Analysis) -> LensesResult:
    """The lenses of the analysis' model: the logit lens, and those that were fitted here."""
    fitted = {kind: _fitted(analysis, kind) for kind in get_args(Fitted)}
    return LensesResult(("logit", *(kind for kind, n in fitted.items() if n)), fitted["jacobian"])


def _fitted(analysis: Analysis, kind: Fitted) -> int:
    try:
        return fit_kept(analysis.model.files, kind) or 0
    except TransparencyError:
        # what is there cannot be read: as if it were not there
        return 0


@question
def track_tokens(
    analysis: Analysis, position: int, tokens: list[int], *, normalize: bool = True, lens: LensMaps = LOGIT
) -> tuple[LensTrack, ...]:
    """Tokens of the vocabulary over the layers at one position.

    Raises `TransparencyError` for a position or a token out of range.
    """
    position, _ = place_of(analysis, 0, position)
    for token in tokens:
        check_token(analysis, token)
    if not tokens:
        return ()
    found = lens_tracks(analysis.trace, position, tokens, normalize=normalize, maps=lens)
    check_finite(analysis, found.probability)
    check_finite(analysis, found.logit)
    columns = zip(tokens, found.probability.tolist(), found.logit.tolist(), found.rank.tolist(), strict=True)
    return tuple(
        LensTrack(token, analysis.model.output_text(token), tuple(p), tuple(logit), tuple(rank))
        for token, p, logit, rank in columns
    )
