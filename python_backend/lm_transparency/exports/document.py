"""An analysis for programs: JSON, format 1."""

from __future__ import annotations

import math
from typing import Any

from ..ambient import guarded
from ..analysis.result import Analysis
from ..inspection.named import Named
from ..printable import json_text
from ..protocol.effects import EffectsResult
from ..protocol.lens import LensTrack
from ..routes.graph import MIXER_WORDS, RouteGraph
from ..trace.proof import Proof
from .effects import effects_document

JSON_FORMAT = 1


@guarded
def as_document(
    analysis: Analysis,
    graph: RouteGraph,
    top_k: int,
    named: Named | None = None,
    effects: EffectsResult | None = None,
) -> dict[str, Any]:
    """JSON, format 1; `start` and `end` count characters of the prompt, times are seconds.

    `effects`: of the graph's target (`inspection.known_effects`).
    """
    predictions = analysis.predictions(top_k)
    at = graph.target
    model, readout = analysis.model, analysis.trace.anatomy.readout
    return {
        "format": JSON_FORMAT,
        "model": {
            "name": model.name,
            "n_layers": model.anatomy.n_layers,
            "n_heads": model.anatomy.n_heads,
            "d_model": model.anatomy.d_model,
            "n_params": model.n_params,
            "dtype": model.dtype,
            "device": model.device,
        },
        "tokens": [
            {"id": t.id, "text": t.text, "start": t.start, "end": t.end, "template": t.template}
            for t in analysis.tokens
        ],
        "target": {"position": at, "reads": readout.task},
        "predictions": [
            {
                "id": token_id,
                "text": text,
                "probability": None if readout.task == "value" else probability,
                "logit": logit,
            }
            for token_id, text, probability, logit in zip(
                predictions.ids[at].tolist(),
                predictions.texts[at],
                predictions.probabilities[at].tolist(),
                predictions.logits[at].tolist(),
                strict=True,
            )
        ],
        **({} if named is None else {"named": _named(named)}),
        "threshold": graph.threshold,
        "renormalize": graph.renormalize,
        "proof": _proof(analysis.proof),
        "edges": [
            {"source": str(e.source), "target": str(e.target), "kind": e.kind, "weight": e.weight, "flow": e.flow}
            | ({"note": MIXER_WORDS} if e.kind == "mixer" else {})
            for e in graph.edges
        ],
        **({} if effects is None else {"effects": effects_document(effects)}),
        "notices": [*analysis.notices, *(() if named is None else named.notes)],
        "timing": {"forward_s": analysis.forward_s, "contributions_s": analysis.contributions_s},
    }


def _proof(proof: Proof) -> dict[str, Any]:
    """Relative errors; null where a layer overflowed, and for the sublayers of a parallel block."""
    layers = [
        {"attention": _finite(layer.attention), "ffn": _finite(layer.ffn), "whole": _finite(layer.whole)}
        for layer in proof.layers
    ]
    return {
        "max_relative_error": _finite(proof.max_relative_error),
        "worst_layer": proof.worst_layer,
        "worst_part": proof.worst_part,
        "tolerance": proof.tolerance,
        "holds": proof.holds,
        "layers": layers,
    }


def _finite(error: float | None) -> float | None:
    return error if error is not None and math.isfinite(error) else None


def _named(named: Named) -> dict[str, Any]:
    """Rank 0 is the most probable; the difference has a row for the embedding, then one for each layer."""

    def last(track: LensTrack) -> dict[str, Any]:
        scores = {"probability": track.probability[-1], "logit": track.logit[-1], "rank": track.rank[-1]}
        return {"id": track.token, "text": track.text, **scores}

    return {
        "target": last(named.target),
        "contrast": None if named.contrast is None else last(named.contrast),
        "logit_difference": list(named.differences),
    }


def as_json(
    analysis: Analysis,
    graph: RouteGraph,
    top_k: int,
    named: Named | None = None,
    effects: EffectsResult | None = None,
) -> str:
    return json_text(as_document(analysis, graph, top_k, named, effects), indent=1) + "\n"
