"""The stored record of one prompt: flat, and the same in JSONL and Parquet."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from ..analysis.result import Analysis
from ..errors import TransparencyError, is_out_of_memory
from ..exports.document import as_document
from ..inspection.effects import inspect_effects
from ..printable import whole_characters
from ..routes.graph import RouteGraph
from ..watch import Watch
from .prompts import Prompt

Record = dict[str, Any]

#: The fields of `UnitEffect` that are columns of a record's `effects`: texts, and figures that may be None.
UNIT_TEXTS = ("unit", "kind", "text", "how")
UNIT_FIGURES = ("predicted", "measured", "kl", "share")

#: Characters of an unexpected error that are kept.
_LONGEST = 500


def record_of(prompt: Prompt, analysis: Analysis, graph: RouteGraph, top_k: int, model: str = "") -> Record:
    """JSON's format 1 without the fields of single layers, and with edges as columns. `seconds`: forward pass and
    routes.

    `model`: the fingerprint of its files. Raises `TransparencyError("modelUnsupported")` for numbers that are not
    finite.
    """
    document = as_document(analysis, graph, top_k)
    proof = {name: figure for name, figure in document["proof"].items() if name != "layers"}
    record: Record = {
        **_head(prompt, model),
        "error": None,
        "model": document["model"]["name"],
        **{name: document[name] for name in ("tokens", "target", "predictions", "threshold", "renormalize")},
        "proof": proof,
        "graph": _columns(graph),
        "notices": document["notices"],
        "seconds": round(analysis.forward_s + analysis.contributions_s, 4),
    }
    if not _is_finite(record):
        raise TransparencyError(
            "modelUnsupported",
            f"The answer of {document['model']['name']} has numbers that are not finite.",
            "Load the model in float32; if they stay, its weights are damaged.",
        )
    return record


def with_effects(record: Record, analysis: Analysis, graph: RouteGraph, watch: Watch) -> Record:
    """`record` with `effects`: those on the token predicted at the graph's target, units as columns. None, and a
    notice, where the model has none. Raises `Cancelled`.
    """
    try:
        found = inspect_effects(analysis, position=graph.target, watch=watch)
    except TransparencyError as error:
        return {**record, "effects": None, "notices": [*record["notices"], f"No effects: {error}"]}
    drawing = found.faithfulness
    texts = {name: [getattr(unit, name) for unit in found.units] for name in UNIT_TEXTS}
    figures = {name: [_short_or_none(getattr(unit, name)) for unit in found.units] for name in UNIT_FIGURES}
    effects = {
        "metric": asdict(found.metric),
        **texts,
        **figures,
        "faithfulness": None if drawing is None else asdict(drawing),
        "share_error": found.proof.share_error,
    }
    notices = [*record["notices"], *found.notices]
    seconds = round(record["seconds"] + found.timing.backward_s + found.timing.measured_s, 4)
    return {**record, "effects": effects, "notices": notices, "seconds": seconds}


def failure_of(prompt: Prompt, error: BaseException, model: str = "") -> Record:
    """The record of a prompt that could not be analysed, for whatever reason."""
    if isinstance(error, TransparencyError):
        return failure_said(prompt, error.kind, error.message, error.remedy, model)
    if is_out_of_memory(error):
        return failure_said(
            prompt,
            "outOfMemory",
            "There was not enough memory for this prompt.",
            "Free memory, or choose a smaller dtype or model, and run the same command again.",
            model,
        )
    said = whole_characters(f"{type(error).__name__}: {error}"[:_LONGEST])
    return failure_said(prompt, "internal", said, "Run the same command again to try this prompt once more.", model)


def failure_said(prompt: Prompt, kind: str, message: str, remedy: str = "", model: str = "") -> Record:
    """`failure_of` for an error that is not a `TransparencyError`."""
    return {**_head(prompt, model), "error": {"kind": kind, "message": message, "remedy": remedy}}


def place_of(prompt: Prompt) -> Record:
    """The prompt of a record, and its place."""
    return {"id": prompt.id, "index": prompt.index, "source": whole_characters(prompt.source), "line": prompt.line}


def text_of(prompt: Prompt) -> str:
    """The prompt as it appears in a record."""
    return whole_characters(prompt.text)


def _head(prompt: Prompt, model: str) -> Record:
    fingerprints = {"prompt": prompt.fingerprint, "model": model}
    return {**place_of(prompt), "prompt": text_of(prompt), "fingerprints": fingerprints}


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return all(map(_is_finite, value)) if isinstance(value, list) else True


def _columns(graph: RouteGraph) -> dict[str, Any]:
    """`source` and `target` of an edge are indices into `nodes`; `heads` and `head_weights` belong to attention
    edges.
    """
    nodes = {str(node): None for edge in graph.edges for node in (edge.target, edge.source)}
    place = {name: index for index, name in enumerate(nodes)}
    edges = graph.edges
    return {
        "nodes": list(nodes),
        "source": [place[str(e.source)] for e in edges],
        "target": [place[str(e.target)] for e in edges],
        "kind": [e.kind for e in edges],
        "weight": [_short(e.weight) for e in edges],
        "flow": [_short(e.flow) for e in edges],
        "heads": [[head for head, _ in e.heads] for e in edges],
        "head_weights": [[_short(weight) for _, weight in e.heads] for e in edges],
        "token_mass": [_short(mass) for mass in graph.token_mass],
        "bias_mass": _short(graph.bias_mass),
        "ended_mass": _short(graph.ended_mass),
    }


def _short_or_none(number: float | None) -> float | None:
    return None if number is None else _short(number)


def _short(number: float) -> float:
    """A float32 without loss, in half the characters."""
    return float(f"{number:.7g}")
