"""Questions about the logit lens over the layers."""

from __future__ import annotations

from attrs import define, field

from .inspection import NumericArray


@define(frozen=True)
class LensGridParams:
    """`token` −1: no token is followed. Rows from `first_row` on; `row_count` 0: all that follow."""

    run_id: str
    token: int = -1
    normalize: bool = True
    first_row: int = 0
    row_count: int = 0
    work_done_token: str = ""


@define(frozen=True)
class LensGridResult:
    """The logit lens of the embedding (row 0) and of the residual after each layer (row l + 1), at every position.

    [row, position], from row `first_row` on: `top` indexes `texts`, its probability and logit; of the followed token
    its probability and rank (0 for the most probable), empty where none is followed.
    """

    first_row: int
    texts: list[str]
    top: NumericArray
    top_probability: NumericArray
    top_logit: NumericArray
    token: int
    token_probability: NumericArray
    token_rank: NumericArray


@define(frozen=True)
class LensTrackParams:
    """Tokens of the vocabulary to follow at one position; `texts`: further ones, each the text of a single token."""

    run_id: str
    position: int
    tokens: list[int]
    normalize: bool = True
    texts: list[str] = field(factory=list)


@define(frozen=True)
class LensTrack:
    """One token over the rows of the lens grid: probability, logit, and rank (0 for the most probable)."""

    token: int
    text: str
    probability: list[float]
    logit: list[float]
    rank: list[int]


@define(frozen=True)
class LensTrackResult:
    """`notes`: which token a text was taken for, where there was a choice."""

    position: int
    tracks: list[LensTrack]
    notes: list[str] = field(factory=list)
