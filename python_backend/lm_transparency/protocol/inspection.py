"""Questions about a run, answered from its trace: types that they share, nodes and exports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ..model.options import Dtype, SpecialTokens
from .effects import EffectsResult
from .nodes import Node
from .values import Named

#: attribution: the attribution-graph JSON of Neuronpedia and circuit-tracer.
ExportFormat = Literal["json", "csv", "svg", "pdf", "attribution"]
#: run: a file that can be compared and run again (`exports.run`); text: a report for people and language models.
DescribeForm = Literal["run", "text"]
#: effect: signed, where effects are known.
Ink = Literal["flow", "local", "effect"]
#: transparent: without a background, for light pages.
Appearance = Literal["light", "dark", "transparent"]
#: What a figure shows: a view of the panel, the maps of a head or a layer, or tokens through the layers.
FigureView = Literal["routes", "lens", "heads", "map", "chart"]


@dataclass(frozen=True)
class NumericArray:
    """Numbers in bulk: `data` is base64 of the little-endian values in row-major order."""

    dtype: Literal["uint8", "uint32", "float32"]
    shape: list[int]
    data: str


@dataclass(frozen=True, kw_only=True)
class LensChoice:
    """How a question reads vectors: through the final norm or not (`normalize`), and by which lens (`LensesResult`)."""

    normalize: bool = True
    lens: str = "logit"


@dataclass(frozen=True)
class TokenScore:
    """A vocabulary entry, or a label, under a lens.

    `probability`: None for an update, where a softmax has no meaning. `rank_change`: ranks gained since the previous
    node; None where there is no such node.
    """

    id: int
    text: str
    logit: float
    probability: float | None = None
    rank_change: int | None = None


@dataclass(frozen=True)
class Update:
    """The tokens that a vector added to the residual stream raises and lowers most, strongest first."""

    promoted: tuple[TokenScore, ...]
    suppressed: tuple[TokenScore, ...]


@dataclass(frozen=True)
class PromotedParams(LensChoice):
    """What each of `units` (docs/effects.md#units) adds where it is, and the `top_k` tokens that this raises most.

    `behind`: any other question is answered first.
    """

    run_id: str
    units: list[str]
    top_k: int = 3
    behind: bool = False


@dataclass(frozen=True)
class PromotedBy:
    """The tokens that a unit raises most, strongest first; none where it adds nothing."""

    unit: str
    promoted: tuple[TokenScore, ...]


@dataclass(frozen=True)
class PromotedResult:
    """In the order of the question. `lens`: the name of the one that read."""

    units: tuple[PromotedBy, ...]
    lens: str = "logit"


@dataclass(frozen=True)
class NodeTokensParams(LensChoice):
    """`node`: `X0_t`, `A<l>_<t>`, `M<l>_<t>` or `I<l>_<t>`. `top_k`, `update_k`: tokens of the state and the update."""

    run_id: str
    node: str
    top_k: int = 30
    update_k: int = 15


@dataclass(frozen=True)
class NodeTokensResult:
    """A node's state through a lens (`top`), and the update that leads into it.

    The update comes from the block that leads into this node (attention for A, feed-forward for M and I); it is empty
    for an embedding. `top` is empty for M, which is an update and not a state.
    """

    node: Annotated[Node, Named()]
    top: tuple[TokenScore, ...]
    update: Update
    lens: str = "logit"


@dataclass(frozen=True)
class ReachParams:
    """Computes the rows that routes into a target reach, in an analysis that is not complete yet. They suffice for
    `threshold` and every higher one; None: for the automatic threshold. `top_k`: as in `AnalyzeParams`.
    """

    run_id: str
    target: int
    threshold: float | None = None
    renormalize: bool = True
    top_k: int = 10
    work_done_token: str = ""


@dataclass(frozen=True)
class ReachResult:
    """`payload`: as in `AnalyzeResult`, with all rows that are known so far."""

    payload: str


@dataclass(frozen=True)
class ExportParams(LensChoice):
    """The graph of one target as a file. `effects`: those that are known of this target, to go with it.

    SVG and PDF are figures of `view`. `width_mm` None: as wide as it needs. `kept`: columns that carry nothing fold to
    slivers. `caption`: the model, the prompt, the method and the version stand under it. `layer`, `head`: of a map
    (`head` None: all heads together). `tokens`: of the vocabulary, for a chart; none: the most probable.
    """

    run_id: str
    format: ExportFormat
    target: int
    threshold: float
    renormalize: bool = True
    ink: Ink = "flow"
    appearance: Appearance = "light"
    effects: EffectsResult | None = None
    view: FigureView = "routes"
    width_mm: float | None = None
    kept: bool = False
    caption: bool = False
    layer: int | None = None
    head: int | None = None
    tokens: list[int] = field(default_factory=list)
    work_done_token: str = ""


@dataclass(frozen=True)
class ExportResult:
    """`text`: the file, or base64 of its bytes."""

    text: str
    encoding: Literal["utf8", "base64"] = "utf8"


@dataclass(frozen=True)
class RecordParams:
    """The answers that a page without a model carries: to what its views ask, and about the routes into `target`.

    `threshold` None: the automatic threshold. `selection`: what the panel shows, answered about first. `effects`:
    those that are known of the target; what they name is answered about as well. `named`: tokens to follow through the
    layers, by their text or as `#ID`.
    """

    run_id: str
    target: int | None = None
    threshold: float | None = None
    renormalize: bool = True
    selection: str | None = None
    effects: EffectsResult | None = None
    named: list[str] = field(default_factory=list)
    work_done_token: str = ""


@dataclass(frozen=True)
class RecordResult:
    """`answers`: base64 of a gzip of JSON, a list of [method, params, answer]; `count`: how many there are.

    Numbers in them have the digits of float32. What has no room is left out, the strongest last. Maps of a long prompt
    have fewer cells than those that a panel asks for.
    """

    answers: str
    count: int


@dataclass(frozen=True)
class DescribeParams:
    """The analysis of one target in words and numbers. `target` None: the position of the model's answer.
    `threshold` None: the automatic threshold. `effects`: those that are known of the target, for the run file.
    `measure`: the text also lists effects, measured on the predicted token, less `contrast` where one is named. The
    other fields repeat the analysis request, for the run file.
    """

    run_id: str
    form: DescribeForm
    target: int | None = None
    threshold: float | None = None
    renormalize: bool = True
    dtype: Dtype = "auto"
    special_tokens: SpecialTokens = "auto"
    chat: bool = False
    top_k: int = 10
    effects: EffectsResult | None = None
    measure: bool = False
    contrast: str | None = None
    work_done_token: str = ""


@dataclass(frozen=True)
class DescribeResult:
    text: str
