"""`lm-transparency doctor`: whether the routes of a model can be trusted, in words and figures."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import TransparencyError
from ..model.sources import check_name
from ..printable import json_text
from .options import add_model_options, load, output_path, prepare, terminal_watch, text_argument
from .output import deliver

_PROMPT = "When Mary and John went to the store, John gave a drink to"


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("doctor", help="check a model: do its parts sum to what transformers computes?")
    parser.add_argument("subject", nargs="?", default="", metavar="MODEL", help="the same as --model MODEL")
    parser.add_argument("--text", type=text_argument, default=_PROMPT, metavar="T", help="the prompt to check with")
    parser.add_argument("--against", metavar="M", help="another copy of the model to compare with")
    parser.add_argument(
        "--against-dtype", default="", choices=("float32", "bfloat16", "float16"), help="… or the same in another dtype"
    )
    parser.add_argument(
        "--against-quantization", default="", choices=("4bit", "8bit"), help="… or the same quantised while it is read"
    )
    parser.add_argument("--format", default="text", choices=("text", "json"))
    parser.add_argument("-o", "--output", type=output_path, metavar="F", help="write there instead of stdout")
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 where the model can be trusted, 4 where it cannot; errors as in `analyze`."""
    if arguments.subject and arguments.model:
        raise TransparencyError("invalidParams", "The model is named twice.", "Give either MODEL or --model.")
    arguments.model = arguments.model or arguments.subject
    if arguments.against:
        check_name(arguments.against, allow_download=arguments.download)
    prepare(arguments)
    from ..inspection.diagnosis import compare, examine
    from ..session.session import Session

    session = Session()
    findings = examine(load(session, arguments), arguments.text, terminal_watch())
    document: dict[str, Any] = findings.as_dict()
    lines = findings.sentences()
    if arguments.against or arguments.against_dtype or arguments.against_quantization:
        changed = {
            "model": arguments.against or arguments.model,
            "dtype": arguments.against_dtype or arguments.dtype,
            # an option of one model may not apply to another
            "quantization": arguments.against_quantization or ("auto" if arguments.against else arguments.quantization),
            "base": "" if arguments.against else arguments.base,
        }
        other = argparse.Namespace(**{**vars(arguments), **changed})
        difference = compare(findings, examine(load(session, other), arguments.text, terminal_watch()))
        document["against"] = difference.as_dict()
        lines += difference.sentences()
    text = json_text(document, indent=1) + "\n" if arguments.format == "json" else "\n".join(lines) + "\n"
    deliver(text, arguments.format, arguments.output)
    return 0 if findings.sound else 4
