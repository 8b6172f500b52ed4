"""What is kept of one prompt: a flat record, the same in JSONL and Parquet."""

from __future__ import annotations

from typing import Any

from ..analysis import Analysis
from ..errors import TransparencyError
from ..exports.document import as_document
from ..routes.graph import RouteGraph
from .prompts import Prompt

Record = dict[str, Any]


def record_of(prompt: Prompt, analysis: Analysis, graph: RouteGraph, top_k: int) -> Record:
    """JSON's format 1 without the fields of single layers, its edges as columns. `seconds`: forward pass and routes."""
    document = as_document(analysis, graph, top_k)
    proof = {name: figure for name, figure in document["proof"].items() if name != "layers"}
    return {
        **_head(prompt),
        "error": None,
        "model": document["model"]["name"],
        **{name: document[name] for name in ("tokens", "target", "predictions", "threshold", "renormalize")},
        "proof": proof,
        "graph": _columns(graph),
        "notices": document["notices"],
        "seconds": round(analysis.forward_s + analysis.contributions_s, 4),
    }


def failure_of(prompt: Prompt, error: TransparencyError) -> Record:
    """The record of a prompt that could not be analysed."""
    return failure_said(prompt, error.kind, error.message, error.remedy)


def failure_said(prompt: Prompt, kind: str, message: str, remedy: str = "") -> Record:
    """`failure_of` what is no error of ours."""
    return {**_head(prompt), "error": {"kind": kind, "message": message, "remedy": remedy}}


def _head(prompt: Prompt) -> Record:
    # half a surrogate pair is no text to any reader of the file
    text = prompt.text.encode("utf-8", "replace").decode("utf-8")
    return {"id": prompt.id, "index": prompt.index, "source": prompt.source, "line": prompt.line, "prompt": text}


def _columns(graph: RouteGraph) -> dict[str, Any]:
    """`source` and `target` of an edge count in `nodes`; `heads` and `head_weights` are of attention edges."""
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


def _short(number: float) -> float:
    """What float32 tells apart, in half the characters."""
    return float(f"{number:.7g}")
