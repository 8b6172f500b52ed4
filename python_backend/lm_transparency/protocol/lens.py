"""Questions about the logit lens over the layers."""

from __future__ import annotations

from dataclasses import dataclass, field

from .values import Float32Tensor, Uint32Tensor


@dataclass(frozen=True)
class LensGridParams:
    """`token`: one to follow. Rows from `first_row` on, `row_count` of them or all that follow."""

    run_id: str
    token: int | None = None
    normalize: bool = True
    first_row: int = 0
    row_count: int | None = None
    work_done_token: str = ""


@dataclass(frozen=True)
class LensGridResult:
    """The logit lens of the embedding (row 0) and of the residual after each layer (row l + 1), at every position.

    [row, position], from row `first_row` on: the most probable token (`top`: ids, whose texts are in `texts`) with its
    probability (`Readout.probability`) and logit; of the followed `token` its probability and rank (0 for the most
    probable).
    """

    first_row: int
    texts: dict[int, str]
    top: Uint32Tensor
    top_probability: Float32Tensor
    top_logit: Float32Tensor
    token: int | None
    token_probability: Float32Tensor | None
    token_rank: Uint32Tensor | None


@dataclass(frozen=True)
class LensTrackParams:
    """Tokens of the vocabulary to follow at one position; `texts`: further ones, each the text of a single token."""

    run_id: str
    position: int
    tokens: list[int]
    normalize: bool = True
    texts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class LensTrack:
    """One token over the rows of the lens grid (the embedding, then each layer); rank 0 is the most probable."""

    token: int
    text: str
    probability: tuple[float, ...]
    logit: tuple[float, ...]
    rank: tuple[int, ...]


@dataclass(frozen=True)
class LensTrackResult:
    """`notes`: which token a text was taken for, where there was a choice."""

    position: int
    tracks: tuple[LensTrack, ...]
    notes: tuple[str, ...] = ()
