"""What can be asked about a run, each answered from its trace: what the questions share, nodes and exports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ..model.options import Dtype, SpecialTokens
from .nodes import Node
from .values import Named

ExportFormat = Literal["json", "csv", "svg"]
#: run: a file that can be compared and run again (`exports.run`); text: a report for people and language models.
DescribeForm = Literal["run", "text"]
Ink = Literal["flow", "local"]
Appearance = Literal["light", "dark"]


@dataclass(frozen=True)
class NumericArray:
    """Numbers in bulk: `data` is base64 of the little-endian values in row-major order."""

    dtype: Literal["uint8", "uint32", "float32"]
    shape: list[int]
    data: str


@dataclass(frozen=True)
class TokenScore:
    """A vocabulary entry, or a label, under the logit lens.

    `probability`: None for an update, of which a softmax says nothing. `rank_change`: ranks gained against the node
    before; None where there is no such node.
    """

    id: int
    text: str
    logit: float
    probability: float | None = None
    rank_change: int | None = None


@dataclass(frozen=True)
class Update:
    """What a vector that is added to the residual stream raises and lowers most, strongest first."""

    promoted: tuple[TokenScore, ...]
    suppressed: tuple[TokenScore, ...]


@dataclass(frozen=True)
class NodeTokensParams:
    """`node`: `X0_t`, `A<l>_<t>`, `M<l>_<t>` or `I<l>_<t>`. `top_k` of the state, `update_k` of the update."""

    run_id: str
    node: str
    top_k: int = 30
    update_k: int = 15
    normalize: bool = True


@dataclass(frozen=True)
class NodeTokensResult:
    """A node's state through the logit lens (`top`), and the update that leads into it.

    The update is the block's that leads into this node (attention for A, feed-forward for M and I), and empty for an
    embedding. `top` is empty for M, which is an update and not a state.
    """

    node: Annotated[Node, Named()]
    top: tuple[TokenScore, ...]
    update: Update


@dataclass(frozen=True)
class ReachParams:
    """The rows that the routes into a target reach, of an analysis that is not complete yet: at `threshold`, and at
    every one above; None: at the one that is chosen by itself. `top_k`: as in `AnalyzeParams`.
    """

    run_id: str
    target: int
    threshold: float | None = None
    renormalize: bool = True
    top_k: int = 10
    work_done_token: str = ""


@dataclass(frozen=True)
class ReachResult:
    """`payload`: as in `AnalyzeResult`, with all that is known by now."""

    payload: str


@dataclass(frozen=True)
class ExportParams:
    """The graph of one target as a file."""

    run_id: str
    format: ExportFormat
    target: int
    threshold: float
    renormalize: bool = True
    ink: Ink = "flow"
    appearance: Appearance = "light"


@dataclass(frozen=True)
class ExportResult:
    text: str


@dataclass(frozen=True)
class DescribeParams:
    """The analysis in words and numbers, of one target. `target` None: where the model's answer comes from;
    `threshold` None: chosen by itself. The rest is how the analysis was asked for, which a run file keeps."""

    run_id: str
    form: DescribeForm
    target: int | None = None
    threshold: float | None = None
    renormalize: bool = True
    dtype: Dtype = "auto"
    special_tokens: SpecialTokens = "auto"
    chat: bool = False
    top_k: int = 10


@dataclass(frozen=True)
class DescribeResult:
    text: str
