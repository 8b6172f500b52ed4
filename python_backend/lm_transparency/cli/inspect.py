"""`lm-transparency inspect`: one node, edge, head, feed-forward block, expert or neuron of a prompt's graph."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..errors import TransparencyError
from .chats import add_chat_option, as_prompt
from .files import read_prompt
from .options import add_model_options, load, terminal_watch
from .output import deliver

if TYPE_CHECKING:
    from ..analysis.result import Analysis
    from ..model.options import SpecialTokens

_WHAT = {
    "node": (
        "NODE",
        "X0_3, A22_3, M22_3 or I22_3: the lens of its state, tokens that its block promotes",
    ),
    "edge": ("EDGE", "'I22_2>A23_13': every head's contribution, attention probability and rank"),
    "head": ("L.H", "23.4: where the head looks from --query, why, and the tokens it promotes"),
    "ffn": ("NODE", "M22_3: the neurons of the feed-forward block that contribute most, or its experts"),
    "expert": ("EXPERT", "M22_3@5 or M22_3@shared: tokens that it promotes and suppresses, its gate, its neurons"),
    "neuron": (
        "NEURON",
        "'M22_3#831', an expert's 'M22_3@5#17': tokens that it promotes, its activations",
    ),
}


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("inspect", help="look into a node, edge, head, feed-forward block, expert or neuron")
    kinds = parser.add_subparsers(metavar="KIND", required=True, dest="kind")
    for kind, (name, help_) in _WHAT.items():
        one = kinds.add_parser(kind, help=help_, description=help_)
        one.add_argument("what", metavar=name)
        one.add_argument("file", metavar="FILE", help="the prompt; - reads stdin")
        add_chat_option(one)
        add_model_options(one)
        if kind == "head":
            one.add_argument("--query", type=int, default=-1, metavar="P", help="position; negative from the end")
            one.add_argument("--key", type=int, default=None, metavar="P", help="position (default: the strongest)")
        one.add_argument("--top-k", type=int, default=15, metavar="N", help="tokens or neurons to list (default 15)")
        one.add_argument("--no-normalize", action="store_true", help="leave the final norm out of the lens")
        one.add_argument("--special-tokens", default="auto", choices=("auto", "bos", "none"))
        one.add_argument("--format", default="text", choices=("text", "json"))
        one.add_argument("-o", "--output", type=Path, metavar="F", help="write there instead of stdout")
        one.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    prompt = read_prompt(arguments.file)
    if arguments.top_k < 1:
        raise TransparencyError("invalidParams", f"--top-k is {arguments.top_k}.", "It takes 1 or more.")
    ask = _ASK[arguments.kind](arguments)
    from ..model.tokens import check_prompt
    from ..session.session import Session

    # before a model is loaded for nothing
    check_prompt(prompt)
    asked = as_prompt(prompt, arguments)
    session = Session()
    model = load(session, arguments)
    special = cast("SpecialTokens", arguments.special_tokens)
    _, analysis = session.analyze(model, asked, special_tokens=special, watch=terminal_watch())
    if not analysis.proof.holds:
        raise TransparencyError("modelUnsupported", analysis.proof.sentence())
    view = ask(analysis)
    from .views import as_json, as_text

    text = as_json(view) if arguments.format == "json" else as_text(analysis, view)
    deliver(text, arguments.format, arguments.output)
    return 0


_Ask = Callable[["Analysis"], Any]


def _node(arguments: argparse.Namespace) -> _Ask:
    def ask(analysis: Analysis) -> Any:
        from ..inspection.nodes import inspect_node

        k = arguments.top_k
        return inspect_node(analysis, arguments.what, top_k=k, update_k=k, normalize=not arguments.no_normalize)

    return ask


def _edge(arguments: argparse.Namespace) -> _Ask:
    match = re.fullmatch(r"(?:attention:)?(?:X0|I(\d+))_(-?\d+)>[AI](\d+)_(-?\d+)", arguments.what)
    if match is None or int(match[3]) != (0 if match[1] is None else int(match[1]) + 1):
        raise TransparencyError(
            "invalidParams", f"{arguments.what!r} is not an attention edge.", "Edges are X0_2>A0_5 or I22_2>A23_13."
        )
    layer, query, key = int(match[3]), int(match[4]), int(match[2])

    def ask(analysis: Analysis) -> Any:
        from ..inspection.heads import inspect_edge

        return inspect_edge(analysis, layer, query, key)

    return ask


def _head(arguments: argparse.Namespace) -> _Ask:
    match = re.fullmatch(r"[Ll]?(\d+)\.[Hh]?(\d+)", arguments.what)
    if match is None:
        raise TransparencyError("invalidParams", f"{arguments.what!r} is not a head.", "Heads are LAYER.HEAD, 23.4.")
    layer, head = int(match[1]), int(match[2])

    def ask(analysis: Analysis) -> Any:
        from ..inspection.heads import inspect_head

        return inspect_head(
            analysis,
            layer,
            head,
            arguments.query,
            arguments.key,
            top_k=arguments.top_k,
            normalize=not arguments.no_normalize,
        )

    return ask


def _ffn(arguments: argparse.Namespace) -> _Ask:
    at = _block(arguments.what)

    def ask(analysis: Analysis) -> Any:
        from ..inspection.experts import inspect_experts
        from ..inspection.ffn import inspect_ffn

        blocks = analysis.trace.anatomy.blocks
        if at.layer < len(blocks) and blocks[at.layer].experts is not None:
            normalize = not arguments.no_normalize
            return inspect_experts(analysis, at.layer, at.position, top_k=arguments.top_k, normalize=normalize)
        return inspect_ffn(analysis, at.layer, at.position, top_k=arguments.top_k)

    return ask


def _expert(arguments: argparse.Namespace) -> _Ask:
    at = _block(arguments.what)
    if not at.expert or at.neuron is not None:
        raise TransparencyError("invalidParams", f"{arguments.what!r} names no expert.", "Experts are M22_3@5.")

    def ask(analysis: Analysis) -> Any:
        from ..inspection.experts import inspect_expert

        k, normalize = arguments.top_k, not arguments.no_normalize
        return inspect_expert(analysis, at.layer, at.expert, at.position, top_k=k, neurons_k=k, normalize=normalize)

    return ask


def _neuron(arguments: argparse.Namespace) -> _Ask:
    at = _block(arguments.what)
    neuron = at.neuron
    if neuron is None:
        raise TransparencyError("invalidParams", f"{arguments.what!r} names no neuron.", "Neurons are M22_3#831.")

    def ask(analysis: Analysis) -> Any:
        from ..inspection.experts import inspect_expert_neuron
        from ..inspection.ffn import inspect_neuron

        k, normalize = arguments.top_k, not arguments.no_normalize
        if at.expert:
            return inspect_expert_neuron(
                analysis, at.layer, at.expert, neuron, at.position, top_k=k, normalize=normalize
            )
        return inspect_neuron(analysis, at.layer, neuron, at.position, top_k=k, normalize=normalize)

    return ask


class _Place(NamedTuple):
    """A feed-forward block, and what is named inside of it: `M22_3`, `M22_3@5`, `M22_3#831`, `M22_3@5#17`."""

    layer: int
    position: int
    expert: str
    neuron: int | None


def _block(name: str) -> _Place:
    match = re.fullmatch(r"M(\d+)_(-?\d+)(?:@(\d+|shared\d*))?(?:#(\d+))?", name)
    if match is None:
        raise TransparencyError(
            "invalidParams", f"{name!r} is not a feed-forward block.", "Blocks are M<layer>_<position>."
        )
    neuron = None if match[4] is None else int(match[4])
    return _Place(int(match[1]), int(match[2]), match[3] or "", neuron)


_ASK: dict[str, Callable[[argparse.Namespace], _Ask]] = {
    "node": _node,
    "edge": _edge,
    "head": _head,
    "ffn": _ffn,
    "expert": _expert,
    "neuron": _neuron,
}
