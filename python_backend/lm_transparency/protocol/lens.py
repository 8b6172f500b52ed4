"""Questions about a lens over the layers."""

from __future__ import annotations

from dataclasses import dataclass, field

from .inspection import LensChoice
from .values import Float32Tensor, Uint32Tensor


@dataclass(frozen=True)
class LensGridParams(LensChoice):
    """`token`: the token to follow. `row_count` None: all rows from `first_row` on."""

    run_id: str
    token: int | None = None
    first_row: int = 0
    row_count: int | None = None
    work_done_token: str = ""


@dataclass(frozen=True)
class LensGridResult:
    """The lens of the embedding (row 0) and of the residual after each layer (row l + 1), at every position.

    Arrays are [row, position], starting at row `first_row`. `top` holds the ids of the most probable tokens (`texts`
    has their texts), `top_probability` and `top_logit` their probabilities (`Readout.probability`) and logits.
    `token_probability` and `token_rank` are those of the followed `token`; rank 0 is the most probable.
    """

    first_row: int
    texts: dict[int, str]
    top: Uint32Tensor
    top_probability: Float32Tensor
    top_logit: Float32Tensor
    token: int | None
    token_probability: Float32Tensor | None
    token_rank: Uint32Tensor | None
    lens: str = "logit"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LensesParams:
    """Which lenses there are for the model of a run."""

    run_id: str


@dataclass(frozen=True)
class LensesResult:
    """`names`: `logit`, and `jacobian` and `tuned` if they were fitted for this model here. A path is a lens as well.

    `sequences`: those that the Jacobian lens was fitted on; 0 without one.
    """

    names: tuple[str, ...]
    sequences: int = 0


@dataclass(frozen=True)
class LensTrackParams(LensChoice):
    """Tokens of the vocabulary to follow at one position. `texts`: more tokens, each named by its text."""

    run_id: str
    position: int
    tokens: list[int]
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
    """`notes`: the token chosen for a text that could mean several."""

    position: int
    tracks: tuple[LensTrack, ...]
    notes: tuple[str, ...] = ()
    lens: str = "logit"
