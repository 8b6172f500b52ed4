"""`lm-transparency analyze`: one prompt and its routes as text, data, a figure or a page of its own."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..analysis.estimate import Costly, in_words, rounded
from ..errors import TransparencyError
from ..files.reading import expanded
from ..files.writing import write_atomically
from ..model.options import COMPARED_THRESHOLD, LOWEST_THRESHOLD
from .chats import add_chat_option, as_prompt, is_chat
from .figures import FIGURES, add_figure_options, draw, figure_options
from .files import read_prompt
from .front_matter import take_front_matter
from .many import FORMATS, add_many_options, is_many, run_many
from .options import add_model_options, load, output_path, prepare, terminal_watch, text_argument
from .output import deliver
from .replay import add_replay_options, run_replay

if TYPE_CHECKING:
    from ..analysis.result import Analysis
    from ..inspection.named import Named
    from ..model.options import SpecialTokens
    from ..protocol.effects import EffectsResult
    from ..routes.graph import RouteGraph
    from ..session.session import Session


#: For one prompt, with those of `exports`, which is not imported for a list of words.
_FORMATS = ("text", "json", "csv", "attribution", *FIGURES, "html", "run")


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("analyze", help="the routes into one position of a prompt")
    parser.add_argument("file", nargs="*", metavar="FILE", help="the prompt, or many of them; - reads stdin")
    parser.add_argument("--text", type=text_argument, metavar="T", help="the prompt itself")
    add_chat_option(parser)
    add_model_options(parser)
    parser.add_argument("--position", type=int, metavar="P", help="target token; negative from the end (default: last)")
    parser.add_argument("--top-k", type=int, default=10, metavar="N", help="predictions to show (default 10)")
    parser.add_argument(
        "--threshold", metavar="X", help="0.005 to 1, or auto (default: auto; many prompts: 0.04 for each)"
    )
    parser.add_argument("--no-renormalize", action="store_true", help="keep token edges above the threshold unchanged")
    parser.add_argument("--special-tokens", choices=("auto", "bos", "none"), help="default auto")
    parser.add_argument("--format", choices=(*_FORMATS, *FORMATS), help="default: text; of many prompts jsonl")
    parser.add_argument(
        "-o",
        "--output",
        type=output_path,
        metavar="F",
        help="write there instead of stdout; many prompts continue there",
    )
    parser.add_argument(
        "--effects", action="store_true", help="also measure what caused the prediction, for every format but text"
    )
    parser.add_argument("--estimate", action="store_true", help="only estimate time and memory")
    parser.add_argument("--proof", action="store_true", help="list the error of every layer, in the text report")
    parser.add_argument("--contributions", type=Path, metavar="F.npz", help="also write all contributions, dense")
    add_figure_options(parser)
    add_replay_options(parser)
    add_many_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.replay:
        return run_replay(arguments)
    take_front_matter(arguments)
    many = is_many(arguments)
    # records are compared, a graph is looked at
    threshold = _threshold(arguments.threshold, COMPARED_THRESHOLD if many else None)
    if arguments.top_k < 1:
        raise TransparencyError("invalidParams", f"--top-k is {arguments.top_k}.", "It takes 1 or more.")
    if many:
        return run_many(arguments, threshold)
    arguments.format = arguments.format or "text"
    if arguments.effects and arguments.format == "text":
        raise TransparencyError(
            "invalidParams",
            "--effects goes with --format json, csv, attribution, svg, pdf, html or run.",
            "`lm-transparency effects` lists them as text.",
        )
    arguments.file = arguments.file[0] if arguments.file else None
    if arguments.format in FIGURES:
        # before a model is loaded in vain
        figure_options(arguments, arguments.effects)
    prompt = _prompt(arguments)
    from ..model.tokens import check_prompt

    check_prompt(prompt)
    asked = as_prompt(prompt, arguments)
    prepare(arguments)
    from ..session.session import Session

    session = Session()
    model = load(session, arguments)
    special = cast("SpecialTokens", arguments.special_tokens)
    estimate = session.estimate(model, asked, special_tokens=special)
    if arguments.estimate:
        print(f"{in_words(estimate)} Up to about {rounded(estimate.longest)} tokens fit.")
        return 0
    if not estimate.fits and not arguments.anyway:
        raise TransparencyError(
            "costly", Costly(estimate).message, "Shorten the prompt, or add --anyway to try all the same."
        )
    run_id, analysis = session.analyze(model, asked, special_tokens=special, watch=terminal_watch())
    graph = analysis.routes(arguments.position, threshold, renormalize=not arguments.no_renormalize)
    if not analysis.proof.holds:
        raise _not_proven(analysis, arguments)
    if arguments.contributions:
        _write_arrays(analysis, arguments.contributions)
    from ..inspection.named import named_tokens

    named = named_tokens(analysis, graph.target, arguments.target, arguments.contrast)
    effects = _effects(analysis, graph, arguments) if arguments.effects else None
    deliver(
        _as_file(session, run_id, analysis, graph, named, effects, arguments),
        arguments.format,
        arguments.output,
        styled=arguments.format == "text",
    )
    return 0


def _effects(analysis: Analysis, graph: RouteGraph, arguments: argparse.Namespace) -> EffectsResult:
    from ..inspection.effects import inspect_effects

    return inspect_effects(
        analysis,
        position=graph.target,
        target=arguments.target,
        contrast=arguments.contrast,
        watch=terminal_watch(),
    )


def _not_proven(analysis: Analysis, arguments: argparse.Namespace) -> TransparencyError:
    """With --proof the layers are listed, and nothing else."""
    if arguments.proof:
        from .proof import proof_lines

        print("\n".join(proof_lines(analysis.proof)))
        return TransparencyError("modelUnsupported", analysis.proof.sentence())
    return TransparencyError("modelUnsupported", analysis.proof.sentence(), "--proof lists every layer.")


def _prompt(arguments: argparse.Namespace) -> str:
    if (arguments.text is None) == (arguments.file is None):
        raise TransparencyError("invalidPrompt", "Give either a FILE or --text.", "See lm-transparency analyze --help.")
    return arguments.text if arguments.text is not None else read_prompt(arguments.file)


def _threshold(given: str | None, otherwise: float | None) -> float | None:
    """None for auto; `otherwise` where no threshold was given."""
    if given is None:
        return otherwise
    if given == "auto":
        return None
    try:
        value = float(given)
    except ValueError:
        raise TransparencyError("invalidParams", f"--threshold is {given!r}.", "It takes a number, or auto.") from None
    if not 0 < value < 1:
        raise TransparencyError(
            "invalidParams", f"--threshold is {given}.", f"It takes {LOWEST_THRESHOLD} to 1, or auto."
        )
    return value


def _as_file(
    session: Session,
    run_id: str,
    analysis: Analysis,
    graph: RouteGraph,
    named: Named | None,
    effects: EffectsResult | None,
    arguments: argparse.Namespace,
) -> str | bytes:
    if arguments.format in FIGURES:
        return draw(analysis, graph, effects, arguments)
    if arguments.format == "text":
        from ..exports.report import as_text

        report = as_text(analysis, graph, arguments.top_k, to_terminal=arguments.output is None, named=named)
        if not arguments.proof:
            return report
        from .proof import proof_lines

        return "\n".join([report, *proof_lines(analysis.proof), ""])
    if arguments.format == "html":
        from ..session.pages import page_of

        title = arguments.file if arguments.file not in (None, "-") else "prompt"
        return page_of(
            session,
            run_id,
            Path(title).name,
            target=graph.target,
            threshold=None if arguments.threshold in (None, "auto") else graph.threshold,
            renormalize=graph.renormalize,
            effects=effects,
            named=tuple(name for name in (arguments.target, arguments.contrast) if name is not None),
            top_k=arguments.top_k,
            watch=terminal_watch(),
        )
    if arguments.format == "run":
        return _as_run(analysis, graph, effects, arguments)
    from ..exports import graph_text

    form, top_k = arguments.format, arguments.top_k
    return graph_text(analysis, graph, form, top_k=top_k, named=named, effects=effects)


def _as_run(analysis: Analysis, graph: RouteGraph, effects: EffectsResult | None, arguments: argparse.Namespace) -> str:
    from ..exports.run import Asked, as_run

    asked = Asked(
        model=arguments.model,
        dtype=arguments.dtype,
        quantization=arguments.quantization,
        base=arguments.base,
        special_tokens=arguments.special_tokens,
        chat=is_chat(arguments),
        top_k=arguments.top_k,
    )
    return as_run(analysis, graph, asked, place=_place(arguments), effects=effects)


def _place(arguments: argparse.Namespace) -> dict[str, str] | None:
    """The prompt's file relative to the run's; None where either is not a file, or is on another drive."""
    if arguments.file in (None, "-") or not arguments.output:
        return None
    try:
        file = os.path.relpath(expanded(arguments.file), expanded(arguments.output).parent)
    except ValueError:
        return None
    return {"file": Path(file).as_posix()}


def _write_arrays(analysis: Analysis, path: Path) -> None:
    import numpy as np

    from ..exports.arrays import as_arrays

    arrays = as_arrays(analysis, terminal_watch())
    write_atomically(path, lambda file: np.savez_compressed(file, **arrays))
