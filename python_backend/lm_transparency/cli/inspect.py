"""`lm-transparency inspect`: one node, edge, head, feed-forward block, expert or neuron of a prompt's graph."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, cast

from ..errors import TransparencyError
from .chats import add_chat_option, as_prompt
from .files import read_prompt
from .options import add_model_options, load, output_path, prepare, terminal_watch
from .output import deliver
from .questions import QUESTIONS
from .questions.question import Question, as_json

if TYPE_CHECKING:
    from ..model.options import SpecialTokens


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("inspect", help="look into a node, edge, head, feed-forward block, expert or neuron")
    kinds = parser.add_subparsers(metavar="KIND", required=True, dest="kind")
    for question in QUESTIONS:
        one = kinds.add_parser(question.name, help=question.help, description=question.help)
        one.add_argument("what", metavar=question.metavar)
        one.add_argument("file", metavar="FILE", help="the prompt; - reads stdin")
        add_chat_option(one)
        add_model_options(one)
        question.add_options(one)
        one.add_argument("--top-k", type=int, default=15, metavar="N", help="tokens or neurons to list (default 15)")
        one.add_argument("--no-normalize", action="store_true", help="leave the final norm out of the lens")
        one.add_argument(
            "--lens",
            default="logit",
            metavar="L",
            help="logit, jacobian or tuned (fitted by `lens fit`), or a file",
        )
        one.add_argument("--special-tokens", default="auto", choices=("auto", "bos", "none"))
        one.add_argument("--format", default="text", choices=("text", "json"))
        one.add_argument("-o", "--output", type=output_path, metavar="F", help="write there instead of stdout")
        one.set_defaults(run=run, question=question)


def run(arguments: argparse.Namespace) -> int:
    prompt = read_prompt(arguments.file)
    if arguments.top_k < 1:
        raise TransparencyError("invalidParams", f"--top-k is {arguments.top_k}.", "It takes 1 or more.")
    question: Question = arguments.question
    ask = question.read(arguments)
    from ..model.tokens import check_prompt

    # checked before loading, so that no model is loaded in vain
    check_prompt(prompt)
    asked = as_prompt(prompt, arguments)
    prepare(arguments)
    from ..session.session import Session

    session = Session()
    model = load(session, arguments)
    special = cast("SpecialTokens", arguments.special_tokens)
    _, analysis = session.analyze(model, asked, special_tokens=special, watch=terminal_watch())
    if not analysis.proof.holds:
        raise TransparencyError("modelUnsupported", analysis.proof.sentence())
    answer = ask(analysis)
    text = as_json(answer) if arguments.format == "json" else "\n".join(question.lines(analysis, answer)) + "\n"
    deliver(text, arguments.format, arguments.output)
    return 0
