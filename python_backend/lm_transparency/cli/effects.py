"""`lm-transparency effects`: what caused a prediction, predicted by one backward pass and measured by real removals."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from ..errors import TransparencyError
from ..printable import json_text
from ..streams import stderr
from .chats import add_chat_option, as_prompt
from .ending import INTERRUPTED, MEMORY
from .files import read_prompt
from .front_matter import take_front_matter
from .options import add_model_options, load, output_path, prepare, terminal_watch, text_argument
from .output import deliver

if TYPE_CHECKING:
    from ..causal.effects import Budget
    from ..model.chat import Chat
    from ..model.options import SpecialTokens
    from ..protocol.effects import EffectsResult, How

_MEAN_OVER = "mean:"


def add_parser(commands: Any) -> None:
    help_ = "what caused a prediction: the effects of edges, heads, blocks and tokens, measured"
    parser = commands.add_parser("effects", help=help_, description=help_)
    parser.add_argument("file", nargs="?", metavar="FILE", help="the prompt; - reads stdin")
    parser.add_argument("--text", type=text_argument, metavar="T", help="the prompt itself")
    add_chat_option(parser)
    add_model_options(parser)
    parser.add_argument("--position", type=int, metavar="P", help="negative from the end (default: the last)")
    parser.add_argument("--metric", choices=("logit", "logprob"), default="logit", help="default: logit")
    parser.add_argument(
        "--target", type=text_argument, metavar="T", help="a token, or #ID (default: the predicted one)"
    )
    parser.add_argument(
        "--contrast",
        nargs="?",
        const=True,
        metavar="C",
        help="a token that the target is compared with, or #ID; without one, the runner-up",
    )
    parser.add_argument("--top", type=int, default=20, metavar="N", help="units of each kind to list (default 20)")
    parser.add_argument("--measure", metavar="N|all", help="units of each kind to measure (default 20, and 60 edges)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=10.0,
        metavar="S",
        help="for all kinds but edges and heads (default 10)",
    )
    parser.add_argument(
        "--how",
        default="default",
        metavar="default|zero|mean|mean:FILE",
        help="what removed units are set to; mean:FILE is over the prompts of FILE",
    )
    parser.add_argument("--units", metavar="U,U,…", help="measure just these: I22_1>A23_13, 23.0@13, M22_3, U+U …")
    parser.add_argument("--special-tokens", choices=("auto", "bos", "none"), help="default auto")
    parser.add_argument("--format", default="text", choices=("text", "json"))
    parser.add_argument("-o", "--output", type=output_path, metavar="F", help="write there instead of stdout")
    parser.set_defaults(run=run, threshold=None, no_renormalize=False)


def run(arguments: argparse.Namespace) -> int:
    if (arguments.text is None) == (arguments.file is None):
        raise TransparencyError("invalidPrompt", "Give either a FILE or --text.", "See lm-transparency effects --help.")
    prompt = arguments.text if arguments.text is not None else read_prompt(arguments.file)
    file, target, contrast = arguments.file, arguments.target, arguments.contrast
    arguments.file = [] if file is None else [file]
    take_front_matter(arguments)
    arguments.file = file
    target = arguments.target if target is None else target
    contrast = arguments.contrast if contrast is None else contrast
    _check_budget(arguments)
    units, (how, others) = _units(arguments.units), _how(arguments.how)
    from ..model.tokens import check_prompt

    # before a model is loaded in vain
    check_prompt(prompt)
    asked = as_prompt(prompt, arguments)
    prepare(arguments)
    from ..session.session import Session

    session, watch = Session(), terminal_watch()
    model = load(session, arguments)
    special = cast("SpecialTokens", arguments.special_tokens)
    _, analysis = session.analyze(model, asked, special_tokens=special, watch=watch)
    if not analysis.proof.holds:
        raise TransparencyError("modelUnsupported", analysis.proof.sentence())
    references = [session.analyze(model, one, special_tokens=special, watch=watch)[1] for one in others]
    from ..inspection.effects import inspect_effects

    found = inspect_effects(
        analysis,
        position=arguments.position,
        metric=arguments.metric,
        target=target,
        contrast=contrast,
        how=how,
        references=references,
        units=units,
        budget=_budget(arguments),
        partial=True,
        watch=watch,
    )
    from ..exports.effect_lines import effect_lines

    text = json_text(as_json(found)) if arguments.format == "json" else "\n".join(effect_lines(analysis, found))
    deliver(f"{text}\n", arguments.format, arguments.output)
    if found.complete:
        return 0
    stderr().write(f"lm-transparency: {found.notices[-1]}\n")
    return INTERRUPTED if found.notices[-1].startswith("Interrupted") else MEMORY


def as_json(found: EffectsResult) -> dict[str, Any]:
    """The answer as documented in docs/effects.md#json."""
    from ..exports.effects import effects_document

    return {"format": 1, **effects_document(found)}


def _check_budget(arguments: argparse.Namespace) -> None:
    if arguments.top < 1:
        raise TransparencyError("invalidParams", f"--top is {arguments.top}.", "It takes 1 or more.")
    if not arguments.seconds > 0:
        raise TransparencyError("invalidParams", f"--seconds is {arguments.seconds}.", "It takes more than 0.")
    if arguments.measure not in (None, "all") and not arguments.measure.isdecimal():
        raise TransparencyError("invalidParams", f"--measure is {arguments.measure!r}.", "It takes a number, or all.")


def _budget(arguments: argparse.Namespace) -> Budget:
    from ..causal.effects import DEFAULT, Budget

    if arguments.measure is None:
        return replace(DEFAULT, top=arguments.top, seconds=arguments.seconds)
    measured = None if arguments.measure == "all" else int(arguments.measure)
    return Budget(arguments.top, measured, seconds=arguments.seconds)


def _units(given: str | None) -> list[str] | None:
    """The names, checked before a model is loaded."""
    if given is None:
        return None
    from ..causal.units import parse_units

    names = [name.strip() for name in given.split(",") if name.strip()]
    if not names:
        raise TransparencyError("invalidParams", "--units names no unit.", "Units are listed in docs/effects.md.")
    for name in names:
        parse_units(name)
    return names


def _how(given: str) -> tuple[How, list[str | Chat]]:
    """What removed units are set to, and the prompts that a mean is over; none: the prompt itself."""
    if given in ("default", "zero", "mean"):
        return given, []
    if not given.startswith(_MEAN_OVER) or given == _MEAN_OVER:
        raise TransparencyError("invalidParams", f"--how is {given!r}.", "It takes default, zero, mean or mean:FILE.")
    from ..batch.prompts import read_prompts

    return "mean", [one.content() for one in read_prompts([given.removeprefix(_MEAN_OVER)])]
