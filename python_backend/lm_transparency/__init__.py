"""Exact information-flow routes of transformer language models.

    from lm_transparency import analyze, load_model
    model = load_model()                                    # the embedded SmolLM2-135M-Instruct
    run = analyze(model, "The capital of France is")
    assert run.proof.holds
    graph = run.routes(threshold=None)  # chosen for this graph; `graph.threshold` says which

Heavy imports happen on first use, so that `import lm_transparency` costs nothing.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .analysis.making import analyze
    from .analysis.result import Analysis
    from .batch.engine import analyze_many
    from .batch.prompts import Prompt, read_prompts
    from .errors import Cancelled, TransparencyError
    from .exports import export_figure, export_text
    from .inspection.effects import inspect_effects
    from .inspection.entropy import inspect_entropy
    from .inspection.experts import inspect_expert, inspect_expert_neuron, inspect_experts
    from .inspection.ffn import inspect_ffn, inspect_neuron
    from .inspection.heads import attention_map, inspect_edge, inspect_head, layer_maps, measure_head_tags
    from .inspection.lens import inspect_lens, inspect_lenses, track_tokens
    from .inspection.nodes import inspect_node
    from .inspection.promoted import inspect_promoted
    from .lens.places import load_lens
    from .lens.projection import Lens
    from .model.chat import Chat, chat_of, parse_chat
    from .model.loading import LoadedModel, load_model
    from .notebook import show
    from .routes.contributions import Contributions
    from .routes.graph import RouteGraph, auto_threshold, route_graph
    from .session.pages import export_page
    from .session.session import Session
    from .trace.proof import Proof
    from .trace.trace import Trace
    from .watch import Watch

_HOMES = {
    "Analysis": "analysis.result",
    "analyze": "analysis.making",
    "analyze_many": "batch.engine",
    "Prompt": "batch.prompts",
    "read_prompts": "batch.prompts",
    "Cancelled": "errors",
    "TransparencyError": "errors",
    "inspect_node": "inspection.nodes",
    "inspect_edge": "inspection.heads",
    "inspect_effects": "inspection.effects",
    "inspect_entropy": "inspection.entropy",
    "inspect_promoted": "inspection.promoted",
    "inspect_head": "inspection.heads",
    "attention_map": "inspection.heads",
    "layer_maps": "inspection.heads",
    "measure_head_tags": "inspection.heads",
    "inspect_experts": "inspection.experts",
    "inspect_expert": "inspection.experts",
    "inspect_expert_neuron": "inspection.experts",
    "inspect_ffn": "inspection.ffn",
    "inspect_neuron": "inspection.ffn",
    "inspect_lens": "inspection.lens",
    "inspect_lenses": "inspection.lens",
    "load_lens": "lens.places",
    "track_tokens": "inspection.lens",
    "export_figure": "exports",
    "export_text": "exports",
    "Lens": "lens.projection",
    "Chat": "model.chat",
    "chat_of": "model.chat",
    "parse_chat": "model.chat",
    "LoadedModel": "model.loading",
    "load_model": "model.loading",
    "show": "notebook",
    "Contributions": "routes.contributions",
    "RouteGraph": "routes.graph",
    "auto_threshold": "routes.graph",
    "route_graph": "routes.graph",
    "export_page": "session.pages",
    "Session": "session.session",
    "Proof": "trace.proof",
    "Trace": "trace.trace",
    "Watch": "watch",
}

__all__ = [
    "Analysis",
    "Cancelled",
    "Chat",
    "Contributions",
    "Lens",
    "LoadedModel",
    "Prompt",
    "Proof",
    "RouteGraph",
    "Session",
    "Trace",
    "TransparencyError",
    "Watch",
    "__version__",
    "analyze",
    "analyze_many",
    "attention_map",
    "auto_threshold",
    "chat_of",
    "export_figure",
    "export_page",
    "export_text",
    "inspect_edge",
    "inspect_effects",
    "inspect_entropy",
    "inspect_expert",
    "inspect_expert_neuron",
    "inspect_experts",
    "inspect_ffn",
    "inspect_head",
    "inspect_lens",
    "inspect_lenses",
    "inspect_neuron",
    "inspect_node",
    "inspect_promoted",
    "layer_maps",
    "load_lens",
    "load_model",
    "measure_head_tags",
    "parse_chat",
    "read_prompts",
    "route_graph",
    "show",
    "track_tokens",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if "torch" not in sys.modules:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    from .ambient import pinned

    # objects that modules create at import are kept for the life of the process
    with pinned():
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
