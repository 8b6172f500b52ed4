"""What can be asked about a run, each answered from its trace: what the questions share, nodes and exports."""

from __future__ import annotations

from typing import Literal

from attrs import define

from ..model.options import Dtype, SpecialTokens

NodeKind = Literal["embedding", "attention", "ffn", "residual"]
ExportFormat = Literal["json", "csv", "svg"]
#: run: a file that can be compared and run again (`exports.run`); text: a report for people and language models.
DescribeForm = Literal["run", "text"]
Ink = Literal["flow", "local"]
Appearance = Literal["light", "dark"]


@define(frozen=True)
class NumericArray:
    """Numbers in bulk: `data` is base64 of the little-endian values in row-major order."""

    dtype: Literal["uint8", "uint32", "float32"]
    shape: list[int]
    data: str


@define(frozen=True)
class TokenScore:
    """`probability` and `rank_change` (ranks gained against the node before) are 0 for updates."""

    id: int
    text: str
    logit: float
    probability: float
    rank_change: int


@define(frozen=True)
class NodeTokensParams:
    """`node`: `X0_t`, `A<l>_<t>`, `M<l>_<t>` or `I<l>_<t>`. `top_k` of the state, `update_k` of the update."""

    run_id: str
    node: str
    top_k: int = 30
    update_k: int = 15
    normalize: bool = True


@define(frozen=True)
class NodeTokensResult:
    """The logit lens of a residual state (`top`), and what the block's update promotes and suppresses.

    `promoted`, `suppressed`: of the block that leads into this node (attention for A, feed-forward for M and I);
    empty for an embedding. `top` is empty for M, which is an update and not a state.
    """

    node: str
    kind: NodeKind
    layer: int
    position: int
    top: list[TokenScore]
    promoted: list[TokenScore]
    suppressed: list[TokenScore]


@define(frozen=True)
class ReachParams:
    """The rows that the routes into a target reach, of an analysis that is not complete yet: at `threshold`, and at
    every one above; 0: at the one that is chosen by itself. `top_k`: as in `AnalyzeParams`.
    """

    run_id: str
    target: int
    threshold: float
    renormalize: bool = True
    top_k: int = 10
    work_done_token: str = ""


@define(frozen=True)
class ReachResult:
    """`payload`: as in `AnalyzeResult`, with all that is known by now."""

    payload: str


@define(frozen=True)
class ExportParams:
    """The graph of one target as a file."""

    run_id: str
    format: ExportFormat
    target: int
    threshold: float
    renormalize: bool = True
    ink: Ink = "flow"
    appearance: Appearance = "light"


@define(frozen=True)
class ExportResult:
    text: str


@define(frozen=True)
class DescribeParams:
    """The analysis in words and numbers, of one target. `target` −1: where the model's answer comes from;
    `threshold` 0: chosen by itself. The rest is how the analysis was asked for, which a run file keeps."""

    run_id: str
    form: DescribeForm
    target: int = -1
    threshold: float = 0.0
    renormalize: bool = True
    dtype: Dtype = "auto"
    special_tokens: SpecialTokens = "auto"
    chat: bool = False
    top_k: int = 10


@define(frozen=True)
class DescribeResult:
    text: str
