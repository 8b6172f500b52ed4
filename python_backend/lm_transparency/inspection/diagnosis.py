"""Checks of whether a model's routes can be trusted, and of how far two copies of a model differ."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..ambient import guard, guarded
from ..analysis.making import analyze
from ..analysis.result import Analysis
from ..errors import TransparencyError
from ..lens.projection import Lens
from ..model.loading import LoadedModel
from ..model.options import COMPARED_THRESHOLD
from ..model.token_ids import ids_without_a_row
from ..protocol.nodes import Node
from ..routes.graph import EdgeKind, route_graph
from ..watch import Watch


@dataclass(frozen=True)
class Findings:
    """Measurements on one prompt. Logit differences are absolute, between float32 copies of the logits.

    `without_a_row`: token ids that the tokenizer can produce but the embedding has no row for.
    `logits`: the largest difference between the recorded pass and the untouched model. `lens`: the largest difference
    between the lens of the last state and the logits.
    """

    model: str
    dtype: str
    block: str
    parallel: bool
    n_tokens: int
    proof: float
    worst_layer: int
    tolerance: float
    logits: float
    lens: float
    largest_logit: float
    analysis: Analysis
    without_a_row: tuple[int, ...] = ()

    @property
    def sound(self) -> bool:
        # logits may differ by rounding, in proportion to their size
        allowed = self.tolerance * max(1.0, self.largest_logit)
        return self.proof <= self.tolerance and self.logits <= allowed and self.lens <= allowed

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; None where a figure is not finite."""
        fields = {name: value for name, value in vars(self).items() if name != "analysis"}
        return _in_json({**fields, "sound": self.sound})

    def sentences(self) -> list[str]:
        """The report as lines of text, verdict last."""
        way = "in one step" if self.parallel else "one after the other"
        trusted = "The routes of this model can be trusted"
        verdict = (
            f"{trusted} for prompts without these tokens."
            if self.sound and self.without_a_row
            else f"{trusted}."
            if self.sound
            else "The routes of this model cannot be trusted: report it, with this output."
        )
        return [
            f"{self.model}, {self.dtype}: {self.block} blocks, attention and feed-forward added {way}.",
            f"  parts sum to the whole:        off by {self.proof:.1e} at most, in layer {self.worst_layer} "
            f"(tolerance {self.tolerance:.0e})",
            f"  logits equal transformers':    off by {self.logits:.1e} (largest logit {self.largest_logit:.1f})",
            f"  lens of the last state:        off by {self.lens:.1e} from the logits",
            *self._tokens(),
            verdict,
        ]

    def _tokens(self) -> list[str]:
        if not self.without_a_row:
            return []
        first, n = self.without_a_row[0], len(self.without_a_row)
        tokens = "1 token" if n == 1 else f"{n} tokens"
        return [f"  {tokens} of the tokenizer, from id {first} on, without an embedding: prompts with one are refused"]


@dataclass(frozen=True)
class Difference:
    """Two copies of a model on one prompt. `kl`: KL divergence of the next-token distributions in nats, averaged over
    the positions.

    `logits`: the largest absolute difference. `edges_gone`, `edges_new`, `edges_kept`: edges of the routes into the
    last token at threshold 0.04 that only the first copy has, only the other, and both. `contributions`: mean absolute
    difference.
    """

    model: str
    proof: float
    tolerance: float
    sound: bool
    logits: float
    kl: float
    top_agrees: float
    contributions: float
    edges_gone: int
    edges_new: int
    edges_kept: int

    def as_dict(self) -> dict[str, Any]:
        return _in_json(asdict(self))

    def sentences(self) -> list[str]:
        return [
            "",
            f"Against {self.model}:",
            f"  parts sum to the whole:        off by {self.proof:.1e} at most (tolerance {self.tolerance:.0e})",
            f"  logits:                        {self.logits:.2e} apart at most",
            f"  next-token distribution:       KL divergence {self.kl:.2e} on average over the positions",
            f"  most probable token:           the same at {100 * self.top_agrees:.0f} % of the positions",
            f"  residual and ffn contributions: {self.contributions:.1e} apart on average",
            f"  routes into the last token:    {self.edges_kept} edges the same, {self.edges_gone} gone, "
            f"{self.edges_new} new",
            "" if self.sound else "The routes of the other copy cannot be trusted: report it, with this output.",
        ][: None if not self.sound else -1]


@guarded
def examine(model: LoadedModel, prompt: str, watch: Watch | None = None) -> Findings:
    """Analyse `prompt` and compare with the untouched model. Raises `TransparencyError` as `analyze` does."""
    analysis = analyze(model, prompt, watch=watch)
    ids = torch.tensor([[token.id for token in analysis.tokens]], device=model.input_device)
    with torch.no_grad():
        wanted = model.model(input_ids=ids, use_cache=False).logits[0].float()
    trace = analysis.trace
    recorded = trace.logits.float()
    lens = Lens(model.anatomy).logits(trace.layers[-1].post)
    return Findings(
        model=model.name,
        dtype=model.dtype,
        block=model.anatomy.facts.name,
        parallel=model.anatomy.parallel,
        n_tokens=len(analysis.tokens),
        proof=analysis.proof.max_relative_error,
        worst_layer=analysis.proof.worst_layer,
        tolerance=analysis.proof.tolerance,
        logits=_apart(recorded if trace.pooled is None else recorded[trace.pooled], wanted),
        lens=_apart(lens, recorded),
        largest_logit=float(wanted.abs().max()),
        analysis=analysis,
        without_a_row=tuple(ids_without_a_row(model.tokenizer, model.n_rows)),
    )


@guard()
def compare(one: Findings, other: Findings) -> Difference:
    """The difference of `other` from `one`. Raises `TransparencyError` if they are not copies of one model."""
    a, b = one.analysis, other.analysis
    if [t.id for t in a.tokens] != [t.id for t in b.tokens] or a.trace.n_layers != b.trace.n_layers:
        raise TransparencyError(
            "invalidParams",
            "The two models differ in their tokens or layers: they are not copies of one another.",
            "Compare copies of one model in different formats.",
        )
    p, q = (x.trace.logits.float().cpu().log_softmax(dim=-1) for x in (a, b))
    parts = [
        abs(getattr(a.contributions, name) - getattr(b.contributions, name)).mean()
        for name in ("attention_residual", "ffn")
    ]
    drawn, redrawn = _drawn(a), _drawn(b)
    return Difference(
        model=f"{other.model}, {other.dtype}",
        proof=other.proof,
        tolerance=other.tolerance,
        sound=other.sound,
        logits=_apart(a.trace.logits.float(), b.trace.logits.float()),
        kl=float((p.exp() * (p - q)).sum(dim=-1).mean()),
        top_agrees=float((p.argmax(dim=-1) == q.argmax(dim=-1)).float().mean()),
        contributions=float(sum(parts) / len(parts)),
        edges_gone=len(drawn - redrawn),
        edges_new=len(redrawn - drawn),
        edges_kept=len(drawn & redrawn),
    )


def _in_json(fields: dict[str, Any]) -> dict[str, Any]:
    """`fields` without NaN and infinities, which JSON lacks."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in fields.items()}


def _drawn(analysis: Analysis) -> set[tuple[Node, Node, EdgeKind]]:
    graph = route_graph(analysis.contributions, len(analysis.tokens) - 1, COMPARED_THRESHOLD)
    return {(edge.source, edge.target, edge.kind) for edge in graph.edges}


def _apart(a: Float[Tensor, "*position output"], b: Float[Tensor, "*position output"]) -> float:
    return float((a.cpu() - b.cpu()).abs().max())
